# shellcheck shell=bash disable=SC2034
# ESPnet's split, unseen sentences of seen speakers: --config conf/espnet.sh
# Its utterances are published as a rule, not as a list: data.sh makes the lists of what is converted and synthesised.
local_data_opts="--split espnet --make_lists data_espnet/lists"
datadir=data_espnet
dumpdir=dump_espnet
expdir=exp_espnet
listdir=data_espnet/lists
