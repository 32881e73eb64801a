#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: fix_data_dir.sh --help
set -euo pipefail
exec ctap kaldi fix_data_dir "$@"
