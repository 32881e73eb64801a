#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: filter_scp.pl --help
set -euo pipefail
exec ctap kaldi filter_scp "$@"
