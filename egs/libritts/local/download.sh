#!/usr/bin/env bash
# Fetch parts of LibriTTS, or of LibriTTS-R where --corpus_dir ends in LibriTTS_R, to the folder above --corpus_dir.
# Usage: local/download.sh [--corpus_dir DIR] [--parts "NAME ..."] [--mirror URL]        (parts: else those of db.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -f ./path.sh ]; then . ./path.sh; fi
if [ -f ./db.sh ]; then . ./db.sh; fi
corpus_dir=downloads/LibriTTS
parts=${LIBRITTS_PARTS:-}
options=()
while [ $# -gt 0 ]; do
    case "$1" in
        --corpus_dir | --corpus-dir) corpus_dir=$2 ;;
        --parts) parts=$2 ;;
        --mirror) options+=(--mirror "$2") ;;
        *) echo "download.sh: unknown option $1; there are --corpus_dir --parts --mirror" >&2; exit 1 ;;
    esac
    shift 2
done
for part in ${parts}; do options+=(--only "${part}"); done
case "$(basename "${corpus_dir}")" in
    LibriTTS) description=local/corpus.yaml ;;
    LibriTTS_R)
        description=local/corpus_restored.yaml
        [ -z "${parts}" ] || options+=(--only doc) # the table of speakers comes apart
        ;;
    *)
        echo "error: --corpus_dir ${corpus_dir}: the archives unpack to LibriTTS or LibriTTS_R; expected a folder of that name;" \
            "to fix it: give --corpus_dir ${corpus_dir}/LibriTTS" >&2
        exit 1
        ;;
esac
exec ctap data download "${description}" "$(dirname "${corpus_dir}")" "${options[@]}"
