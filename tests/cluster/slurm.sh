#!/usr/bin/env bash
# A Slurm cluster of two nodes on this machine, for tests:  tests/cluster/slurm.sh start|stop FOLDER
#
# Needs root and Debian's packages:  apt-get install --no-install-recommends slurm-wlm munge
# All files lie in FOLDER; `export SLURM_CONF=FOLDER/slurm.conf` makes sbatch and its like use it. Nothing is left after stop.
# start ends with status 77 and a reason where there can be no such cluster.
set -euo pipefail

nodes=2
cpus=2

cannot() {
    echo "no local Slurm: $1"
    exit 77
}

# A port at which nothing listens now.
free_ports() { python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))' "$1"; }

write_config() {
    local ports n
    read -r -a ports < <(free_ports $((nodes + 1)))
    mkdir -p "${folder}"/{state,log}
    cat >"${folder}/slurm.conf" <<END
ClusterName=ctap
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket,cred_expire=3
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmctldLogFile=${folder}/log/slurmctld.log
SlurmdPidFile=${folder}/%n.pid
SlurmdLogFile=${folder}/log/%n.log
SlurmdSpoolDir=${folder}/spool.%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1,requeue_delay=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
InactiveLimit=0
KillWait=20
MinJobAge=300
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
END
    for ((n = 1; n <= nodes; n++)); do
        mkdir -p "${folder}/spool.node${n}"
        echo "NodeName=node${n} NodeHostname=node${n} NodeAddr=127.0.0.1 Port=${ports[${n}]} CPUs=${cpus} RealMemory=4000 State=UNKNOWN"
    done >>"${folder}/slurm.conf"
    {
        echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20 PreemptMode=REQUEUE"
        echo "PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF"
    } >>"${folder}/slurm.conf"
}

start() {
    local program n
    [ "$(id -u)" -eq 0 ] || cannot "it needs root"
    for program in munged slurmctld slurmd sbatch; do
        command -v "${program}" >/dev/null || cannot "${program} is not installed (apt-get install --no-install-recommends slurm-wlm munge)"
    done
    mkdir -p "${folder}"
    # munge wants folders that others cannot write to, up to the root; its socket must be reachable.
    chmod 755 "${folder}"
    write_config
    head -c 1024 /dev/urandom >"${folder}/munge.key"
    chmod 400 "${folder}/munge.key"
    munged --force --key-file="${folder}/munge.key" --socket="${folder}/munge.socket" --pid-file="${folder}/munged.pid" \
        --log-file="${folder}/log/munged.log" --seed-file="${folder}/munge.seed" >"${folder}/log/start.log" 2>&1 ||
        cannot "munged: $(tail -n 1 "${folder}/log/start.log")"
    export SLURM_CONF=${folder}/slurm.conf
    slurmctld -c >>"${folder}/log/start.log" 2>&1 || give_up "slurmctld: $(tail -n 1 "${folder}/log/slurmctld.log")"
    for ((n = 1; n <= nodes; n++)); do
        slurmd -N "node${n}" >>"${folder}/log/start.log" 2>&1 || give_up "slurmd: $(tail -n 1 "${folder}/log/start.log")"
    done
    for ((n = 0; n < 200; n++)); do
        [ "$(sinfo -h -N -p main -t idle -o %N 2>/dev/null | wc -l)" -lt "${nodes}" ] || return 0
        sleep 0.1
    done
    give_up "its nodes do not come up: $(sinfo -h -N -p main -o '%N %T %E' 2>&1 | tr '\n' ';')"
}

give_up() {
    stop || true
    cannot "$1"
}

# End what was started, by its process id: jobs first, then the daemons.
stop() {
    local file pid n
    export SLURM_CONF=${folder}/slurm.conf
    timeout 10 scancel --state=PENDING --user=root 2>/dev/null || true
    timeout 10 scancel --signal=KILL --full --user=root 2>/dev/null || true
    timeout 10 scancel --user=root 2>/dev/null || true
    for ((n = 0; n < 50; n++)); do
        [ -n "$(timeout 10 squeue -h 2>/dev/null)" ] || break
        sleep 0.1
    done
    for file in "${folder}"/node*.pid "${folder}/slurmctld.pid" "${folder}/munged.pid"; do
        [ -e "${file}" ] || continue
        pid=$(cat "${file}")
        kill "${pid}" 2>/dev/null || true
        for ((n = 0; n < 100; n++)); do
            # A process that has ended and waits for its parent has no more threads and no command line.
            [ -s "/proc/${pid}/cmdline" ] && [ -n "$(tr -d '\0' <"/proc/${pid}/cmdline" 2>/dev/null)" ] || break
            sleep 0.1
        done
        kill -9 "${pid}" 2>/dev/null || true
    done
    rm -rf "${folder}"
}

[ $# -eq 2 ] || {
    echo "usage: $0 start|stop FOLDER" >&2
    exit 2
}
folder=$(realpath -m "$2")
case "$1" in
    start | stop) "$1" ;;
    *) echo "$0: $1: expected start or stop" >&2; exit 2 ;;
esac
