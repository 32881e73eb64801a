#!/usr/bin/env bash
# Begin a recipe for another corpus:  egs/TEMPLATE/setup.sh egs/<corpus>
set -euo pipefail
if [ $# -ne 1 ] || [[ "$1" == -* ]]; then
    echo "usage: $0 egs/<corpus>        (corpus in lower case)" >&2
    exit 2
fi
template=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$(basename "$1")
[[ "${name}" =~ ^[a-z][a-z0-9_]*$ ]] || { echo "error: '${name}' is no name for a recipe: lower case, digits, _" >&2; exit 1; }
mkdir -p "$(dirname "$1")"
parent=$(cd "$(dirname "$1")" && pwd)
if [ "${parent}" != "$(dirname "${template}")" ]; then
    echo "error: a recipe lies beside ${template}, where it finds ../../utils; $1 does not" >&2
    exit 1
fi
[ ! -e "$1" ] || { echo "error: $1 is there already" >&2; exit 1; }

partial=${parent}/.${name}.partial
rm -rf "${partial}"
cp -R "${template}" "${partial}"
rm "${partial}/setup.sh"
find "${partial}" -type f \( -name '*.sh' -o -name '*.md' \) -exec sed -i -e "s/CORPUS\\([^_]\\)/${name}\\1/g" -e "s/CORPUS$/${name}/" {} +
mv "${partial}" "${parent}/${name}"
echo "$1 is there. Next: docs/new_corpus.md, or: fill in db.sh, then local/data.sh --make_lists true and ./run.sh --dry_run true"
