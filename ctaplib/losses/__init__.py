"""Losses: tensors and masks in, a sum and a count out."""
