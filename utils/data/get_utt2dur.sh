#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: get_utt2dur.sh --help
set -euo pipefail
exec ctap kaldi get_utt2dur "$@"
