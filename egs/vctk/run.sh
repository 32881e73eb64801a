#!/usr/bin/env bash
# VCTK, read English of 110 speakers and many accents, 48 kHz, used at 24 or 16 kHz.  All options: ./run.sh --help
#
#   ./run.sh --corpus_dir DIR                        one GPU, 24 kHz, VQMIVC's split: 20 unseen speakers
#   ./run.sh --config conf/espnet.sh                 ESPnet's split: unseen sentences of seen speakers
#   ./run.sh --config conf/16k.sh                    16 kHz
#   ./run.sh --config conf/laptop.sh                 a small model (conf/gpu8.sh: a large one, eight GPUs)
#   ./run.sh --speech_only_set tr_speech             with the speaker who has no text, in the speech-only branch
#   ./run.sh --stage -1                              fetches release 0.92 first
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
. ./db.sh
export VCTK # conf/sets.sh reads it
exec ../../utils/recipe.sh --config conf/sets.sh "$@"
