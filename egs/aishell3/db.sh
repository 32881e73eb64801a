# shellcheck shell=bash
# Where the corpus lies: the folder that holds `train/`, `test/` and `spk-info.txt` (OpenSLR 93, AISHELL-3).
# `./run.sh --stage -1` fetches it to the folder named here.
# shellcheck disable=SC2034  # run.sh reads it
AISHELL3=downloads/data_aishell3
