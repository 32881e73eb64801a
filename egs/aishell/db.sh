# shellcheck shell=bash
# Where the corpus lies: the folder that holds `data_aishell/` and `resource_aishell/` (OpenSLR 33, AISHELL-1).
# `./run.sh --stage -1` fetches it to the folder named here.
# shellcheck disable=SC2034  # run.sh reads it
AISHELL=downloads
