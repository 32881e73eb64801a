# shellcheck shell=bash disable=SC2034
# The speech-only branch hears train-other-500: --config conf/speech_only.sh
# Any other folder of audio: --speech_only_set speech --local_data_opts "--train_set train-clean-460 --speech_only DIR"
speech_only_set=train-other-500
local_data_opts="--train_set train-clean-460 --speech_only train-other-500"
dumpdir=dump_speech_only
expdir=exp_speech_only
