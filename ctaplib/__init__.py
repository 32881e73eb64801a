"""ctaplib: contrastive token-acoustic pre-training."""

import importlib

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the public API at first use, so that `import ctaplib` is cheap."""
    if name == "CTAP":
        return importlib.import_module("ctaplib.infer.api").CTAP
    raise AttributeError(f"module 'ctaplib' has no attribute {name!r}")
