"""Trained runs of a method."""

from pathlib import Path

from ctaplib.errors import ConfigError
from ctaplib.methods.base import Method, find_method, method_names, method_of
from ctaplib.models.abilities import lacking
from ctaplib.tasks.load import is_trained, load_task
from ctaplib.tasks.speech import SpeechTask


def load_model(run: Path, method: Method | None = None) -> tuple[SpeechTask, Method]:
    """Load a run whose model has every ability that its method declares.

    Args:
        run: Folder of the run.
        method: The method; by default the one that the run's task pre-trains.

    Raises:
        ConfigError, CheckpointError: the run is not there, is of no method, or its model lacks an ability.
    """
    task: SpeechTask = load_task(run)
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
    """Check that a method has abilities and stages.

    Raises:
        ConfigError: it lacks one; gives the reason.
    """
    if why := method.missing(*needs):
        raise ConfigError(why, fix=f"use another method than {method.name}; `ctap method` lists what each can do")


def trained_method(folder: Path) -> Method:
    """Return the method of which a folder of runs holds a pre-trained model.

    Raises:
        ConfigError: there is none, or more than one.
    """
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
