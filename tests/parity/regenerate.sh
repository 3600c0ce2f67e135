#!/usr/bin/env bash
# Makes the fixtures of this folder anew: PYTHON (which has torch) and, if need be, where the programs are.
#   tests/parity/regenerate.sh python3 [target/release]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?usage: tests/parity/regenerate.sh PYTHON [FOLDER OF THE PROGRAMS]}
programs=${2:-target/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$programs/sc-prep" mnist data/mnist5k --out "$work/digits.safetensors" --quiet
"$python" -W ignore tests/parity/pictures.py "$work/pictures.safetensors"

# FIXTURE NET SHORTCUT(or -) RATE DATA BATCH ENTRIES
while read -r fixture net shortcut rate data batch entries; do
  shortcut=${shortcut#-}
  "$programs/sc-init" --net "$net" ${shortcut:+--shortcut "$shortcut"} --data "$work/$data.safetensors" --seed 1 \
    --out "$work/$fixture.safetensors" --quiet
  "$programs/sc-train" --data "$work/$data.safetensors" --init "$work/$fixture.safetensors" --out "$work/$fixture" \
    --schedule constant --lr "$rate" --iterations 10 --batch-size "$batch" --augment crop-flip --val-from-train 0 \
    --record-batches --quiet > /dev/null
  "$python" -W ignore tests/parity/nets.py --net "$net" ${shortcut:+--shortcut "$shortcut"} --lr "$rate" --entries "$entries" \
    --data "$work/$data.safetensors" --init "$work/$fixture.safetensors" \
    --batches "$work/$fixture/batches.safetensors" --out "tests/parity/fixtures/$fixture.json"
done <<'TABLE'
resnet8 resnet8 a 0.01 digits 32 64
resnet8-avgpool resnet8 avgpool 0.01 digits 32 64
lenet lenet - 0.001 digits 32 64
shallow shallow - 0.001 digits 32 64
resnet18 resnet18 - 0.0001 pictures 4 4
resnet34 resnet34 - 0.0001 pictures 4 4
resnet50 resnet50 - 0.0001 pictures 4 4
TABLE
