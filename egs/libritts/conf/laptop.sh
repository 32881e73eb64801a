# shellcheck shell=bash disable=SC2034
# A laptop: a small model (sizes: README.md), trained on train-clean-100. Give it as --config conf/laptop.sh; runs go to exp_laptop.
pretrain_config=conf/laptop/pretrain.yaml
asr_finetuned_config=conf/laptop/asr_finetuned.yaml
asr_supervised_config=conf/laptop/asr_supervised.yaml
judge_config=conf/laptop/judge.yaml
tts_config=conf/laptop/tts.yaml
vc_config=conf/laptop/vc.yaml
vocoder_config=conf/laptop/vocoder.yaml
ngpu=0
train_set=train-clean-100
local_data_opts="--train_set train-clean-100"
dumpdir=dump_clean100
expdir=exp_laptop
