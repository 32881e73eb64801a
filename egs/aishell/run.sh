#!/usr/bin/env bash
# AISHELL-1 (OpenSLR 33), Mandarin read by 400 speakers, 16 kHz.  All options: ./run.sh --help
#
#   ./run.sh --corpus_dir DIR                           one GPU
#   ./run.sh --corpus_dir DIR --config conf/laptop.sh   a small model, two CPU cores
#   ./run.sh --corpus_dir DIR --config conf/gpu8.sh     eight GPUs
#   ./run.sh --stage -1                                 fetches the corpus first
#
# The lists of what is converted and synthesised are drawn at stage 1: with --datadir DIR give --listdir DIR/lists.
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
. ./db.sh
exec ../../utils/recipe.sh \
    --corpus_dir "${AISHELL}" \
    --listdir data/lists \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    "$@"
