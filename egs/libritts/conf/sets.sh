# shellcheck shell=bash disable=SC2034
# The sets of the recipe, by ESPnet's names; the place of the corpus is from db.sh. run.sh gives this first; what comes after wins.
corpus_dir=${LIBRITTS}
train_set=train-clean-460
valid_set=dev-clean
test_sets=test-clean
local_data_opts="--train_set train-clean-460"
