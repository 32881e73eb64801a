#!/usr/bin/env bash
# Make data directories of CORPUS:  local/data.sh --data DIR --corpus_dir DIR --nj N
# Make the fixed lists, once:       local/data.sh --make_lists true --corpus_dir DIR
#
# `ctap data import` reads a folder of audio and text files, a table, LJSpeech's, Kaldi's and lhotse's forms (options: db.sh).
# A corpus of another form needs a program here that makes, for every set, DIR/<set>/ with, sorted as LC_ALL=C sort does:
#   wav.scp     <utterance> <path of an audio file, or a command that ends in |>
#   text        <utterance> <words>                      (not for a set without transcripts)
#   text.phn    <utterance> <phones>                     (only where the corpus has them, or conf/text.yaml names no front end)
#   utt2spk     <utterance> <speaker>                    (the speaker is the beginning of the utterance's name)
#   spk2utt     <speaker> <utterances>
# DIR/<set>/dropped.tsv lists every file of the corpus that is left out, with the reason.
# Running it again makes the same files.
set -euo pipefail

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: $0 --data DIR --corpus_dir DIR [--nj N] [--max_dropped_pct P] [--make_lists true]"
data=data
corpus_dir=
nj=1
lang=
subset=
max_dropped_pct=
make_lists=false
. ../../utils/parse_options.sh
. ./path.sh
. ./db.sh

corpus_dir=${corpus_dir:-${CORPUS_DIR}}
[ -e "${corpus_dir}" ] || {
    echo "error: there is no ${corpus_dir:-corpus named}; correct CORPUS_DIR in db.sh, or give --corpus_dir" >&2
    exit 1
}
[ -z "${lang}" ] || {
    echo "error: this recipe has one language, that of conf/text.yaml, and no --lang ${lang}; leave it out, or let" \
        "local/data.sh import it" >&2
    exit 1
}
[ -z "${subset}" ] || { echo "error: this recipe has no --subset ${subset}, only the whole corpus" >&2; exit 1; }
if [ "${make_lists}" = false ] && [ ! -e lists/tts.tsv ]; then
    echo "error: there are no lists of test utterances; make them, once:" \
        "local/data.sh --make_lists true --corpus_dir ${corpus_dir}" >&2
    exit 1
fi
# Options given here come after those of db.sh and win.
import_from() {
    local from=$1 status=0
    shift
    ctap data import "$@" --data "${data}" --nj "${nj}" ${max_dropped_pct:+--max_dropped_pct "${max_dropped_pct}"} || status=$?
    [ ${status} -ne 2 ] || echo "error: ctap data import does not know an option of ${from} in db.sh; see ctap data import --help" >&2
    return ${status}
}
if [ -n "${SPEECH_ONLY_DIR:-}" ]; then
    import_from SPEECH_ONLY_OPTIONS "${SPEECH_ONLY_DIR}" --kind audio --set train_speech "${SPEECH_ONLY_OPTIONS[@]}"
fi
import_from IMPORT_OPTIONS "${corpus_dir}" --lists lists "${IMPORT_OPTIONS[@]}"
