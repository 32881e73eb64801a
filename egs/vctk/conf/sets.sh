# shellcheck shell=bash disable=SC2034
# The sets of the recipe, by ESPnet's names; the place of the corpus is from db.sh. run.sh gives this first; what comes after wins.
corpus_dir=${VCTK}
train_set=tr_no_dev
valid_set=dev
test_sets=eval1
local_data_opts="--split vqmivc"
