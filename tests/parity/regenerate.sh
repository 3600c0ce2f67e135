#!/usr/bin/env bash
# Makes the fixtures of this folder anew: PYTHON (which has torch) and, if need be, where the programs are.
#   tests/parity/regenerate.sh python3 [target/release]
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:?usage: tests/parity/regenerate.sh PYTHON [FOLDER OF THE PROGRAMS]}
programs=${2:-target/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$programs/sc-prep" mnist data/mnist5k --out "$work/data.safetensors" --quiet

# FIXTURE NET SHORTCUT(or -) RATE
while read -r fixture net shortcut rate; do
  shortcut=${shortcut#-}
  "$programs/sc-init" --net "$net" ${shortcut:+--shortcut "$shortcut"} --data "$work/data.safetensors" --seed 1 \
    --out "$work/$fixture.safetensors" --quiet
  "$programs/sc-train" --data "$work/data.safetensors" --init "$work/$fixture.safetensors" --out "$work/$fixture" \
    --schedule constant --lr "$rate" --iterations 10 --batch-size 32 --augment crop-flip --val-from-train 0 \
    --record-batches --quiet > /dev/null
  "$python" -W ignore tests/parity/nets.py --net "$net" ${shortcut:+--shortcut "$shortcut"} --lr "$rate" \
    --data "$work/data.safetensors" --init "$work/$fixture.safetensors" \
    --batches "$work/$fixture/batches.safetensors" --out "tests/parity/fixtures/$fixture.json"
done <<'TABLE'
resnet8 resnet8 a 0.01
resnet8-avgpool resnet8 avgpool 0.01
lenet lenet - 0.001
shallow shallow - 0.001
TABLE
