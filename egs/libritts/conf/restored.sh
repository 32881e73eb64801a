# shellcheck shell=bash disable=SC2034
# LibriTTS-R (OpenSLR 141), the same utterances with restored audio: --config conf/restored.sh
corpus_dir=downloads/LibriTTS_R
datadir=data_restored
dumpdir=dump_restored
expdir=exp_restored
