#!/usr/bin/env bash
# The name that Kaldi's users know for `ctap data spk2utt`; the options are those of that command (--help).
set -euo pipefail
exec ctap data spk2utt "$@"
