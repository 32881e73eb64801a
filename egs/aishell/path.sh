# shellcheck shell=bash
# The environment of this recipe's commands.
. ../../utils/environment.sh
