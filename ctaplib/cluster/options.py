"""Options of `ctap launch` and their checks: processes, machines, timeouts.

`ctap launch` parses them; a recipe checks them before it starts anything; `ctap train` takes over `add_training_options`.
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from ctaplib.errors import ConfigError

BACKENDS = ("local", "slurm")


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a training runs."""
    parser.add_argument("--ngpu", type=whole("--ngpu", 0), default=0, metavar="N",
                        help="GPUs of each machine, one process on each; 0: the CPU (default: 0)")  # fmt: skip
    parser.add_argument("--nproc", type=whole("--nproc", 1), default=1, metavar="N",
                        help="processes of each machine when --ngpu is 0 (default: 1)")  # fmt: skip
    parser.add_argument("--num_nodes", type=whole("--num_nodes", 1), default=1, metavar="N", help="machines (default: 1)")
    parser.add_argument("--cmd_backend", type=backend, default="local", metavar="NAME", help="local or slurm (default: local)")
    parser.add_argument("--slurm_config", type=Path, metavar="FILE",
                        help="options of sbatch, one name=value a line (default: conf/slurm.conf)")  # fmt: skip
    parser.add_argument("--rdzv_endpoint", type=endpoint, metavar="HOST:PORT",
                        help="address where machines meet without Slurm; start the same command on each of them")  # fmt: skip
    parser.add_argument("--join_timeout", type=seconds("--join_timeout", 0.0), default=50.0, metavar="S",
                        help="seconds to wait for all machines (default: 50)")  # fmt: skip
    add_training_options(parser)


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `ctap launch` hands on to `ctap train`."""
    parser.add_argument(
        "--batch_bins", type=batch_bins, default="0", metavar="N|auto",
        help="most feature frames, padding included, in a micro-batch of a process; a larger batch is accumulated over several "
        "micro-batches, with the same result. auto: as many as fit into memory; 0: no limit (default: 0). "
        "A longer utterance is a micro-batch of its own",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=seconds("--patience", 1.0, or_zero=True), default=30.0, metavar="S",
        help="seconds without a heartbeat of another process after which this one ends; 0: as long as an exchange may take "
        "(default: 30)",
    )  # fmt: skip


def whole(option: str, least: int) -> Callable[[str], int]:
    """Return an argparse type: whole numbers from `least` on, whose errors name the option."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ConfigError(f"{option} {text}", expected=f"a whole number, at least {least}")
        return int(text)

    return read


def seconds(option: str, least: float, or_zero: bool = False) -> Callable[[str], float]:
    """Return an argparse type: finite seconds from `least` on, or 0 where allowed."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least <= value < math.inf or (or_zero and value == 0)):
            raise ConfigError(f"{option} {text}", expected=f"seconds, at least {least:g}{', or 0' if or_zero else ''}")
        return value

    return read


def endpoint(text: str) -> tuple[str, int]:
    """Split HOST:PORT, the value of `--rdzv_endpoint`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--rdzv_endpoint {text}", expected="HOST:PORT, for example node1:29500")
    return host, int(port)


def batch_bins(text: str) -> str:
    """Check a value of `--batch_bins`."""
    if text != "auto" and not text.isdecimal():
        raise ConfigError(f"--batch_bins {text}", expected="a number of feature frames, or auto")
    return text


def backend(text: str) -> str:
    """Check a value of `--cmd_backend`."""
    if text not in BACKENDS:
        raise ConfigError(f"--cmd_backend {text}", expected=" or ".join(BACKENDS))
    return text
