# shellcheck shell=bash disable=SC2034
# A mini recipe so small that all stages run in a test:  egs/mini/run.sh --config tests/recipe/tiny.sh
local_data_opts="--size tiny"
listdir=lists/tiny
datadir=data_tiny
dumpdir=dump_tiny
expdir=exp_tiny
_train="train.max_steps=4 train.valid_every_steps=2 train.save_every_steps=2 batch.batch_s=8.0"
pretrain_args="${_train} alarm_after=2.0"
asr_finetuned_args="${_train}"
asr_supervised_args="${_train}"
tts_args="${_train}"
vc_args="${_train}"
vocoder_args="${_train}"
judge_args="${_train}"
text_args="max_dropped_pct=50"
align_args="min_score=-100"
decode_args="resynthesis_utts=2"
