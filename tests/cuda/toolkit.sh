#!/usr/bin/env bash
# Puts the parts of the CUDA toolkit that a build needs into a folder, and prints the variables that point a build to
# them. The parts are NVIDIA's own packages on PyPI, about 520 MB unpacked; no GPU and no driver are needed.
#
#     source <(tests/cuda/toolkit.sh)            # into target/cuda-toolkit
#     source <(tests/cuda/toolkit.sh FOLDER)
#
# Exit code 3: there is no Python with pip, so there is nothing to install with.
set -euo pipefail

folder=$(realpath -m "${1:-$(dirname "$0")/../../target/cuda-toolkit}")
python=${PYTHON:-python3}
# One release of CUDA throughout; curand has a version of its own.
packages=(nvidia-{cuda-nvcc,nvvm,cuda-crt,cuda-runtime,cuda-cccl,cuda-nvrtc}'==13.2.*' 'nvidia-curand==10.4.*')
root=$folder/nvidia/cu13

if [ ! -e "$folder/.complete" ]; then
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    echo "toolkit.sh: $python has no pip; set PYTHON to a Python that has" >&2
    exit 3
  fi
  echo "toolkit.sh: installing ${packages[*]} into $folder" >&2
  rm -rf "$folder"
  "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --target "$folder" \
    "${packages[@]}" >&2
  # The packages are laid out for running; a build looks for lib64 and for libraries without a version.
  ln -sfn lib "$root/lib64"
  for library in "$root"/lib/lib*.so.*; do
    ln -sf "$(basename "$library")" "${library%%.so.*}.so"
  done
  touch "$folder/.complete"
fi

cat <<END
export CUDA_HOME=$(printf %q "$root") CUDA_PATH=$(printf %q "$root") CUDA_ROOT=$(printf %q "$root")
export CUDA_TOOLKIT_ROOT_DIR=$(printf %q "$root") CUDA_COMPUTE_CAP=\${CUDA_COMPUTE_CAP:-80}
export PATH=$(printf %q "$root/bin"):\$PATH LIBRARY_PATH=$(printf %q "$root/lib")\${LIBRARY_PATH:+:\$LIBRARY_PATH}
END
