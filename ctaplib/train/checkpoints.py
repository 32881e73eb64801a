"""The state of a run on disk, its checkpoints and the list of its items, and whether all ranks see the same."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctaplib.checkpoint import load_checkpoint, save_checkpoint, weights_digest
from ctaplib.collective import gather_objects
from ctaplib.config import Config, config_hash, running_settings
from ctaplib.config_file import flatten
from ctaplib.errors import CheckpointError, DataError, TrainingError, counted, shortened
from ctaplib.files import atomic_write
from ctaplib.runs.listing import ABOUT
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task
from ctaplib.train.distributed import World

log = get_logger("ctaplib.train")
BEGIN_AGAIN = "begin the run again (--resume false in a recipe, or another --exp)"


class Checkpoints:
    """The checkpoints of a run: `last.pt`, `previous.pt`, and `fresh.pt` while it becomes the last.

    At any moment one of them is whole, wherever a process is killed: each is written whole, and one that could not be read never
    takes the place of one that could.
    """

    def __init__(self, folder: Path) -> None:
        self.fresh, self.last, self.previous = (folder / f"{name}.pt" for name in ("fresh", "last", "previous"))
        self._broken: set[Path] = set()
        self._loaded: Path | None = None

    def write(self, state: Mapping[str, Any]) -> None:
        """Write `last.pt`; the one before becomes `previous.pt`, unless it is known to be broken."""
        if self._loaded == self.fresh:  # the process before was killed between writing and renaming
            self.fresh.replace(self.last)
            self._loaded = None
            self._broken.discard(self.last)
        save_checkpoint(self.fresh, state)
        if self.last.exists() and self.last not in self._broken:
            self.last.replace(self.previous)
        self.fresh.replace(self.last)
        self._broken.clear()

    def read(self) -> tuple[dict[str, Any], Path] | None:
        """Load the newest checkpoint that can be read; return None if the folder holds no checkpoint.

        Raises:
            CheckpointError: There are checkpoints, but none can be read.
        """
        found = [path for path in (self.fresh, self.last, self.previous) if path.exists()]
        for path in found:
            try:
                state = load_checkpoint(path)
            except CheckpointError as error:
                self._broken.add(path)
                if path == found[-1]:
                    raise CheckpointError(error.found, expected=error.expected, fix=BEGIN_AGAIN) from error
                log.warning("%s; trying %s", error.found, found[len(self._broken)].name)
                continue
            self._loaded = path
            return state, path
        return None


def check_settings(config: Config, before: Mapping[str, Any], path: Path) -> None:
    """Check that a run goes on with the settings that its numbers depend on; `before` is the config that it began with.

    Raises:
        CheckpointError: settings differ; all are named with both values.
    """
    was = flatten({name: value for name, value in before.items() if name not in ABOUT})
    now, free = flatten(config.model_dump(mode="json")), running_settings(config)
    changed = [
        f"{name} was {was.get(name, 'not set')}, is {now.get(name, 'not set')}"
        for name in dict.fromkeys([*was, *now])
        if was.get(name) != now.get(name) and not any(name == known or name.startswith(f"{known}.") for known in free)
    ]
    if changed:
        fix = "put them back, or give this run another --exp"
        if "train.max_steps" in now and was.get("train.max_steps") != now["train.max_steps"]:
            fix += "; a longer training is another run, as schedules go by the share of train.max_steps that is done"
        raise CheckpointError(f"{path} was made with other settings: {'; '.join(shortened(changed))}", fix=fix)


def check_items(task: Task, path: Path) -> None:
    """Check that a run goes on with the items that `write_items` listed in `path`.

    Raises:
        DataError: the data changed since the run began.
    """
    if not path.exists():
        log.warning("%s is missing: whether the data changed since the run began is not known", path)
        return
    items = _items(task)
    before = dict(line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines())
    faults = [f"gone: {key}" for key in before if key not in items]
    faults += [f"new: {key}" for key in items if key not in before]
    faults += [f"{key}: {frames} frames before, {items[key]} now" for key, frames in before.items()
               if items.get(key, frames) != frames]  # fmt: skip
    if faults:
        raise DataError(
            f"the data changed since this run began: {len(before)} items then, {len(items)} now, "
            f"{counted(len(faults), 'difference')}",
            shortened([fault.replace("\t", " ") for fault in faults]),
            expected=f"the items of {path}",
            fix=f"bring them back, or {BEGIN_AGAIN}",
        )


def check_agreement(task: Task, step: int, world: World) -> None:
    """Check that all ranks begin from the same state of the run, the data and the config.

    Raises:
        TrainingError: they differ, as where a machine does not see the run's folder, or still sees an old one.
    """
    if world.size == 1:
        return
    items = "\n".join(f"{key} {frames}" for key, frames in _items(task).items())
    paths = task.paths
    every = gather_objects({
        "step to go on from": str(step),
        "config": config_hash(task.config),
        "list of training items": f"{zlib.crc32(items.encode()):08x}",
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


def write_items(task: Task, path: Path) -> None:
    """List what a run is trained on, as lines of set, item and frames."""
    if items := _items(task):
        with atomic_write(path) as out:
            out.writelines(f"{key}\t{frames}\n" for key, frames in items.items())


def _items(task: Task) -> dict[str, str]:
    return {f"{name}\t{utt}": str(frames) for name, held in task.items().items() for utt, frames in held.items()}
