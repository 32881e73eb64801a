#!/usr/bin/env bash
# Script of a Slurm job that trains on several machines:  train_job.sh FOLDER COMMAND [ARGUMENT ...]
# It leaves the exit status in FOLDER/status, unless the job is queued again.
set -euo pipefail

folder=$1
shift
rm -f "${folder}/stopped" "${folder}/failed" "${folder}/status"
near_limit=false
trap 'near_limit=true; scancel --signal=TERM "${SLURM_JOB_ID}"' USR1
trap : TERM
echo "# job ${SLURM_JOB_ID} on ${SLURM_JOB_NODELIST}, start $((${SLURM_RESTART_COUNT:-0} + 1))"
cores=() # which srun does not take over from sbatch since Slurm 22.05
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || cores=("--cpus-per-task=${SLURM_CPUS_PER_TASK}")
srun --kill-on-bad-exit=1 --export=ALL "${cores[@]}" "$@" &
child=$!
status=0
while kill -0 "${child}" 2>/dev/null; do
    status=0
    wait "${child}" || status=$?
done
[ ! -e "${folder}/stopped" ] || status=143
if [ -e "${folder}/failed" ]; then
    status=$(cat "${folder}/failed") # not that of a machine that was stopped for it
elif [ "${status}" -eq 143 ]; then
    job=$(scontrol --oneliner show job "${SLURM_JOB_ID}" || true)
    again=""
    [ "${near_limit}" = false ] || again="its time limit is near"
    [[ "${job}" =~ PreemptTime=(None|Unknown|[[:space:]]) ]] || [[ "${job}" != *PreemptTime=* ]] || again="it is pre-empted"
    [[ "${job}" != *JobState=CANCELLED* ]] || again=""
    if [ -n "${again}" ]; then
        echo "# saved, as ${again}; queued again, to resume from there"
        scontrol requeue "${SLURM_JOB_ID}" && exit 0
    fi
fi
echo "${status}" >"${folder}/.status" && mv "${folder}/.status" "${folder}/status"
exit "${status}"
