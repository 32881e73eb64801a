#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: combine_data.sh --help
set -euo pipefail
exec ctap kaldi combine_data "$@"
