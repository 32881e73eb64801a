#!/usr/bin/env bash
# Make tools/venv_peers, the environment of what the benchmarks compare with (tests/bench/peers.txt).
#
# torchaudio's wheel is linked to CUDA. On a machine without it, libraries that hold the names alone are compiled, and
# loaded before torchaudio (torchaudio_here.py); without a compiler torchaudio works but for forced_align.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: tests/bench/peers.sh [--python python3] [--venv tools/venv_peers]"
python=python3
venv=${here}/../../tools/venv_peers
. "${here}/../../utils/parse_options.sh"

wanted=$(cat "${BASH_SOURCE[0]}" "${here}/peers.txt" "${here}/cuda_names.c" | sha256sum | cut -c 1-16)
[ "$(cat "${venv}/.ctaplib" 2>/dev/null)" != "${wanted}" ] || exit 0

"${venv}/bin/python" -c 'import pip' 2>/dev/null || "${python}" -m venv --clear "${venv}"
pip=("${venv}/bin/python" -m pip --disable-pip-version-check install --quiet --progress-bar off)
"${pip[@]}" -c "${here}/peers.txt" torch setuptools
"${pip[@]}" -r "${here}/peers.txt"
# Both name dependencies that they do not need here: another torch, and torchaudio that does not load.
"${pip[@]}" --no-deps torchaudio==2.11.0 vocos==0.1.0 encodec==0.1.1
if command -v gcc >/dev/null; then
    mkdir -p "${venv}/cuda_names"
    printf 'libcudart.so.13 { global: *; };\n' >"${venv}/cuda_names/versions"
    for name in libcudart.so.13 libc10_cuda.so libtorch_cuda.so; do
        versions=()
        [ "${name}" != libcudart.so.13 ] || versions=("-Wl,--version-script=${venv}/cuda_names/versions")
        gcc -shared -fPIC -o "${venv}/cuda_names/${name}" "-Wl,-soname,${name}" "${versions[@]}" "${here}/cuda_names.c"
    done
else
    echo "warning: no gcc: torchaudio's compiled parts cannot be loaded, Viterbi has no peer" >&2
fi
"${venv}/bin/python" -c 'import lhotse, librosa, vector_quantize_pytorch' ||
    { echo "error: the peers do not import; remove ${venv} and run this again" >&2; exit 1; }
echo "${wanted}" >"${venv}/.ctaplib"
echo "the peers are ready: ${venv}"
