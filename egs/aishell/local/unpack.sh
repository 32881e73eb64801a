#!/usr/bin/env bash
# Unpack the archives of AISHELL-1's speakers, data_aishell/wav/S0002.tar.gz and so on; they stay where they are.
# Usage: local/unpack.sh --corpus_dir DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/unpack.py "$@"
