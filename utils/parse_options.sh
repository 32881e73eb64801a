#!/usr/bin/env bash
# Options of shell scripts, in Kaldi's and ESPnet's manner.  Give every option a default as a variable, then source this file:
#
#   nj=4
#   . utils/parse_options.sh
#
# --nj 8 sets nj; --a-b and --a_b are the same; --a=b is an error; an unknown option ends with status 1 and the list of
# valid ones; a variable with the default true or false takes no other value; --config FILE is sourced before other options
# are read; --help prints $help_message.  Variables whose names begin with an underscore and exported ones are not options; the
# option in $_unlisted is not listed.  Positional arguments stay in "$@".

# Names of the options: shell variables in lower case that were not exported.
_option_names() {
    local name
    for name in $(compgen -v | grep -E '^[a-z][a-z0-9_]*$'); do
        [[ "$(declare -p "${name}" 2>/dev/null)" =~ ^declare\ -[a-zA-Z]*[xrA] ]] || printf '%s\n' "${name}"
    done
}

_fail_options() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

_known_options=" $(_option_names | grep -v -x -e help_message | tr '\n' ' ')"

for ((_position = 1; _position <= $#; _position++)); do
    [ "${!_position}" != -- ] || break
    if [ "${!_position}" = --config ] && [[ "${_known_options}" != *" config "* ]]; then
        _next=$((_position + 1))
        [ ${_next} -le $# ] || _fail_options "option --config needs a value"
        [ -r "${!_next}" ] || _fail_options "cannot read the file that --config names: ${!_next}"
        # shellcheck disable=SC1090
        . "${!_next}"
    fi
done

while [ $# -gt 0 ]; do
    case "$1" in
        --help | -h)
            printf '%s\n' "${help_message:-no help}"
            exit 0
            ;;
        --*=*) _fail_options "options are written --name value, not --name=value: $1" ;;
        --)
            shift
            break
            ;;
        --*)
            _name="${1#--}"
            _name="${_name//-/_}"
            if [ "${_name}" = config ] && [[ "${_known_options}" != *" config "* ]]; then
                shift 2
                continue
            fi
            if [[ "${_known_options}" != *" ${_name} "* ]]; then
                # shellcheck disable=SC2086
                _listed=$(printf '%s\n' config ${_known_options} | grep -v -x -F -e "${_unlisted:-config config}" | LC_ALL=C sort -u)
                # shellcheck disable=SC2086
                _fail_options "invalid option $1; valid options:$(printf ' --%s' ${_listed})"
            fi
            [ $# -ge 2 ] || _fail_options "option $1 needs a value"
            case "${!_name}" in
                true | false)
                    [ "$2" = true ] || [ "$2" = false ] || _fail_options "option $1 takes true or false, not '$2'"
                    ;;
            esac
            printf -v "${_name}" '%s' "$2"
            shift 2
            ;;
        *) break ;;
    esac
done
unset _known_options _name _next _position
