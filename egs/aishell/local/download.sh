#!/usr/bin/env bash
# Fetch AISHELL-1 (OpenSLR 33, 16 GB) and unpack it, the archives of its speakers as well.
# Usage: local/download.sh [--corpus_dir DIR] [--mirror URL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
target=downloads
mirrors=()
while [ $# -gt 0 ]; do
    case "$1" in
        --corpus_dir | --corpus-dir) target=$2 ;;
        --mirror) mirrors+=(--mirror "$2") ;;
        *) echo "download.sh: unknown option $1; there are --corpus_dir --mirror" >&2; exit 1 ;;
    esac
    shift 2
done
ctap data download local/corpus.yaml "${target}" "${mirrors[@]}"
exec local/unpack.sh --corpus_dir "${target}"
