#!/usr/bin/env bash
# Speech made at run time by eSpeak NG: from nothing to a scored model.  All options: ./run.sh --help
#
#   ./run.sh                     all stages, English
#   ./run.sh --lang zh           the same for Mandarin, in data_zh, dump_zh, exp_zh
#   ./run.sh --stage 5 --ngpu 2  pre-training and what follows, on two GPUs
set -euo pipefail
printf -v RECIPE_COMMAND '%q ' "$0" "$@"
export RECIPE_COMMAND=${RECIPE_COMMAND% }
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./cmd.sh
exec ../../utils/recipe.sh \
    --nproc 2 --default_lang en \
    --train_set train \
    --valid_set dev \
    --speech_only_set train_speech \
    --test_sets "test_seen test_unseen" \
    "$@"
