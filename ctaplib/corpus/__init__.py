"""Corpora on disk: import, check, list, download."""
