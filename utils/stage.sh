#!/usr/bin/env bash
# Commands that write the plan of a recipe's stages.  Sourced by recipe.sh; `run_plan` hands the plan to `ctap stage`.
#
#   stage 5 pretrain "${expdir}" train "what it does"     # number, name, folder of its stamp, kind, title
#   there /data/corpus                                    # must exist before
#   needs data/train/phones.ctm                           # must exist before; its content is part of the stamp
#   needs_if_any db.sh local/corpus*.yaml                 # the same, for those that exist
#   config conf/pretrain.yaml                             # its values are part of the stamp
#   makes exp/vqctap/checkpoints/best.pt                  # must exist afterwards
#   run_dir exp/vqctap                                    # archived in old/ when settings or inputs have changed
#   does ctap train --nj @nj                              # @nj is replaced by --nj and is not part of the stamp
#   appends local_data_opts                               # appends the words of an option to the last command
#   if has tts; then ...; fi                              # only for a method that has it; otherwise the plan says why not
#
# `trains` and `calls` combine several of these; they read the options of recipe.sh.
# shellcheck disable=SC2154,SC2034

_plan=""

# Append words, separated by tabs, as one line of the plan.
_line() {
    local line word
    printf -v line '%s\t' "$@"
    for word in "$@"; do
        case "${word}" in *$'\t'* | *$'\n'*)
            printf 'recipe: a name contains a tab or a line break: %q\n' "${word}" >&2
            exit 1
            ;;
        esac
    done
    _plan+="${line%$'\t'}"$'\n'
}

stage() { _line stage "$@" "${BASH_SOURCE[1]##*/}:${BASH_LINENO[0]}:${FUNCNAME[1]}"; }
there() { for _path in "$@"; do _line there "${_path}"; done; }
needs() { for _path in "$@"; do _line needs "${_path}"; done; }
needs_if_any() { for _path in "$@"; do [ ! -e "${_path}" ] || _line needs "${_path}"; done; }
config() { for _path in "$@"; do _line config "${_path}"; done; }
makes() { for _path in "$@"; do _line makes "${_path}"; done; }
run_dir() { for _path in "$@"; do _line run_dir "${_path}"; done; }
does() {
    local line
    printf -v line '%q ' "$@"
    _line does "${line% }"
}

# Read what the method can do, from `ctap method`: by ability or stage, its task, its run's folder, why the method lacks it.
declare -A task_of run_of why_not
read_method() {
    local table need task run why
    table=$(. ./path.sh >&2 && ctap method "$1" --table) || exit
    while IFS=$'\t' read -r need task run why; do
        task_of[${need}]=${task} run_of[${need}]=${run} why_not[${need}]=${why}
    done <<<"${table}"
    method_title=${why_not[title]}
}

# Whether the method has an ability or trains a stage; `has` puts the reason into the plan where it does not.
can() { [ "${why_not[$1]}" = - ]; }
has() { can "$1" || { _line lacks "${why_not[$1]}" && return 1; }; }

# Print FOLDER/SET/NAME for all sets and names: each FOLDER "SETS" NAME...
each() {
    local folder=$1 set name
    for set in $2; do
        for name in "${@:3}"; do printf '%s\n' "${folder}/${set}/${name}"; done
    done
}

# Print the config of a task: its option, else the first that is there of conf/NAME_LANG.yaml, conf/NAME.yaml and conf/NAME.yaml
# in the folders of methods.
config_of() {
    local option=${1}_config path folders
    [ -z "${!option:-}" ] || { echo "${!option}"; return; }
    IFS=: read -r -a folders <<<"${CTAP_METHOD_PATH:-}"
    for path in "conf/$1${beside}.yaml" "conf/$1.yaml" "${folders[@]/%//conf/$1.yaml}"; do # /% appends to each
        [ ! -e "${path}" ] || { echo "${path}"; return; }
    done
    echo "conf/$1.yaml"
}

# Print the words of --<task>_args, with `--set` before those of the form a.b=c.
args_of() {
    local option=${1}_args word
    for word in ${!option:-}; do
        case "${word}" in -*) echo "${word}" ;; *=*) printf -- '--set\n%s\n' "${word}" ;; *) echo "${word}" ;; esac
    done
}

# Append the words of an option's value to the last command: quotes and backslashes as in Python's shlex, nothing is expanded.
appends() { _line words "--$1" "${!1//[$'\t\n']/ }"; }

# Print how many GPUs a process started here would see: those of the machine, or as many of them as CUDA_VISIBLE_DEVICES names.
visible_gpus() {
    local there=0 seen=0 name names
    ! command -v nvidia-smi >/dev/null || there=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU') || there=0
    if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
        IFS=', ' read -r -a names <<<"${CUDA_VISIBLE_DEVICES}"
        for name in "${names[@]}"; do # CUDA stops at the first invalid one
            [[ "${name}" =~ ^(GPU|MIG)- || ("${name}" =~ ^[0-9]+$ && "${name}" -lt "${there}") ]] || break
            seen=$((seen + 1))
        done
        [ "${seen}" -ge "${there}" ] || there=${seen}
    fi
    echo "${there}"
}

# trains RUN TASK FOLDER [OPTION...]: the config, folder, command and checkpoint of a stage that trains.
trains() {
    local run=$1 task=$2 folder=$3 path words
    path=$(config_of "${run}")
    mapfile -t words < <(args_of "${run}")
    config "${path}"
    run_dir "${folder}"
    makes "${folder}/checkpoints/best.pt"
    does "${launch[@]}" --task "${task}" --config "${path}" --data "${data}" --dump "${dump}" --exp "${folder}" \
        --train_set "${train_set}" --valid_set "${valid_set}" "${@:4}" "${words[@]}"
}

# calls NAME COMMAND...: the config and command of a stage that trains nothing.
calls() {
    local path words
    path=$(config_of "$1")
    mapfile -t words < <(args_of "$1")
    config "${path}"
    does "${@:2}" --config "${path}" "${words[@]}"
}

# Run the plan with options of `ctap stage`.
run_plan() { exec ctap stage --plan <(printf '%s' "${_plan}") "$@"; }
