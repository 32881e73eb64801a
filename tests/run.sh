#!/usr/bin/env bash
# The tests: tests/run.sh [--all] [arguments of pytest].  Without --all, the fast tier.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. utils/environment.sh
python=python3
! command -v ctap >/dev/null || python=$(dirname "$(command -v ctap)")/python3
if [ "${1:-}" = --help ] || [ "${1:-}" = -h ]; then
    sed -n 2p "${BASH_SOURCE[0]}"
    exit 0
fi
tier=(-m "not slow")
if [ "${1:-}" = --all ]; then
    tier=()
    shift
fi
# One thread for each of the two workers: threads that spin on shared cores take many times as long.
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
exec "${python}" -m pytest -n 2 --dist loadfile -q "${tier[@]}" "$@"
