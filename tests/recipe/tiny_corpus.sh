# shellcheck shell=bash disable=SC2034
# So little training that all stages run in a test:  --config conf/laptop.sh --config ../../tests/recipe/tiny_corpus.sh
# The lists are made from the generated tree first (local/make_lists.py); data.sh has its options from the test.
ngpu=0
nj=2
listdir=lists_tiny
dumpdir=dump_tiny
expdir=exp_tiny
_train="train.max_steps=4 train.valid_every_steps=2 train.save_every_steps=2 batch.batch_s=8.0"
pretrain_args="${_train} alarm_after=2.0"
asr_finetuned_args="${_train} words=100"
asr_supervised_args="${_train} words=100"
tts_args="${_train}"
vc_args="${_train}"
vocoder_args="${_train}"
judge_args="${_train} words=100"
text_args="max_dropped_pct=50 spm_pieces=100"
align_args="min_score=-100"
decode_args="resynthesis_utts=2"
