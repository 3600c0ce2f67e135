#!/usr/bin/env bash
# Checks the CUDA code without a GPU: the compiler and clippy on everything that a CUDA build is made of, and NVRTC on
# the kernels. Installs the parts of the toolkit that this takes. Clippy checks all that `cargo check` does; neither links.
# Exit code 3: there is no Python to install them with.
set -euo pipefail
cd "$(dirname "$0")/../.."

variables=$(tests/cuda/toolkit.sh "${TOOLKIT:-target/cuda-toolkit}")
eval "$variables"
target=(--release --target-dir target/cuda)
packages=(-p kernels -p learner -p launch -p sc-rangetest -p sc-train -p sc-probe)
for feature in cudnn cuda; do
  features=$(printf "%s/$feature," kernels learner launch sc-rangetest sc-train sc-probe)
  echo "check-cuda: clippy with the feature $feature" >&2
  ${CARGO:-cargo} clippy "${target[@]}" "${packages[@]}" --features "$features" --all-targets -- -D warnings
done
"${PYTHON:-python3}" tests/cuda/compile.py "$CUDA_HOME"
echo "check-cuda: passed; nothing was run on a GPU"
