# shellcheck shell=bash
# Where the corpus lies, as it was unpacked.  Empty: --corpus_dir must be given.
# shellcheck disable=SC2034  # run.sh reads it
CORPUS_DIR=downloads
