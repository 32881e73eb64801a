#!/usr/bin/env bash
# The name that Kaldi's users know for `ctap data copy`; the options are those of that command (--help).
set -euo pipefail
exec ctap data copy "$@"
