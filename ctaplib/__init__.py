"""ctaplib: contrastive token-acoustic pre-training."""

__version__ = "0.1.0"
