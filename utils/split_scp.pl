#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: split_scp.pl --help
set -euo pipefail
exec ctap kaldi split_scp "$@"
