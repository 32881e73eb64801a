"""Whether all processes begin from the same state: of the run, of the data, and of the config."""

import zlib

import torch.distributed as dist

from ctaplib.checkpoint import weights_digest
from ctaplib.config import config_hash
from ctaplib.errors import TrainingError
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World


def check_agreement(task: Task, step: int, world: World) -> None:
    """Compare what the processes hold before the first step.

    Raises:
        TrainingError: they differ, as where a machine does not see the run's folder, or still sees an old one.
    """
    if world.size == 1:
        return
    items = zlib.crc32("\n".join(f"{part} {utt} {n}" for part, held in task.items().items() for utt, n in held.items()).encode())
    mine = {
        "step to go on from": str(step),
        "config": config_hash(task.config),
        "list of training items": f"{items:08x}",
        "weights": weights_digest(task.model)[:12],
    }
    every: list[dict[str, str]] = [{} for _ in range(world.size)]
    dist.all_gather_object(every, mine)
    differing = [
        f"{name}: {every[0][name]} on process 0, {other[name]} on process {rank}"
        for name in mine
        for rank, other in enumerate(every)
        if other[name] != every[0][name]
    ]
    if differing:
        raise TrainingError(
            f"the processes begin from different states: {'; '.join(differing[:8])}" + (" ..." if len(differing) > 8 else ""),
            expected="one state on all of them",
            fix="let every machine see the same --exp, --data and --dump folders, and run the same command again",
        )
