#!/usr/bin/env bash
# Start `ctap train` on one or many processes and machines; its arguments: launch.sh --help
set -euo pipefail
exec ctap launch "$@"
