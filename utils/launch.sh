#!/usr/bin/env bash
# Start `ctap train` on one or many processes and machines:  utils/launch.sh [options] -- ARGUMENTS OF ctap train
set -euo pipefail

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: $0 [options] -- ARGUMENTS OF ctap train
  --ngpu N               GPUs of each machine, one process on each; 0: the CPU
  --nproc N              processes of each machine when --ngpu is 0
  --num_nodes N          machines
  --cmd_backend NAME     local or slurm
  --slurm_config FILE    options of sbatch, one 'name=value' a line (docs/clusters.md)
  --rdzv_endpoint H:P    where the machines meet, for several machines without slurm; start this on each of them
  --join_timeout S       seconds to wait for all machines to come
  --patience S           seconds without a sign of life of another process after which all end (30); 0: no limit
  --batch_bins N|auto    most 10 ms frames in one forward pass of a process (0); 0: no limit; auto: what fits (docs/training.md)"

ngpu=0
nproc=1
num_nodes=1
cmd_backend=local
slurm_config=${CTAP_SLURM_CONFIG:-conf/slurm.conf} # a recipe's own, else the shared one
rdzv_endpoint=
join_timeout=50
patience=
batch_bins=0
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[ -e "${slurm_config}" ] || slurm_config=$(dirname "${BASH_SOURCE[0]}")/../conf/slurm.conf

processes=${nproc}
[ "${ngpu}" -eq 0 ] || processes=${ngpu}
[ "${ngpu}" -ne 0 ] || export CUDA_VISIBLE_DEVICES=
program=(-- -m ctaplib.cli.main train "$@")
[ -z "${patience}" ] || program+=(--patience "${patience}")
[ "${batch_bins}" = 0 ] || program+=(--batch_bins "${batch_bins}")
[ "${ngpu}" -eq 0 ] || program+=(--gpu)
# torchrun on one machine (ctaplib/cluster/launcher.py meets the others first).
node=(python3 -m ctaplib.cluster.launcher --nproc "${processes}" --num_nodes "${num_nodes}" --join_timeout "${join_timeout}")

case "${cmd_backend}" in
    local)
        if [ "${num_nodes}" -gt 1 ] && [ -z "${rdzv_endpoint}" ]; then
            echo "error: --num_nodes ${num_nodes} without slurm needs --rdzv_endpoint HOST:PORT, the same on all machines" >&2
            exit 1
        fi
        exec "${node[@]}" --endpoint "${rdzv_endpoint}" "${program[@]}"
        ;;
    slurm)
        exp=train # one job at a time for each folder of a run
        for ((_word = 1; _word < $#; _word++)); do
            [ "${!_word}" != --exp ] || { _word=$((_word + 1)) && exp=${!_word}; }
        done
        exec python3 -m ctaplib.cluster.slurm_run --folder "${CTAP_JOBS:-jobs}/${exp//\//_}" --num_nodes "${num_nodes}" --ngpu "${ngpu}" \
            --slurm_config "${slurm_config}" -- "${node[@]}" --tell @folder "${program[@]}"
        ;;
    *)
        echo "error: --cmd_backend ${cmd_backend}: expected local or slurm" >&2
        exit 1
        ;;
esac
