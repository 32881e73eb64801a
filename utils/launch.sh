#!/usr/bin/env bash
# Start `ctap train` on one or many processes and machines:  utils/launch.sh [options] -- ARGUMENTS OF ctap train
set -euo pipefail

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: $0 [options] -- ARGUMENTS OF ctap train
  --ngpu N               GPUs of each machine, one process on each; 0: the CPU
  --nproc N              processes of each machine when --ngpu is 0
  --num_nodes N          machines
  --cmd_backend NAME     local or slurm
  --slurm_config FILE    options of srun, one 'name=value' a line
  --rdzv_endpoint H:P    where the machines meet, for several machines without slurm; start this on each of them"

ngpu=0
nproc=1
num_nodes=1
cmd_backend=local
slurm_config=conf/slurm.conf # a recipe's own, else the shared one
rdzv_endpoint=
. "$(dirname "${BASH_SOURCE[0]}")/parse_options.sh"
[ -e "${slurm_config}" ] || slurm_config=$(dirname "${BASH_SOURCE[0]}")/../${slurm_config}

processes=${nproc}
[ "${ngpu}" -eq 0 ] || processes=${ngpu}
[ "${ngpu}" -ne 0 ] || export CUDA_VISIBLE_DEVICES=
if [ -z "${OMP_NUM_THREADS:-}" ]; then
    export OMP_NUM_THREADS=$(($(getconf _NPROCESSORS_ONLN) / processes))
    [ "${OMP_NUM_THREADS}" -ge 1 ] || OMP_NUM_THREADS=1
fi
# Spinning threads starve one another where processes outnumber cores.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"

torchrun=(python3 -m torch.distributed.run --nproc_per_node "${processes}")
program=(-m ctaplib.cli.main train "$@")
[ "${ngpu}" -eq 0 ] || program+=(--gpu)

case "${cmd_backend}" in
    local)
        if [ "${num_nodes}" -eq 1 ]; then
            exec "${torchrun[@]}" --standalone "${program[@]}"
        fi
        if [ -z "${rdzv_endpoint}" ]; then
            echo "error: --num_nodes ${num_nodes} without slurm needs --rdzv_endpoint HOST:PORT, the same on all machines" >&2
            exit 1
        fi
        exec "${torchrun[@]}" --nnodes "${num_nodes}" --rdzv_backend c10d --rdzv_endpoint "${rdzv_endpoint}" \
            --rdzv_id ctap "${program[@]}"
        ;;
    slurm)
        command -v srun >/dev/null || {
            echo "error: --cmd_backend slurm needs srun, which is not on this machine" >&2
            exit 1
        }
        options=()
        [ -r "${slurm_config}" ] || {
            echo "error: cannot read the options of srun, ${slurm_config}" >&2
            exit 1
        }
        mapfile -t options < <(sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' -e 's/^/--/' "${slurm_config}")
        [ "${ngpu}" -eq 0 ] || options+=("--gpus-per-node=${ngpu}")
        # One torchrun on each machine; they meet on the first one of the allocation.
        export torchrun_line="${torchrun[*]}"
        # shellcheck disable=SC2016
        exec srun --nodes="${num_nodes}" --ntasks="${num_nodes}" --ntasks-per-node=1 --kill-on-bad-exit=1 \
            --export=ALL "${options[@]}" bash -c '
                head=$(scontrol show hostnames "${SLURM_JOB_NODELIST}" | head -n 1)
                exec ${torchrun_line} --nnodes "${SLURM_NNODES}" --rdzv_backend c10d \
                    --rdzv_endpoint "${head}:$((20000 + SLURM_JOB_ID % 20000))" --rdzv_id "${SLURM_JOB_ID}" "$@"
            ' launch "${program[@]}"
        ;;
    *)
        echo "error: --cmd_backend ${cmd_backend}: expected local or slurm" >&2
        exit 1
        ;;
esac
