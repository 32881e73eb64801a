# shellcheck shell=bash
# Where the corpus lies, as it was unpacked.  Empty: --corpus_dir must be given.
# shellcheck disable=SC2034  # run.sh reads it
CORPUS_DIR=downloads
# How it is brought in: options of `ctap data import` (see its --help), for instance (--speaker_folder --text_suffix .lab).
# shellcheck disable=SC2034  # local/data.sh reads it
IMPORT_OPTIONS=()
# A folder of audio without text, or nothing: the set train_speech, for `--speech_only_set train_speech` in run.sh.
# shellcheck disable=SC2034
SPEECH_ONLY_DIR=
# shellcheck disable=SC2034
SPEECH_ONLY_OPTIONS=()
