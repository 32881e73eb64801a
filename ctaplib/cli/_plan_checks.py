"""Checks of the commands of a plan before any of them starts: their options, configs and machines."""

import importlib
import math
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ctaplib.cli.main import Parser, commands
from ctaplib.cluster.launcher import check_gpus
from ctaplib.cluster.slurm import check_cluster, config_path, read_options
from ctaplib.errors import ConfigError, CtapError
from ctaplib.recipe.stamps import Stage


class PlanChecks:
    """Looks at the commands of stages as they are going to be called.

    Args:
        values: What `@name` stands for in commands.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def __call__(self, stages: Sequence[Stage]) -> list[str]:
        """One line for every fault; looks in a process of its own, so that this one stays small."""
        if not stages:
            return _option_faults(self.values)
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        told = [(stage.label, shlex.split(command)) for stage in stages for command in stage.commands]
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
            return pool.submit(_faults, told, self.values).result()


class _Parser(Parser):
    """A parser that tells of faults as errors of ours."""

    def error(self, message: str) -> NoReturn:
        word = message.rpartition(" ")[2]
        named = re.fullmatch(r"[a-z]\w*(\.\w+)+", word)
        raise ConfigError(f"{self.prog}: {message}", fix=f"write {word}=VALUE to set it" if named else "")


def _faults(told: Sequence[tuple[str, Sequence[str]]], values: Mapping[str, str]) -> list[str]:
    trains = any("--" in words and Path(words[0]).name == "launch.sh" for _, words in told)
    faults = _option_faults(values) or _machine_faults(values, trains)
    for label, words in told:
        if words[0] == "ctap" and len(words) > 1:
            noun, rest = words[1].replace("-", "_"), words[2:]
        elif Path(words[0]).name == "launch.sh" and "--" in words:
            noun, rest = "train", words[words.index("--") + 1 :]
        else:
            continue
        faults += [f"{label}: {fault}" for fault in _tried(_check_command, noun, [_number_for(word) for word in rest])]
    return faults


def _number_for(word: str) -> str:
    return "1" if word.startswith("@") else word  # what @name stands for is looked at once


def _tried(function: Callable[..., object], *args: Any) -> list[str]:
    try:
        function(*args)
    except CtapError as error:
        return [str(error)]
    except ImportError as error:
        return [f"{error}; to fix it: run tools/install.sh"]
    return []


def _check_command(noun: str, words: Sequence[str]) -> None:
    if noun not in commands():
        raise ConfigError(f"ctap has no command {noun}")
    module = importlib.import_module(f"ctaplib.cli.{noun}")
    parser = _Parser(prog=f"ctap {noun}")
    module.configure(parser)
    args = parser.parse_args(list(words))
    if hasattr(module, "check"):
        module.check(args)


def _machine(values: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The options that say how programs are started, and the backend among them."""
    words = shlex.split(values.get("launch", ""))
    options = {word.removeprefix("--"): words[n + 1] for n, word in enumerate(words[:-1]) if word.startswith("--")}
    options |= {"nj": values["nj"]} if "nj" in values else {}
    return options, options.get("cmd_backend", os.environ.get("CTAP_CMD_BACKEND", "local"))


def _option_faults(values: Mapping[str, str]) -> list[str]:
    """Options that no machine can use."""
    options, backend = _machine(values)
    faults = []
    for name, lowest in {"ngpu": 0, "nproc": 1, "num_nodes": 1, "nj": 1}.items():
        text = options.get(name, "1")
        if not text.isdecimal() or int(text) < lowest:
            faults.append(f"--{name} {text}; expected a whole number, at least {lowest}")
    for name in ("join_timeout", "patience"):
        if not re.fullmatch(r"\d+(\.\d+)?", text := options.get(name, "30")):
            faults.append(f"--{name} {text}; expected seconds")
        elif name == "patience" and float(text) != 0 and not 1 <= float(text) < math.inf:
            faults.append(f"--{name} {text}; expected seconds, at least 1, or 0")
    if not re.fullmatch(r"\d+|auto", text := options.get("batch_bins", "0")):
        faults.append(f"--batch_bins {text}; expected a number of 10 ms frames, or auto")
    if backend not in ("local", "slurm"):
        faults.append(f"--cmd_backend {backend}; expected local or slurm")
    return faults


def _machine_faults(values: Mapping[str, str], trains: bool) -> list[str]:
    """What this machine or its cluster does not have."""
    options, backend = _machine(values)
    faults: list[str] = []
    if backend == "slurm":
        kinds = ("train", "jobs") if trains else ("jobs",)
        for kind in kinds:
            faults += _tried(read_options, config_path(), kind)
        return list(dict.fromkeys(faults + _tried(check_cluster)))
    if not trains:
        return []
    if int(options.get("num_nodes", "1")) > 1 and "rdzv_endpoint" not in options:
        faults.append(
            f"--num_nodes {options['num_nodes']} without slurm needs --rdzv_endpoint HOST:PORT, the same on all machines"
        )
    if gpus := int(options.get("ngpu", "0")):
        faults += _tried(check_gpus, gpus)
    return faults
