#!/usr/bin/env bash
# Kaldi's command of this name; its arguments: perturb_data_dir_speed_3way.sh --help
set -euo pipefail
exec ctap kaldi perturb_data_dir_speed_3way "$@"
