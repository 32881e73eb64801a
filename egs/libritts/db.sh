# shellcheck shell=bash
# Where the corpus lies: the folder LibriTTS (or LibriTTS_R) that holds `train-clean-100/`, `dev-clean/`, ...
# Empty: give --corpus_dir, or let `./run.sh --stage -1` fetch it to downloads/.
# shellcheck disable=SC2034  # run.sh and local/download.sh read them
LIBRITTS=downloads/LibriTTS
# Parts that `./run.sh --stage -1` fetches (38 GB; train-other-500 are 45 GB more).
LIBRITTS_PARTS="train-clean-100 train-clean-360 dev-clean test-clean"
