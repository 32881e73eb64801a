# shellcheck shell=bash disable=SC2034
# 16 kHz in place of 24: --config conf/16k.sh
features_config=conf/features_16k.yaml
dumpdir=dump_16k
expdir=exp_16k
