#!/usr/bin/env bash
# Runs a small study on a Slurm of our own, and holds what it leaves against a local run, byte by byte: by arrays of blocks, a
# node dying midway; and by steps inside one allocation. Exits with 3 where that cannot be tried.
#
#     tests/slurm/check.sh PROGRAMS    (the folder of the built programs)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
workspace=$(cd "$here/../.." && pwd)
programs=$(cd "$1" && pwd)

skip() {
  echo "skipped: the test on Slurm, as $1" >&2
  exit 3
}
PATH=$PATH:/usr/sbin:/sbin
for program in munged slurmctld slurmd sbatch srun; do
  command -v "$program" > /dev/null || skip "$program is not installed (Debian: slurm-wlm and munge)"
done
[ "$(id -u)" -eq 0 ] || skip "a Slurm of one's own has to be started by root"

folder=$(mktemp -d)
. "$here/cluster.sh"
tidy() {
  code=$?
  stop_cluster
  if [ "$code" -eq 0 ]; then rm -rf "$folder"; else echo "what is left to look at: $folder" >&2; fi
}
trap tidy EXIT

# Runs long enough to die in (STEPS: on a busy machine fewer are). Saving them often changes no number, and lets them go on from
# where they were.
study=(superconvergence QUIET=1 NET=lenet BATCH=32 "LENGTHS=${STEPS:-400}" CUSTOMARY=0.001 CUSTOMARY_LENGTHS=60 "SEEDS=1 2"
  "GRID=0.001 0.002" RATE_SEEDS=101 RATE_STEPS=60 THREADS=1 "CYCLE_FLAGS=--max-lr 0.002 --checkpoint-seconds 0.2")

# A checkout without sources: the programs count as built.
checkout() {
  mkdir -p "$folder/$1"/{target,data,crates}
  ln -s "$programs" "$folder/$1/target/release"
  for name in Makefile pipelines data/mnist5k; do ln -s "$workspace/$name" "$folder/$1/$name"; done
  for name in Cargo.toml Cargo.lock; do touch -d @0 "$folder/$1/$name"; done
  cd "$folder/$1"
}

# What two checkouts must have in common.
common() {
  (cd "$folder/$1" && find runs init data/*.safetensors -type f \( -name metrics.jsonl -o -name test.jsonl \
    -o -name '*.safetensors' ! -name checkpoint.safetensors -o -name suggestion.json -o -name 'choice-*.json' \
    -o -name 'probe-*.json' -o -name '*.args' \) -exec sha256sum {} + | sort -k 2)
}

same() {
  diff <(common local) <(common "$1") > "$folder/difference" || {
    echo "$1 and the local run differ:" >&2
    cat "$folder/difference" >&2
    exit 1
  }
  [ "$(common local | wc -l)" -gt 35 ] || { echo "too little to compare" >&2; exit 1; }
}

passed() { echo "$1: $((SECONDS - began)) s"; began=$SECONDS; }
began=$SECONDS

checkout local
make -j2 "${study[@]}" > ../local.log 2>&1
passed "the study, locally, make -j2"

start_cluster "$folder/cluster"
passed "a controller and two nodes started"

# A run of 1cycle on node n1 that has saved something and is not finished.
underway() {
  local pid out
  for pid in $(with_variable SLURMD_NODENAME=n1); do
    out=$(tr '\0' '\n' < "/proc/$pid/cmdline" 2> /dev/null | grep -A 1 -x -e --out | tail -1)
    [[ $out != */1cycle-* ]] || [ ! -e "$out/checkpoint.safetensors" ] || [ -e "$out/result.json" ] || return 0
  done
  return 1
}
no_jobs() { [ -z "$(squeue --noheader)" ]; }

checkout arrays
pipelines/slurm-study --blocks 4 --cpus-per-task=1 -- "${study[@]}"
wait_for "a run to die on node n1" underway
kill_node n1
passed "until a node died under a run"
wait_for "the end of the jobs" no_jobs
[ -e reports/*/index.html ] || { tail -n 20 slurm/*/*.out >&2; exit 1; }
grep -q "[Rr]equeu" "$cluster/slurmctld.log" || { echo "Slurm started nothing anew" >&2; exit 1; }
grep -q "resumed on" runs/*/1cycle-*/timing.jsonl || { echo "no run went on from a checkpoint" >&2; exit 1; }
make -q "${study[@]}" || { echo "make has something left to do" >&2; exit 1; }
same arrays
passed "until the study was whole, the same bytes as locally"

start_node n1
wait_for "two idle nodes" idle 2
checkout steps
sbatch --wait --output=job.out --nodes=2 --ntasks-per-node=2 --cpus-per-task=1 \
  --wrap "$(printf '%q ' make -j4 SHELL=pipelines/srun-shell "${study[@]}")" > /dev/null || { cat job.out >&2; exit 1; }
for node in n1 n2; do
  grep -q "launch task StepId=[0-9]*\.[0-9]" "$cluster/slurmd-$node.log" || { echo "no step ran on $node" >&2; exit 1; }
done
same steps
passed "the study in one allocation of two nodes, a step a run, the same bytes"

# Outside an allocation every run would ask for one of its own.
rm -r runs/*/1cycle-*
if make SHELL=pipelines/srun-shell "${study[@]}" > ../outside.log 2>&1; then echo "srun-shell asked for allocations" >&2; exit 1; fi
grep -q "start make inside one: sbatch" ../outside.log || { cat ../outside.log >&2; exit 1; }

# Where a run fails, nothing after it is started.
pipelines/slurm-study --blocks 2 -- "${study[@]}" "CYCLE_FLAGS=--max-lr -1" > /dev/null
wait_for "the end of the jobs" no_jobs
if grep -q . slurm/*/report.out 2> /dev/null; then echo "the report was made over a failed run" >&2; exit 1; fi
grep -q -e "--max-lr" slurm/*/runs-*.out || { echo "no word of the failed run" >&2; exit 1; }
passed "refused outside an allocation; a failed run stops what comes after it"
