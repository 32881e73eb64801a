#!/usr/bin/env bash
# The name that Kaldi's users know for `ctap data validate --fix`; the options are those of that command (--help).
set -euo pipefail
exec ctap data validate --fix "$@"
