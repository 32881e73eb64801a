#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: copy_data_dir.sh --help
set -euo pipefail
exec ctap kaldi copy_data_dir "$@"
