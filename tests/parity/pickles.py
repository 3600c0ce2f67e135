"""Writes a checkpoint of torch.save as training scripts leave it, for the tests of sc-init.

    python3 pickles.py ../../crates/init/tests/fixtures/resnet8.pth

The weights of resnet8 for grey images and 10 classes, under the names of DataParallel, in half precision, beside an epoch and
an optimizer's state. All tensors are views of one storage, so that the file stays small: tensor k, in order of name, starts at
number k of it; number i is (7 i mod 129 - 64) / 64. crates/init/tests/torch.rs has the same.
"""

import collections
import sys

import torch

import torch_nets


def main():
    net = torch_nets.build("resnet8", channels=1, size=28, classes=10)
    own = {name: tensor for name, tensor in net.state_dict().items() if tensor.is_floating_point()}
    longest = max(tensor.numel() for tensor in own.values())
    numbers = ((torch.arange(longest + len(own)) * 7 % 129 - 64) / 64).half()
    weights = collections.OrderedDict()
    for k, (name, tensor) in enumerate(sorted(own.items())):
        weights[f"module.{name}"] = numbers[k : k + tensor.numel()].view(tensor.shape)
    weights["module.bn1.num_batches_tracked"] = torch.tensor(7)
    optimizer = {"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}
    torch.save({"epoch": 3, "optimizer": optimizer, "state_dict": weights}, sys.argv[1])


if __name__ == "__main__":
    main()
