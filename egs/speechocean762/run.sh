#!/usr/bin/env bash
# speechocean762 (OpenSLR 101), read English of Mandarin speakers, 16 kHz.  All options: ./run.sh --help
#
#   ./run.sh --corpus_dir DIR                    the whole corpus, its own train and test sets
#   ./run.sh --corpus_dir DIR --subset 100spk    100 of its speakers; sets, dump and exp carry the name
#   ./run.sh --stage -1                          fetches the corpus first
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
. ./db.sh
exec ../../utils/recipe.sh \
    --corpus_dir "${SPEECHOCEAN762}" \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    --score_args "--judge_max_per 42" \
    "$@"
