# shellcheck shell=bash disable=SC2034
# Eight GPUs: a large model (sizes: README.md). Give it as --config conf/gpu8.sh.
pretrain_config=conf/gpu8/pretrain.yaml
asr_finetuned_config=conf/gpu8/asr_finetuned.yaml
asr_supervised_config=conf/gpu8/asr_supervised.yaml
judge_config=conf/gpu8/judge.yaml
tts_config=conf/gpu8/tts.yaml
vc_config=conf/gpu8/vc.yaml
vocoder_config=conf/gpu8/vocoder.yaml
ngpu=8
expdir=exp_gpu8
