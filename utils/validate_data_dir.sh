#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: validate_data_dir.sh --help
set -euo pipefail
exec ctap kaldi validate_data_dir "$@"
