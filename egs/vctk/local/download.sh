#!/usr/bin/env bash
# Fetch VCTK to the folder above --corpus_dir: release 0.80 where that ends in VCTK-Corpus, else 0.92 (VCTK-Corpus-0.92, 12 GB).
# Usage: local/download.sh [--corpus_dir DIR] [--mirror URL]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
corpus_dir=downloads/VCTK-Corpus-0.92
options=()
while [ $# -gt 0 ]; do
    case "$1" in
        --corpus_dir | --corpus-dir) corpus_dir=$2 ;;
        --mirror) options+=(--mirror "$2") ;;
        *) echo "download.sh: unknown option $1; there are --corpus_dir --mirror" >&2; exit 1 ;;
    esac
    shift 2
done
case "$(basename "${corpus_dir}")" in
    VCTK-Corpus-0.92) description=local/corpus.yaml ;;
    VCTK-Corpus) description=local/corpus_0.80.yaml ;;
    *)
        echo "error: --corpus_dir ${corpus_dir}: the archive unpacks to VCTK-Corpus-0.92 (or VCTK-Corpus, release 0.80);" \
            "expected a folder of that name; to fix it: give --corpus_dir ${corpus_dir}/VCTK-Corpus-0.92" >&2
        exit 1
        ;;
esac
exec ctap data download "${description}" "$(dirname "${corpus_dir}")" "${options[@]}"
