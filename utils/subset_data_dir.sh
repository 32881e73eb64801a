#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: subset_data_dir.sh --help
set -euo pipefail
exec ctap kaldi subset_data_dir "$@"
