# shellcheck shell=bash
# Where the corpus lies: the folder that holds `txt/`, `speaker-info.txt` and `wav48_silence_trimmed/` (release 0.92) or `wav48/` (0.80).
# Empty: give --corpus_dir, or let `./run.sh --stage -1` fetch release 0.92 to downloads/.
# shellcheck disable=SC2034  # run.sh reads it
VCTK=downloads/VCTK-Corpus-0.92
