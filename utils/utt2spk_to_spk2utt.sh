#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: utt2spk_to_spk2utt.sh --help
set -euo pipefail
exec ctap kaldi utt2spk_to_spk2utt "$@"
