#!/usr/bin/env bash
# Packs the built programs, with man pages and completions: a tarball, and a wheel that pip installs. Tries both.
#
#     pipelines/dist.sh PROGRAMS MANUAL OUT NAME...
#
# PROGRAMS: the folder of the programs NAME; MANUAL: what tests/bin/manual.rs made of them. Ends with 3, the tarball made, where
# there is no Python with pip: maturin, which makes the wheel, comes from PyPI, and so does nothing else.
set -euo pipefail
programs=$1 manual=$2 out=$3
shift 3
workspace=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)
version=$("$programs/$1" --version | cut -d ' ' -f 2)
host=$(rustc -vV | sed -n 's/^host: //p')
name=superconv-$version-$host

# One tree for both: bin/ and share/, symbols stripped.
tree=$out/$name
rm -rf "$tree"
mkdir -p "$tree/bin"
for program in "$@"; do cp "$programs/$program" "$tree/bin/"; done
if command -v strip > /dev/null; then strip "$tree/bin/"*; fi
cp -r "$manual" "$tree/share"
rm -f "$tree/share/made"
cp "$workspace"/{README.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE} "$tree/"

# The same programs give the same bytes.
tar --directory "$out" --sort=name --mtime='2000-01-01 00:00Z' --owner=0 --group=0 --numeric-owner -cf - "$name" |
  gzip -9n > "$out/$name.tar.gz"

# Tries programs as they lie in a folder: each says its version, and a chain of them trains a net.
try() {
  local bin=$1 data=$workspace/data/mnist5k scratch
  shift
  scratch=$(mktemp -d)
  for program in "$@"; do [ "$("$bin/$program" --version)" = "$program $version" ]; done
  "$bin/sc-prep" mnist "$data" --limit-per-class 20 --out "$scratch/data.safetensors" --quiet > "$scratch/log"
  "$bin/sc-init" --net lenet --data "$scratch/data.safetensors" --seed 1 --out "$scratch/init.safetensors" --quiet >> "$scratch/log"
  "$bin/sc-train" --data "$scratch/data.safetensors" --init "$scratch/init.safetensors" --schedule constant --lr 0.001 \
    --iterations 2 --batch-size 16 --quiet --out "$scratch/run" >> "$scratch/log"
  "$bin/sc-analyze" report "$scratch/run" --out "$scratch/report" >> "$scratch/log" 2>&1
  rm -r "$scratch"
}
unpacked=$(mktemp -d)
tar --directory "$unpacked" -xf "$out/$name.tar.gz"
try "$unpacked/$name/bin" "$@"
rm -r "$unpacked"
size() { du -sh --apparent-size "$1" | cut -f 1; }
echo "$out/$name.tar.gz: $(size "$out/$name.tar.gz"), $(size "$tree") unpacked; tried"

python=${PYTHON:-python3}
if ! "$python" -c 'import venv, ensurepip' 2> /dev/null; then
  echo "skipped: the wheel, as there is no Python with pip (PYTHON=...)" >&2
  exit 3
fi
# maturin builds one crate; the other programs, and what is below share/, go with it as data of the wheel.
wheel=$out/wheel
rm -rf "$wheel"
mkdir -p "$wheel/superconv.data/scripts"
cp -r "$tree/share" "$wheel/superconv.data/data-share"
mkdir "$wheel/superconv.data/data"
mv "$wheel/superconv.data/data-share" "$wheel/superconv.data/data/share"
for program in "$@"; do [ "$program" = sc-search ] || cp "$tree/bin/$program" "$wheel/superconv.data/scripts/"; done
cp "$workspace/README.md" "$wheel/"
# By the newest glibc that any program asks for: maturin looks at its own crate alone.
glibc=$(grep -aoh 'GLIBC_2\.[0-9]*' "$tree/bin/"* | sort -uV | tail -n 1)
sed -e "s|@MANIFEST@|$workspace/crates/search/Cargo.toml|" -e "s|@VERSION@|$version|" "$workspace/pipelines/pyproject.toml" \
  > "$wheel/pyproject.toml"
[ -x "$out/maturin/bin/maturin" ] || {
  "$python" -m venv "$out/maturin"
  "$out/maturin/bin/pip" install --quiet 'maturin>=1.9,<2'
}
(cd "$wheel" && "$out/maturin/bin/maturin" build --quiet --release --strip --target-dir "$workspace/target/wheel" --out "$out" \
  ${glibc:+--compatibility "manylinux_${glibc/GLIBC_2./2_}"})
wheel_file=$(ls -t "$out"/superconv-"$version"-*.whl | head -n 1)

# In an empty environment, without an index.
rm -rf "$out/empty"
"$python" -m venv "$out/empty"
"$out/empty/bin/pip" install --quiet --no-index "$wheel_file"
try "$out/empty/bin" "$@"
[ -e "$out/empty/share/man/man1/sc-train.1" ]
"$out/empty/bin/pip" uninstall --quiet --yes superconv
if ls "$out/empty/bin/"sc-* > /dev/null 2>&1; then echo "pip left programs behind" >&2; exit 1; fi
rm -rf "$out/empty" "$wheel"
echo "$wheel_file: $(size "$wheel_file"); tried with pip in an empty environment"
