#!/usr/bin/env bash
# Make data directories of CORPUS:  local/data.sh --data DIR --corpus_dir DIR --nj N
#
# For every set, DIR/<set>/ with, sorted as LC_ALL=C sort does:
#   wav.scp     <utterance> <path of an audio file>
#   text        <utterance> <words>                      (not for a set without transcripts)
#   text.phn    <utterance> <phones>                     (only where the corpus has them, or conf/text.yaml names no front end)
#   utt2spk     <utterance> <speaker>                    (the speaker is the beginning of the utterance's name)
#   spk2utt     <speaker> <utterances>
# Every file of the corpus that is left out is listed, with the reason, in DIR/<set>/dropped.tsv.
# Running it again makes the same files.
set -euo pipefail

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: $0 --data DIR --corpus_dir DIR [--nj N]"
data=data
corpus_dir=
nj=1
lang=
subset=
. ../../utils/parse_options.sh

[ -d "${corpus_dir}" ] || {
    echo "error: there is no folder ${corpus_dir:-(none named)}; name CORPUS in db.sh or by --corpus_dir" >&2
    exit 1
}
echo "error: local/data.sh of this recipe is not written yet (data ${data}, jobs ${nj}, ${lang} ${subset})" >&2
exit 1
