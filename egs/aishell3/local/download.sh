#!/usr/bin/env bash
# Fetch AISHELL-3 (OpenSLR 93, 19 GB; 27 GB of audio when unpacked). The archive holds train/, test/ and so on without a folder
# of their own, so they go straight into DIR.
# Usage: local/download.sh [--corpus_dir DIR] [--mirror URL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
target=downloads/data_aishell3
mirrors=()
while [ $# -gt 0 ]; do
    case "$1" in
        --corpus_dir | --corpus-dir) target=$2 ;;
        --mirror) mirrors+=(--mirror "$2") ;;
        *) echo "download.sh: unknown option $1; there are --corpus_dir --mirror" >&2; exit 1 ;;
    esac
    shift 2
done
exec ctap data download local/corpus.yaml "${target}" "${mirrors[@]}"
