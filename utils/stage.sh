#!/usr/bin/env bash
# The words in which a recipe tells its stages.  Sourced by recipe.sh; `run_plan` hands the plan to `ctap stage`.
#
#   stage 5 pretrain "${expdir}" train "what it does"     # number, name, folder of its stamp, kind, title
#   needs data/train/phones.ctm                           # must be there before; its content is part of the stamp
#   config conf/pretrain.yaml                             # its values are part of the stamp
#   makes exp/vqctap/checkpoints/best.pt                  # must be there afterwards
#   run_dir exp/vqctap                                    # moved aside when what it was made with has changed
#   does ctap train --nj @nj                              # @nj stands for --nj and is no part of the stamp

_plan=""

# Put words behind one another, a tab between two, as one line of the plan.
_tell() {
    local line word
    printf -v line '%s\t' "$@"
    for word in "$@"; do
        case "${word}" in *$'\t'* | *$'\n'*)
            printf 'recipe: a name holds a tab or a line break: %q\n' "${word}" >&2
            exit 1
            ;;
        esac
    done
    _plan+="${line%$'\t'}"$'\n'
}

stage() { _tell stage "$@" "${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}"; }
needs() { for _path in "$@"; do _tell needs "${_path}"; done; }
config() { for _path in "$@"; do _tell config "${_path}"; done; }
makes() { for _path in "$@"; do _tell makes "${_path}"; done; }
run_dir() { for _path in "$@"; do _tell run_dir "${_path}"; done; }
does() {
    local line
    printf -v line '%q ' "$@"
    _tell does "${line% }"
}

# Print FOLDER/SET/NAME for all sets and names: each FOLDER "SETS" NAME...
each() {
    local folder=$1 set name
    for set in $2; do
        for name in "${@:3}"; do printf '%s\n' "${folder}/${set}/${name}"; done
    done
}

# Run the plan, with options of `ctap stage`.
run_plan() { ctap stage --plan <(printf '%s' "${_plan}") "$@"; }
