#!/usr/bin/env bash
# CORPUS: one line about it.  All options: ./run.sh --help
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
. ./db.sh
exec ../../utils/recipe.sh \
    --corpus_dir "${CORPUS_DIR}" \
    --train_set train \
    --valid_set dev \
    --test_sets test \
    "$@"
