"""Samples, features and their archives."""
