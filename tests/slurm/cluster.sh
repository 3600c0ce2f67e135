# A Slurm of our own: munge, a controller and two nodes on this machine, over loopback, in one folder. To be sourced.
#
# start_cluster FOLDER; kill_node NAME, start_node NAME; stop_cluster.

cluster= daemons=()

start_cluster() {
  cluster=$1
  mkdir -p "$cluster"/{state,spool-n1,spool-n2}
  chmod 755 "$cluster"
  head -c 1024 /dev/urandom > "$cluster/munge.key"
  chmod 400 "$cluster/munge.key"
  cat > "$cluster/slurm.conf" << CONF
ClusterName=test
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmctldPort=17817
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$cluster/munge.socket
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool-%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/slurmd-%n.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2
SlurmdTimeout=10
ReturnToService=2
NodeName=n1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17818 CPUs=2 RealMemory=500
NodeName=n2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=17819 CPUs=2 RealMemory=500
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
  export SLURM_CONF=$cluster/slurm.conf
  background munged --foreground --socket="$cluster/munge.socket" --key-file="$cluster/munge.key" \
    --pid-file="$cluster/munged.pid" --log-file="$cluster/munged.log" --seed-file="$cluster/munged.seed" --force
  wait_for "munge" test -S "$cluster/munge.socket"
  background slurmctld -D
  wait_for "the controller" sinfo
  start_node n1
  start_node n2
  wait_for "two idle nodes" idle 2
}

start_node() { background slurmd -D -N "$1"; }

idle() { [ "$(sinfo --noheader --Node --states idle | wc -l)" -ge "$1" ]; }

background() {
  "$@" > "$cluster/daemon-${#daemons[@]}.out" 2>&1 &
  daemons+=($!)
}

# What runs on a node dies at once, as if the power had gone: its daemon, the keepers of its jobs, the jobs.
kill_node() {
  local pid
  for pid in $(processes "$1") $(keepers "$1") $(with_variable "SLURMD_NODENAME=$1"); do
    kill -KILL "$pid" 2> /dev/null || true
  done
}

# Ours alone: all of them have the path of our configuration in their environment.
processes() {
  local pid
  for pid in "${daemons[@]}"; do
    if grep -qzx -e -N "/proc/$pid/cmdline" 2> /dev/null && grep -qzx "$1" "/proc/$pid/cmdline" 2> /dev/null; then
      echo "$pid"
    fi
  done
}

keepers() {
  local pid
  for pid in $(with_variable "SLURM_CONF=$cluster/slurm.conf"); do
    if grep -qsx slurmstepd "/proc/$pid/comm" &&
      readlink "/proc/$pid/fd/"* 2> /dev/null | grep -qx "$cluster/slurmd-$1.log"; then
      echo "$pid"
    fi
  done
}

with_variable() {
  local file
  for file in $(grep -lsxzF "SLURM_CONF=$cluster/slurm.conf" /proc/[0-9]*/environ); do
    if grep -qsxzF "$1" "$file"; then
      file=${file#/proc/}
      echo "${file%/environ}"
    fi
  done
}

# 1: what is waited for, the others: a command that says whether it is there
wait_for() {
  local what=$1 tries
  shift
  for tries in $(seq 1200); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "waited two minutes for $what" >&2
  return 1
}

stop_cluster() {
  [ -n "$cluster" ] || return 0
  scancel --quiet --full --user "$(id -un)" 2> /dev/null || true
  kill_node n1
  kill_node n2
  kill "${daemons[@]}" 2> /dev/null || true
  wait "${daemons[@]}" 2> /dev/null || true
}
