#!/usr/bin/env bash
# Make data directories from VCTK.
# Usage: local/data.sh --corpus_dir DIR [--split vqmivc|espnet] [--mic mic1|mic2] [--check_lists false] [--nj N] [--data DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/data.py "$@"
