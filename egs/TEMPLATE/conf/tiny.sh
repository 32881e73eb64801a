# shellcheck shell=bash disable=SC2034
# All stages in a few minutes on two cores, to see that they work; nothing is learned:  ./run.sh --config conf/tiny.sh
# Its features, tokens and models go to dump_tiny and exp_tiny.
ngpu=0
dumpdir=dump_tiny
expdir=exp_tiny
_steps="train.max_steps=4 train.valid_every_steps=2 train.save_every_steps=2 batch.batch_s=16.0 optim.warmup_steps=2"
_stack="width=64 layers=1 hidden=128 heads=0"
# Put a prefix before every value:  _all model.speech.stack ${_stack}
_all() { printf "$1.%s " "${@:2}"; }
text_args="spm_pieces=60 max_dropped_pct=50"
align_args="min_score=-100"
# shellcheck disable=SC2086
_decoder="$(_all model.phoneme_decoder.stack ${_stack}) $(_all model.phoneme_decoder.ctc_stack ${_stack})"
# shellcheck disable=SC2086
pretrain_args="${_steps} alarm_after=2.0 ${_decoder} $(_all model.speech.stack ${_stack}) $(_all model.phoneme.stack ${_stack})
    $(_all model.mel_decoder.slow ${_stack}) $(_all model.mel_decoder.fast ${_stack})
    model.phoneme.embedding=32 model.prompt.width=64 model.prompt.output=32 model.quantizer.codebook_size=64"
asr_finetuned_args="${_steps} words=60"
# shellcheck disable=SC2086
asr_supervised_args="${_steps} words=60 ${_decoder} $(_all model.speech.stack ${_stack})"
judge_args="${asr_supervised_args}"
# shellcheck disable=SC2086
tts_args="${_steps} $(_all duration.stack ${_stack}) $(_all connector.stack layers=1 hidden=128 heads=0)"
vc_args="${_steps}"
vocoder_args="${_steps} discriminator.channels=4"
decode_args="resynthesis_utts=2"
