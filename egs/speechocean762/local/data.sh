#!/usr/bin/env bash
# Make data directories from speechocean762.
# Usage: local/data.sh --corpus_dir DIR [--subset 100spk] [--nj N] [--data DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/data.py "$@"
