#!/usr/bin/env bash
# Make data directories from LibriTTS.
# Usage: local/data.sh --corpus_dir DIR [--train_set NAME] [--speech_only PART|DIR] [--check_lists false] [--nj N] [--data DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
exec "${PYTHON:-python3}" local/data.py "$@"
