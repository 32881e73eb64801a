# shellcheck shell=bash
# Where the corpus lies: the folder that holds `WAVE/`, `train/`, `test/` and `resource/` (OpenSLR 101, speechocean762).
# Empty: give --corpus_dir, or let `./run.sh --stage -1` fetch it to downloads/.
# shellcheck disable=SC2034  # run.sh reads it
SPEECHOCEAN762=downloads/speechocean762
