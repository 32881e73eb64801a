#!/usr/bin/env bash
# Make an environment of its own for ESPnet, tools/espnet_venv: it cannot be resolved beside this project's torch.
#
# ESPnet is installed without its dependencies (it wants setuptools < 74, torch 2.13 wants >= 77), then those it needs
# to read data directories and features.  torchaudio is taken without its compiled parts, which are linked to CUDA.
set -euo pipefail
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly tools

# shellcheck disable=SC2034  # parse_options.sh prints it
help_message="usage: tools/install_espnet.sh [--python python3] [--venv tools/espnet_venv]"
python=python3
venv=${tools}/espnet_venv
. "${tools}/../utils/parse_options.sh"

wanted=$(sha256sum "${BASH_SOURCE[0]}" | cut -c 1-16)
[ "$(cat "${venv}/.ctaplib" 2>/dev/null)" != "${wanted}" ] || exit 0

"${venv}/bin/python" -c 'import pip' 2>/dev/null || "${python}" -m venv --clear "${venv}"
pip=("${venv}/bin/python" -m pip --disable-pip-version-check)
# setuptools: pyworld imports pkg_resources, which 81 drops.
constraint=$(mktemp)
trap 'rm -f "${constraint}"' EXIT
printf '%s\n' 'torch==2.13.0' 'setuptools>=77.0.3,<81' >"${constraint}"
install=("${pip[@]}" install --quiet --progress-bar off -c "${constraint}")
"${install[@]}" torch setuptools numpy
"${install[@]}" --no-deps 'espnet==202511'
"${install[@]}" six packaging configargparse typeguard humanfriendly scipy 'librosa>=0.10.2' 'jamo==0.4.1' PyYAML \
    soundfile h5py kaldiio torch_complex nltk numpy protobuf hydra-core opt-einsum lightning pyworld 'pypinyin<=0.44.0' \
    espnet_tts_frontend ci_sdr 'fast-bss-eval==0.1.3' 'asteroid_filterbanks==0.4.0' editdistance 'importlib-metadata<5.0' \
    sentencepiece tensorboard matplotlib
"${pip[@]}" install --quiet --progress-bar off --no-deps torchaudio
site=$("${venv}/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
rm -f "${site}"/torchaudio/lib/*.so
"${venv}/bin/python" -c 'import espnet2.train.dataset, espnet2.tasks.asr' ||
    { echo "error: ESPnet does not import; remove ${venv} and run this again" >&2; exit 1; }
echo "${wanted}" >"${venv}/.ctaplib"
echo "ESPnet is ready: ${venv}"
