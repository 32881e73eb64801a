#!/usr/bin/env bash
# Sourced by path.sh: uses the environment that has ctap, else that under tools/, which is installed when missing.
if ! command -v ctap >/dev/null; then
    _tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tools" && pwd)
    "${_tools}/install.sh"
    export PATH="${_tools}/venv/bin:${PATH}"
    unset _tools
fi
# Data directories are sorted bytewise; text is UTF-8 nevertheless.
export LC_ALL=C PYTHONUTF8=1
