"""Encoders, decoders and whole models."""
