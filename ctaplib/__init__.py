"""ctaplib: contrastive token-acoustic pre-training."""

import importlib
import os

__version__ = "0.1.0"

if os.environ.get("CTAP_METHOD_PATH"):  # here, so that a worker that unpickles an object finds its module as well
    importlib.import_module("ctaplib.find").extend_packages()


def __getattr__(name: str) -> object:
    """Import the public API at first use, so that `import ctaplib` is cheap."""
    if name == "CTAP":
        return importlib.import_module("ctaplib.infer.api").CTAP
    raise AttributeError(f"module 'ctaplib' has no attribute {name!r}")
