"""What the commands share: options, imports without the garbage collector, numpy on one thread."""

import argparse
import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType({
    "align": {"type": Path, "help": "folder of the aligner's run (default: <exp_root>/align)"},
    "config": {"type": Path, "help": "YAML file (default: the defaults of each value)"},
    "data": {"type": Path, "default": Path("data"), "help": "folder of the data directories (default: data)"},
    "dump": {"type": Path, "default": Path("dump"), "help": "folder of the features (default: dump)"},
    "exp_root": {"type": Path, "default": Path("exp"), "help": "folder of the runs and decoded output (default: exp)"},
    "lists": {"type": Path, "default": Path("lists"), "help": "folder of the fixed lists (default: lists)"},
    "method": {"default": "vqctap", "help": "pre-training method; `ctap method` lists them (default: vqctap)"},
    "nj": {"type": int, "default": 1, "help": "processes of one thread"},
    "set": {"action": "append", "default": [], "metavar": "a.b=c", "dest": "overrides",
            "help": "set a value of the config; may be repeated"},
    "sets": {"required": True, "help": "names of sets, separated by spaces"},
    "train_set": {"default": "train", "help": "training set (default: train)"},
})  # fmt: skip


def add_options(parser: argparse.ArgumentParser, *names: str, **defaults: Any) -> None:
    """Add options that several commands share; `defaults` overrides their default values."""
    for name in names:
        parser.add_argument(f"--{name}", **OPTIONS[name])
    parser.set_defaults(**defaults)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a trained model."""
    parser.add_argument("--exp", type=Path, required=True, help="a recipe's exp folder, or an unpacked model")
    parser.add_argument("--method", help="pre-training method, where the folder holds models of several")


def one_thread() -> None:
    """Have numpy compute on one thread, unless the environment says otherwise; before its import."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


@contextmanager
def fast_imports() -> Iterator[None]:
    """Pause the garbage collector during imports, and exclude the imported objects from it; only the first time in a process.

    Modules are many objects that live as long as the process, those of torch hundreds of thousands. The collector would visit
    them again and again during the imports, for a sixth of their time, and all of them once more at exit.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
