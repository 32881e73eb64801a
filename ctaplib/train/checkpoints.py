"""The state of a run on disk: its checkpoints, and the list of what it is trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ctaplib.checkpoint import load_checkpoint, save_checkpoint
from ctaplib.config import Config, running_settings
from ctaplib.config_file import flatten
from ctaplib.errors import CheckpointError, DataError, counted, shortened
from ctaplib.files import atomic_write
from ctaplib.runs.listing import ABOUT
from ctaplib.runs.log import get_logger
from ctaplib.tasks.base import Task

log = get_logger("ctaplib.train")
BEGIN_AGAIN = "begin the run again (--resume false in a recipe, or another --exp)"


class Saved:
    """The checkpoints of a run: `last.pt`, `previous.pt`, and `fresh.pt` while it becomes the last.

    At any moment one of them is whole, wherever a process is killed: each is written whole, and what could not be read
    never takes the place of what could.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.fresh, self.last, self.previous = (folder / f"{name}.pt" for name in ("fresh", "last", "previous"))
        self._broken: set[Path] = set()
        self._taken: Path | None = None

    def write(self, state: Mapping[str, Any]) -> None:
        """Write `last.pt` whole; what it was becomes `previous.pt`, if it is known to be whole."""
        if self._taken == self.fresh:  # the process before was killed between writing and renaming
            self.fresh.replace(self.last)
            self._taken = None
            self._broken.discard(self.last)
        save_checkpoint(self.fresh, state)
        if self.last.exists() and self.last not in self._broken:
            self.last.replace(self.previous)
        self.fresh.replace(self.last)
        self._broken.clear()

    def read(self) -> tuple[dict[str, Any], Path] | None:
        """The newest of the checkpoints that is whole, or None where there is none.

        Raises:
            CheckpointError: none can be used.
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
            self._taken = path
            return state, path
        return None


def check_settings(config: Config, before: Mapping[str, Any], path: Path) -> None:
    """Hold a run that goes on to the settings that its numbers depend on.

    Args:
        config: The config now.
        before: The one it began with, as `save_config` writes it.
        path: The checkpoint that it goes on from.

    Raises:
        CheckpointError: settings differ; all are named with both values.
    """
    before = {name: value for name, value in before.items() if name not in ABOUT}
    was, now, free = flatten(before), flatten(config.model_dump(mode="json")), running_settings(config)
    changed = [
        f"{name} was {was.get(name, 'not set')}, is {now.get(name, 'not set')}"
        for name in dict.fromkeys([*was, *now])
        if was.get(name) != now.get(name) and not any(name == known or name.startswith(f"{known}.") for known in free)
    ]
    if changed:
        longer = "train.max_steps" in now and was.get("train.max_steps") != now["train.max_steps"]
        raise CheckpointError(
            f"{path} was made with other settings: {'; '.join(shortened(changed))}",
            fix="put them back, or give this run another --exp"
            + (
                "; a longer training is another run, as schedules go by the share of train.max_steps that is done"
                if longer
                else ""
            ),
        )


def check_items(task: Task, path: Path) -> None:
    """Hold a run that goes on to the data that it began with.

    Args:
        task: Whose items they are now.
        path: What `write_items` wrote.

    Raises:
        DataError: the data changed since the run began.
    """
    if not path.exists():
        log.warning("%s is missing: whether the data changed since the run began cannot be told", path)
        return
    items = _items(task)
    before = dict(line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines())
    faults = [f"gone: {key}" for key in before if key not in items]
    faults += [f"new: {key}" for key in items if key not in before]
    faults += [
        f"{key}: {before[key]} frames before, {items[key]} now" for key in before if items.get(key, before[key]) != before[key]
    ]
    if faults:
        raise DataError(
            f"the data changed since this run began: {len(before)} items then, {len(items)} now, "
            f"{counted(len(faults), 'difference')}",
            shortened([fault.replace("\t", " ") for fault in faults]),
            expected=f"the items of {path}",
            fix=f"bring them back, or {BEGIN_AGAIN}",
        )


def write_items(task: Task, path: Path) -> None:
    """List what a run is trained on: lines of set, item and frames."""
    if items := _items(task):
        with atomic_write(path) as out:
            out.writelines(f"{key}\t{frames}\n" for key, frames in items.items())


def _items(task: Task) -> dict[str, str]:
    return {f"{name}\t{utt}": str(frames) for name, held in task.items().items() for utt, frames in held.items()}
