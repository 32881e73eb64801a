#!/usr/bin/env bash
# Stands for `ctap` in tests of the driver: writes what each command should make, notes each call in calls.log.
#   FAIL_AT=word   the first command with that word fails after some output
#   HANG_AT=word   the first command with that word makes half of its output, then sleeps
set -euo pipefail
[ "$1" != stage ] || exec "${REAL_PYTHON}" -m ctaplib.cli.main "$@"
if [ "$1" = launch ]; then
    while [ "$1" != -- ]; do shift; done
    shift && set -- train "$@"
fi
echo "$*" >>calls.log

option() { # NAME: the value behind --NAME
    local word found=false
    for word in "${words[@]}"; do
        ! ${found} || { echo "${word}"; return; }
        [ "${word}" != "--$1" ] || found=true
    done
}
make() { for path in "$@"; do mkdir -p "$(dirname "${path}")" && echo "$*" >"${path}"; done; }

words=("$@")
sets=$(option sets)
if [ -n "${FAIL_AT:-}" ] && [[ " $* " == *" ${FAIL_AT} "* ]]; then
    echo "loading things"
    echo "Traceback (most recent call last):"
    echo "RuntimeError: the ${FAIL_AT} broke"
    echo "error: a later line"
    exit 3
fi
if [ -n "${HANG_AT:-}" ] && [[ " $* " == *" ${HANG_AT} "* ]]; then
    [ -z "$(option exp)" ] || make "$(option exp)/checkpoints/half.pt"
    echo $$ >hanging.part && mv hanging.part hanging.pid
    sleep 300
fi
case "$1 $2" in
    "text prepare")
        for set in ${sets}; do make "$(option data)/${set}/text.phn"; done
        make "$(option dump)/token_list/phn/tokens.txt" ;;
    features*)
        for set in ${sets}; do make "$(option dump)/${set}"/{feats,f0,wav}.scp; done
        make "$(option dump)/stats.npz" ;;
    train*) make "$(option exp)/checkpoints/best.pt" ;;
    "align run") for set in ${sets}; do make "$(option data)/${set}"/{phones.ctm,ali_report.tsv}; done ;;
    "codes dump") for set in ${sets}; do make "$(option exp)/codes/${set}/codes.scp"; done ;;
    decode*)
        method=$(option method)
        [ "${method}" = vqctap ] && prefix="" || prefix=${method}_
        for set in ${sets}; do make "$(option exp_root)/decode/asr/${prefix}frozen_ctc/${set}/hyp.phn"; done ;;
    score*) make "$(option out)" ;;
    report*) make "$(option out)/index.html" "$(option results_md)" ;;
    pack*) make "$(option out)/model.safetensors" ;;
esac
