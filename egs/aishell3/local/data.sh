#!/usr/bin/env bash
# Make data directories from AISHELL-3, and the lists of what is converted and synthesised.
# Usage: local/data.sh --corpus_dir DIR [--data DIR] [--lists DIR] [--max_dropped_pct P] [--pairs N] [--sentences N] [--nj N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/data.py "$@"
