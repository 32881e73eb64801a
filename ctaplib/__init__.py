"""ctaplib: contrastive token-acoustic pre-training."""

import importlib
import os

__version__ = "0.1.0"

if os.environ.get("CTAP_METHOD_PATH"):  # here, so that a worker that unpickles an object finds its module as well
    importlib.import_module("ctaplib.find").extend_packages()


def __getattr__(name: str) -> object:
    """Load the public API when it is asked for, so that `import ctaplib` costs nothing."""
    if name == "CTAP":
        return importlib.import_module("ctaplib.infer.api").CTAP
    raise AttributeError(f"module 'ctaplib' has no attribute {name!r}")
