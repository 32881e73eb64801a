#!/usr/bin/env bash
# Make the mini corpus and its data directories.
# Usage: local/data.sh [--lang en|zh] [--size full|tiny] [--nj N] [--data DIR] [--audio DIR] [--seed N]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/data.py "$@"
