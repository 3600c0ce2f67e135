"""Compiles the GPU's kernels by NVRTC, as a program does when it starts, and assembles them: no GPU needed.

    python3 tests/cuda/compile.py TOOLKIT [KERNELS.cu]

TOOLKIT is the folder that tests/cuda/toolkit.sh calls CUDA_HOME. Every precision, for several compute capabilities.
"""

import ctypes
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PRECISIONS = {"float32": [], "bf16": ["--define-macro=BF16"]}
CAPABILITIES = (80, 90, 100)


def check(nvrtc, status):
    if status:
        nvrtc.nvrtcGetErrorString.restype = ctypes.c_char_p
        raise SystemExit(f"compile.py: NVRTC: {nvrtc.nvrtcGetErrorString(status).decode()}")


def text(nvrtc, program, what):
    """The log or the PTX of a program."""
    size = ctypes.c_size_t()
    check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    check(nvrtc, getattr(nvrtc, f"nvrtcGet{what}")(program, buffer))
    return buffer.value.decode()


def compile_ptx(nvrtc, source, options):
    program = ctypes.c_void_p()
    check(nvrtc, nvrtc.nvrtcCreateProgram(ctypes.byref(program), source, b"kernels.cu", 0, None, None))
    given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    status = nvrtc.nvrtcCompileProgram(program, len(options), given)
    log = text(nvrtc, program, "ProgramLog").strip()
    if log:
        print(log, file=sys.stderr)
    check(nvrtc, status)
    return text(nvrtc, program, "PTX")


def assemble(toolkit, ptx, capability):
    with tempfile.NamedTemporaryFile(suffix=".ptx", mode="w") as file:
        file.write(ptx)
        file.flush()
        command = [toolkit / "bin/ptxas", f"-arch=sm_{capability}", file.name, "-o", "/dev/null"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"compile.py: ptxas: {done.stderr.strip()}")


def main():
    toolkit = pathlib.Path(sys.argv[1])
    path = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "crates/kernels/src/gpu/kernels.cu")
    nvrtc = ctypes.CDLL(str(toolkit / "lib/libnvrtc.so"))
    for precision, options in PRECISIONS.items():
        for capability in CAPABILITIES:
            arguments = [f"--gpu-architecture=compute_{capability}", *options]
            ptx = compile_ptx(nvrtc, path.read_bytes(), arguments)
            assemble(toolkit, ptx, capability)
            print(f"{precision}, compute capability {capability / 10}: {ptx.count('.entry')} kernels compiled")


if __name__ == "__main__":
    main()
