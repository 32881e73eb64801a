"""ctaplib: contrastive token-acoustic pre-training."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Load the public API when it is asked for, so that `import ctaplib` costs nothing."""
    if name == "CTAP":
        return importlib.import_module("ctaplib.infer.api").CTAP
    raise AttributeError(f"module 'ctaplib' has no attribute {name!r}")
