# shellcheck shell=bash
# Where corpora lie. This recipe makes its own and needs none.
