"""Makes fixtures/range-test.csv: a range test as integrations/superconv_lr.py writes it, of a small net on ten made-up classes.

    python3 tests/parity/range_test.py
"""

import pathlib
import sys
import warnings

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "integrations"))

from superconv_lr import find_lr  # noqa: E402

warnings.simplefilter("ignore")  # sc-analyze need not be there
torch.manual_seed(1)
torch.set_num_threads(1)
centres = torch.randn(10, 20)
labels = torch.arange(640) % 10
images = centres[labels] + 1.5 * torch.randn(640, 20)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size=32, shuffle=True)
model = torch.nn.Sequential(torch.nn.Linear(20, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
find_lr(model, torch.nn.CrossEntropyLoss(), loader, optimizer, 60, for_iterations=240, out=HERE / "fixtures" / "range-test.csv")
