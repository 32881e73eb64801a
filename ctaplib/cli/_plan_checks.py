"""Checks of a plan's commands before any of them starts: options, configs, machines."""

import argparse
import importlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from ctaplib.cli import launch
from ctaplib.cli.main import Parser, commands
from ctaplib.cluster.launcher import check_endpoint, check_gpus
from ctaplib.cluster.options import whole
from ctaplib.cluster.slurm import check_cluster, config_path, read_options
from ctaplib.errors import ConfigError, CtapError
from ctaplib.recipe.stamps import Stage


class PlanChecks:
    """Checks of the commands of stages.

    Args:
        values: Values of `@name` in commands.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def __call__(self, stages: Sequence[Stage]) -> list[str]:
        """Return one line for every fault; works in a forked process, so that this one does not import torch."""
        if not stages:
            return parse_values(self.values)[1]
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        commands = [(stage.label, shlex.split(command)) for stage in stages for command in stage.commands]
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
            return pool.submit(_faults, commands, self.values).result()


class _Parser(Parser):
    """Argument parser that raises faults as `ConfigError`."""

    def error(self, message: str) -> NoReturn:
        word = message.rpartition(" ")[2]
        named = re.fullmatch(r"[a-z]\w*(\.\w+)+", word)
        raise ConfigError(f"{self.prog}: {message}", fix=f"write {word}=VALUE to set it" if named else "")


def _faults(commands: Sequence[tuple[str, Sequence[str]]], values: Mapping[str, str]) -> list[str]:
    trains = any(_is_launch(words) for _, words in commands)
    options, faults = parse_values(values)
    faults = faults or _machine_faults(options, trains)
    for label, words in commands:
        if _is_launch(words):
            noun, rest = "train", words[words.index("--") + 1 :]
        elif words[0] == "ctap" and len(words) > 1:
            noun, rest = words[1].replace("-", "_"), words[2:]
        else:
            continue
        faults += [f"{label}: {fault}" for fault in _tried(_check_command, noun, [_number_for(word) for word in rest])]
    return faults


def _is_launch(words: Sequence[str]) -> bool:
    return Path(words[0]).name == "launch.sh" and "--" in words


def _number_for(word: str) -> str:
    return "1" if word.startswith("@") else word  # values of @name are checked by `parse_values`


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


def parse_values(values: Mapping[str, str]) -> tuple[argparse.Namespace, list[str]]:
    """Parse the options of the machine: `@launch`, options of `ctap launch`, and `@nj`; return them and their faults."""
    parser, faults = _Parser(prog="ctap launch"), []
    launch.configure(parser)
    options = parser.parse_args([])
    words = shlex.split(values.get("launch", ""))
    for name, value in zip(words[::2], words[1::2]):
        faults += _tried(parser.parse_args, [f"{name}={value}"], options)
    return options, faults + _tried(whole("--nj", 1), values.get("nj", "1"))


def _machine_faults(options: argparse.Namespace, trains: bool) -> list[str]:
    """List what this machine or its cluster lacks."""
    if options.cmd_backend == "slurm":
        kinds = ("train", "jobs") if trains else ("jobs",)
        faults = [fault for kind in kinds for fault in _tried(read_options, config_path(), kind)]
        return list(dict.fromkeys(faults + _tried(check_cluster)))
    if not trains:
        return []
    return _tried(check_endpoint, options) + (_tried(check_gpus, options.ngpu) if options.ngpu else [])
