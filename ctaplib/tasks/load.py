"""Tasks by name: their class, their config, and the trained task of a run's folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from ctaplib.checkpoint import load_checkpoint, load_weights
from ctaplib.config import load_config
from ctaplib.config_file import read_saved
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.find import find
from ctaplib.methods.base import ABILITIES, find_method, method_names
from ctaplib.models.abilities import lacking
from ctaplib.tasks.base import Task, TaskPaths
from ctaplib.tasks.settings import TaskConfig

PACKED_WEIGHTS = "model.safetensors"
PACKED_CONFIG = "config.json"
_RENAMED = {"watch": "preview"}
"""Fields of the configs of runs trained with earlier versions, and their names now."""


def task_class(name: str) -> type[Task]:
    """Return the class of the task of that name.

    Raises:
        ConfigError: there is none.
    """
    return find("tasks", name, "TASK")


def is_trained(exp: Path) -> bool:
    """Return whether a folder holds a trained run, packed or not."""
    return (exp / PACKED_WEIGHTS).exists() or (exp / "checkpoints" / "best.pt").exists()


def load_task(exp: str | Path, model: type[nn.Module] = nn.Module, which: str = "best") -> Any:
    """Load the trained task of a run's folder, in evaluation mode; `config.yaml` of the run names its class.

    Args:
        exp: Folder of the run.
        model: Class that its model must have.
        which: Checkpoint.

    Raises:
        ConfigError, CheckpointError: the folder is no run, its files do not fit together, or it holds another kind of model.
    """
    exp = Path(exp)
    packed = exp / PACKED_WEIGHTS
    runs = sorted(str(path) for path in exp.iterdir() if is_trained(path)) if exp.is_dir() and not is_trained(exp) else []
    if runs:
        raise ConfigError(
            f"{exp} is not a run, but a folder of runs", expected="a trained run", fix=f"name one: {' '.join(runs)}"
        )
    saved = read_saved(exp / (PACKED_CONFIG if packed.exists() else "config.yaml"))
    name = str(saved.get("task", ""))
    cls = task_class(name)
    values = {_RENAMED.get(k, k): v for k, v in saved.items() if k not in {"task", "config_hash", "commit"}}
    try:
        config = cls.Config.model_validate(values)
    except ValueError as error:
        raise ConfigError(f"{exp}/config.yaml does not fit this version: {error}", fix="train it again") from error
    task = cls(config, TaskPaths(exp, exp, exp, "", ""), training=False)
    if not isinstance(task.model, model):
        found = f"{exp} is a run of {name}: its model is a {type(task.model).__name__}"
        raise ConfigError(found, expected=f"a run with a {model.__name__}", fix="name the folder of such a run")
    path = packed if packed.exists() else exp / "checkpoints" / f"{which}.pt"
    load_weights(task.model, load_file(path) if packed.exists() else _model_of(path), str(path))
    task.model.eval()
    return task


def load_source(task: str, paths: TaskPaths, model: type[nn.Module] = nn.Module, abilities: Sequence[str] = ()) -> Any:
    """Load the model of the run that `--init pretrained=RUN` names.

    Args:
        task: Name of the task that starts from it.
        paths: Paths of that task.
        model: Class that it must have.
        abilities: Names of abilities (`ctaplib/methods/base.py`) that it must have.

    Raises:
        ConfigError: no run is given, or its model lacks something; names the methods that the task can fine-tune.
    """
    methods = [name for name in method_names() if task in find_method(name).tasks.values()]
    expected = f"a pre-trained run of {' or '.join(methods)}"
    if "pretrained" not in paths.init:
        raise ConfigError(
            f"task {task} starts from a pre-trained model, and none is given", expected=expected, fix="give --init pretrained=RUN"
        )
    run = paths.init["pretrained"]
    source = load_task(run).model
    missing = [ABILITIES[ability] for ability in abilities if lacking(source, ability)]
    if missing or not isinstance(source, model):
        found = f"task {task} cannot start from {run}: its model is a {type(source).__name__}"
        raise ConfigError(found + (f" and cannot {', '.join(missing)}" if missing else ""), expected=expected)
    return source


def _model_of(path: Path) -> Mapping[str, torch.Tensor]:
    state = load_checkpoint(path)
    if "model" not in state:
        raise CheckpointError(f"{path} holds no model", expected="a checkpoint of a training run")
    return state["model"]


def read_task_config(name: str, path: str | Path | None, overrides: Sequence[str]) -> TaskConfig:
    """Read the config of a task from a YAML file and `a.b=c` words.

    Raises:
        ConfigError: they cannot be used; lists every fault.
    """
    task = task_class(name)
    config = load_config(task.Config, path, overrides)
    if task.metrics and config.train.best not in task.metrics:
        raise ConfigError(f"train.best is {config.train.best!r}", expected=f"one of {', '.join(task.metrics)}")
    return config
