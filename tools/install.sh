#!/usr/bin/env bash
# Make the environment of ctaplib from nothing: tools/install.sh
#
# An active environment that already has ctaplib is used as it is.  Otherwise a virtual environment is made under
# tools/venv, with the versions of tools/constraints.txt; a second call with nothing changed ends at once.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "${tools}")
readonly tools root

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: tools/install.sh [options]
  --python NAME          the Python (3.11 or later) that the environment is made with (python3)
  --venv DIR             where to make it (tools/venv)
  --system true|false    install system packages where that is allowed (true)
  --force true|false     install again though nothing changed (false)"
python=python3
venv=${tools}/venv
system=true
force=false
. "${root}/utils/parse_options.sh"

say() { printf '%s (install.sh) %s\n' "$(date +%Y-%m-%dT%H:%M:%S)" "$*"; }
fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# ---- an environment that is there already

if ctap_there=$(command -v ctap) && [ "${ctap_there}" != "${venv}/bin/ctap" ] && [ "${force}" = false ]; then
    say "ctaplib is in the active environment (${ctap_there}), which is used as it is."
    exit 0
fi
wanted=$(cat "${tools}/constraints.txt" "${root}/setup.py" "${tools}/prepare_g2p_data.py" | sha256sum | cut -c 1-16)
stamp=${venv}/.ctaplib
if [ "${force}" = false ] && [ -x "${venv}/bin/ctap" ] && [ "$(cat "${stamp}" 2>/dev/null)" = "${wanted}" ]; then
    exit 0
fi

mkdir -p "$(dirname "${venv}")"
exec 9>"${venv}.lock"
flock -n 9 || {
    say "Another installation into ${venv} is going on; waiting for it."
    flock 9
    [ "$(cat "${stamp}" 2>/dev/null)" != "${wanted}" ] || exit 0
}
rm -f "${stamp}"

# ---- system packages

packages=()
command -v sox >/dev/null || packages+=(sox)
command -v c++ >/dev/null || packages+=(g++)
"${python}" -c 'import sysconfig, pathlib; assert pathlib.Path(sysconfig.get_path("include"), "Python.h").exists()' \
    2>/dev/null || packages+=(python3-dev)
"${python}" -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ]; then become=(); else become=(sudo -n); fi
    if [ "${system}" = true ] && command -v apt-get >/dev/null && "${become[@]}" true 2>/dev/null; then
        say "Installing system packages: ${packages[*]}"
        "${become[@]}" apt-get update -qq ||
            say "Warning: apt-get update failed; going on with the package lists that are there."
        "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" ||
            fail "apt-get could not install ${packages[*]}; install them by hand and run tools/install.sh again"
    else
        say "These system packages are missing and may not be installed here: ${packages[*]}." \
            "Ask an administrator for: apt-get install ${packages[*]}"
        [ "${packages[*]}" = sox ] ||
            fail "without ${packages[*]} the environment cannot be built; sox alone could be done without"
        say "Going on without sox; only audio that a wav.scp pipes through sox needs it."
    fi
fi

# ---- the environment

"${python}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("${python}" --version 2>&1) is too old: 3.11 or later is needed; name one with --python"
say "Making ${venv}; this takes some minutes once."
"${venv}/bin/python" -c 'import pip' 2>/dev/null || "${python}" -m venv --clear "${venv}"
install=("${venv}/bin/python" -m pip install --quiet --disable-pip-version-check --progress-bar off
    -c "${tools}/constraints.txt")
"${install[@]}" torch setuptools numpy
say "torch $("${venv}/bin/python" -c 'import torch; print(torch.__version__)') is there; now the rest."
(cd "${root}" && "${install[@]}" -e '.[all]')
say "Preparing the data of g2p-en (dictionary and tagger), without a download."
"${venv}/bin/python" "${tools}/prepare_g2p_data.py"
"${venv}/bin/python" -m pip check || fail "the packages do not fit together (above)"
echo "${wanted}" >"${stamp}"
say "The environment is ready: ${venv}"
