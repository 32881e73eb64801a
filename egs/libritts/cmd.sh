# shellcheck shell=bash
# How programs are started: local, or slurm (options of sbatch: conf/slurm.conf here, or the shared one).
export CTAP_CMD_BACKEND=local
