#!/usr/bin/env bash
# LibriTTS (OpenSLR 60) or LibriTTS-R (141), audio books, 24 kHz.  All options: ./run.sh --help
#
#   ./run.sh --corpus_dir DIR                        train-clean-460, one GPU
#   ./run.sh --config conf/clean100.sh               train-clean-100 alone
#   ./run.sh --config conf/speech_only.sh            with train-other-500 in the speech-only branch
#   ./run.sh --config conf/laptop.sh                 a small model, train-clean-100 (conf/gpu8.sh: a large one, eight GPUs)
#   ./run.sh --stage -1                              fetches the parts that are needed first (--config conf/restored.sh: LibriTTS-R)
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
. ./db.sh
export LIBRITTS # conf/sets.sh reads it
exec ../../utils/recipe.sh --config conf/sets.sh "$@"
