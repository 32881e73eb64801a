"""Tasks by name: their class, their config, and the trained task of a run's folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from torch import nn

from ctaplib.checkpoint import load_checkpoint, load_weights
from ctaplib.config import load_config
from ctaplib.config_file import read_saved
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.find import find
from ctaplib.methods.base import ABILITIES, Method, find_method, method_names, method_of
from ctaplib.models.abilities import lacking
from ctaplib.tasks.base import Task, TaskPaths
from ctaplib.tasks.settings import TaskConfig

if TYPE_CHECKING:
    from ctaplib.tasks.speech import SpeechTask

PACKED_WEIGHTS = "model.safetensors"
PACKED_CONFIG = "config.json"
BEST = "checkpoints/best.pt"
_RENAMED = {"watch": "preview"}
"""Fields of the configs of runs trained with earlier versions, and their names now."""


def task_class(name: str) -> type[Task]:
    """Return the class of a task; a `ConfigError` names the tasks that there are."""
    return find("tasks", name, "TASK")


def is_trained(exp: Path) -> bool:
    """Return whether a folder holds a trained run, packed or not."""
    return (exp / PACKED_WEIGHTS).exists() or (exp / BEST).exists()


def load_task(exp: str | Path, model: type[nn.Module] = nn.Module) -> Any:
    """Load the trained task of a run's folder, in evaluation mode; its model must be an instance of `model`.

    Raises:
        ConfigError, CheckpointError: the folder is no run, its files do not fit together, or it holds another kind of model.
    """
    exp = Path(exp)
    packed = (exp / PACKED_WEIGHTS).exists()
    runs = sorted(str(path) for path in exp.iterdir() if is_trained(path)) if exp.is_dir() and not is_trained(exp) else []
    if runs:
        raise ConfigError(
            f"{exp} is not a run, but a folder of runs", expected="a trained run", fix=f"name one: {' '.join(runs)}"
        )
    saved = read_saved(exp / (PACKED_CONFIG if packed else "config.yaml"))
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
    path = exp / (PACKED_WEIGHTS if packed else BEST)
    weights = load_file(path) if packed else load_checkpoint(path).get("model")
    if weights is None:
        raise CheckpointError(f"{path} holds no model", expected="a checkpoint of a training run")
    load_weights(task.model, weights, str(path))
    task.model.eval()
    return task


def load_source(task: str, paths: TaskPaths, model: type[nn.Module] = nn.Module, abilities: Sequence[str] = ()) -> Any:
    """Load the model from which a task starts: that of the run that `--init pretrained=RUN` names.

    Raises:
        ConfigError: no run is given, its model is not a `model`, or lacks one of `abilities`; names the methods that the task
            can fine-tune.
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


def read_task_config(name: str, path: str | Path | None, overrides: Sequence[str]) -> TaskConfig:
    """Read the config of a task from a YAML file and `a.b=c` words; a `ConfigError` lists every fault."""
    task = task_class(name)
    config = load_config(task.Config, path, overrides)
    if task.metrics and config.train.best not in task.metrics:
        raise ConfigError(f"train.best is {config.train.best!r}", expected=f"one of {', '.join(task.metrics)}")
    return config


def load_model(run: Path, method: Method | None = None) -> "tuple[SpeechTask[Any], Method]":
    """Load a run whose model has every ability that its method declares: by default the method that its task pre-trains.

    Raises:
        ConfigError, CheckpointError: the run is not there, is of no method, or its model lacks an ability.
    """
    task = load_task(run)
    method = method or method_of(task.name)
    members = sorted({member for ability in method.abilities for member in lacking(task.model, ability)})
    if members:
        raise ConfigError(
            f"{run} is a run of {task.name}, whose model {type(task.model).__name__} has no {', '.join(members)}",
            expected=f"what ctaplib/models/abilities.py asks of {', '.join(sorted(method.abilities))}",
            fix=f"name a run of {method.name}, or correct the abilities in its declaration",
        )
    return task, method


def require(method: Method, *needs: str) -> None:
    """Check that a method has abilities and stages; a `ConfigError` gives the reason why it lacks one."""
    if why := method.missing(*needs):
        raise ConfigError(why, fix=f"use another method than {method.name}; `ctap method` lists what each can do")


def trained_method(folder: Path) -> Method:
    """Return the method of which a folder of runs holds a pre-trained model; none, or several, are a `ConfigError`."""
    methods = [find_method(name) for name in method_names()]
    trained = [method for method in methods if is_trained(folder / method.run("pretrain"))]
    if len(trained) == 1:
        return trained[0]
    if trained:
        names = ", ".join(method.name for method in trained)
        raise ConfigError(f"{folder} holds models of several methods: {names}", fix="name one of them as the method")
    places = ", ".join(f"{method.run('pretrain')} ({method.name})" for method in methods)
    raise ConfigError(
        f"{folder} holds no pre-trained model",
        expected=f"a recipe's exp folder or an unpacked model, with a trained run in one of {places}",
        fix="check the folder, or train a model (stage 5 of a recipe)",
    )
