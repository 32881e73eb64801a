#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: spk2utt_to_utt2spk.pl --help
set -euo pipefail
exec ctap kaldi spk2utt_to_utt2spk "$@"
