"""What onnxruntime, an independent runtime, makes of ONNX models that sc-export writes; for crates/export/tests/onnx.rs.

    python3 onnx_logits.py FOLDER

For every NAME.onnx in FOLDER with NAME.pixels beside it (raw bytes of as many images as there are) writes NAME.logits and
NAME.probabilities (little-endian float32), all images at once and then image by image, and checks the model by the `onnx`
package where that is installed.
"""

import pathlib
import sys

import numpy as np
import onnxruntime

try:
    import onnx
except ImportError:
    onnx = None

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.onnx")):
    if onnx:
        onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert given.type == "tensor(uint8)" and given.shape[0] == "N", (given.type, given.shape)
    pixels = np.frombuffer(path.with_suffix(".pixels").read_bytes(), np.uint8).reshape(-1, *given.shape[1:])
    together = session.run(["logits", "probabilities"], {given.name: pixels})
    alone = [session.run(["logits", "probabilities"], {given.name: image[None]}) for image in pixels]
    for at, name in enumerate(["logits", "probabilities"]):
        both = [together[at], *(outputs[at] for outputs in alone)]
        np.concatenate(both).astype("<f4").tofile(path.with_suffix(f".{name}"))
    print(path.stem, session.get_modelmeta().custom_metadata_map["classes"])
