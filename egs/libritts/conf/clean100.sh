# shellcheck shell=bash disable=SC2034
# Train on train-clean-100 alone: --config conf/clean100.sh
train_set=train-clean-100
local_data_opts="--train_set train-clean-100"
dumpdir=dump_clean100
expdir=exp_clean100
