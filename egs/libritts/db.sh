# shellcheck shell=bash
# Where the corpus lies: the folder LibriTTS (or LibriTTS_R) that holds `train-clean-100/`, `dev-clean/`, ...
# Empty: give --corpus_dir, or let `./run.sh --stage -1` fetch it to downloads/.
# shellcheck disable=SC2034  # run.sh reads it
LIBRITTS=downloads/LibriTTS
