"""A check that all ranks begin from the same state of the run, the data and the config."""

import zlib

from ctaplib.checkpoint import weights_digest
from ctaplib.collective import gather_objects
from ctaplib.config import config_hash
from ctaplib.errors import TrainingError, shortened
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World


def check_agreement(task: Task, step: int, world: World) -> None:
    """Compare what the ranks have before the first step.

    Raises:
        TrainingError: they differ, as where a machine does not see the run's folder, or still sees an old one.
    """
    if world.size == 1:
        return
    items = zlib.crc32("\n".join(f"{part} {utt} {n}" for part, held in task.items().items() for utt, n in held.items()).encode())
    paths = task.paths
    every = gather_objects({
        "step to go on from": str(step),
        "config": config_hash(task.config),
        "list of training items": f"{items:08x}",
        "weights": weights_digest(task.model)[:12],
        "folders and sets": f"{paths.data} {paths.dump} {paths.exp} {paths.train_set} {paths.valid_set} {paths.speech_only_set}",
    })  # fmt: skip
    differing = [
        f"{name}: {value} on process 0, {other[name]} on process {rank}"
        for name, value in every[0].items()
        for rank, other in enumerate(every)
        if other[name] != value
    ]
    if differing:
        raise TrainingError(
            f"the processes begin from different states: {'; '.join(shortened(differing, 8))}",
            expected="one state on all of them",
            fix="let every machine see the same --exp, --data and --dump folders, and run the same command again",
        )
