"""Corpora on disk and batches in memory."""
