"""Train a task (`ctap launch` starts it in several processes)."""

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli._common import add_options, fast_imports
from ctaplib.cluster.options import add_training_options
from ctaplib.errors import STOPPED, ConfigError, CtapError, LostPeerError

if TYPE_CHECKING:
    from ctaplib.tasks.settings import TaskConfig

LEAVE_S = 5.0
"""Time limit for reporting an error before an immediate exit, seconds."""


def configure(parser: argparse.ArgumentParser, task: str | None = None) -> None:
    """Declare the options of `ctap train`, or of another command that trains one task."""
    parser.add_argument("--task", required=task is None, default=task, help="what to train: a module of ctaplib.tasks")
    add_options(parser, "config", "set", "data", "dump", "train_set")
    parser.add_argument("--exp", type=Path, required=True, help="folder of the run; one that is there is resumed")
    parser.add_argument("--valid_set", default="dev", help="set that chooses the best checkpoint (default: dev)")
    parser.add_argument("--speech_only_set", default=None, help="set without labels for the second branch (default: none)")
    text = "trained run to start from, for example pretrained=exp/vqctap; may be repeated (default: none, random weights)"
    parser.add_argument("--init", action="append", default=[], metavar="name=folder", help=text)
    add_training_options(parser)
    parser.add_argument("--gpu", action="store_true", help="train on GPUs, one per process (default: on the CPU)")


def check(args: argparse.Namespace) -> "TaskConfig":
    """Check the config."""
    from ctaplib.tasks.load import read_task_config

    return read_task_config(args.task, args.config, args.overrides)


def run(args: argparse.Namespace) -> int:
    """Run `ctap train`."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads would compete with torch's and with processes
    with fast_imports():
        from ctaplib.runs.commit import commit
        from ctaplib.runs.log import keep_lines
        from ctaplib.runs.state import note_error, remove_errors
        from ctaplib.tasks.base import TaskPaths
        from ctaplib.tasks.load import task_class
        from ctaplib.train.distributed import join_world, leave_world, lost_peer
        from ctaplib.train.heartbeat import Heartbeat
        from ctaplib.train.trainer import Trainer

        task_type = task_class(args.task)
    init: dict[str, Path] = {}
    for word in args.init:
        name, equals, folder = word.partition("=")
        if not equals:
            raise ConfigError(f"--init {word}", expected="name=folder, for example pretrained=exp/vqctap")
        if name in init:
            raise ConfigError(f"--init names {name} twice: {init[name]} and {folder}", expected="one folder for each name")
        init[name] = Path(folder)
    micro_frames = None if args.batch_bins == "auto" else int(args.batch_bins)
    config = check(args)
    paths = TaskPaths(args.data, args.dump, args.exp, args.train_set, args.valid_set, args.speech_only_set or None, init)
    world = join_world(args.gpu)
    if world.is_main:
        keep_lines()
    try:
        with Heartbeat(world, args.patience, lambda error: _end_alone(error, args.exp, world.rank)):
            _refuse_second(args.exp)
            remove_errors(args.exp, world.rank, world.size)
            task = task_type(config, paths)
            finished = Trainer(task, world, commit() or "unknown", micro_frames).fit()
    except Exception as error:
        lost = lost_peer(error, world.rank) if isinstance(error, RuntimeError) else None
        if not isinstance(lost or error, LostPeerError):
            note_error(args.exp, world.rank, error)
        if world.size > 1 and args.gpu:
            end_at_once(lost or error)
        leave_world()
        if lost is not None:
            raise lost from error
        raise
    leave_world()
    return 0 if finished else STOPPED


def _refuse_second(exp: Path) -> None:
    """Check that no other training runs in this folder, before anything is loaded.

    Raises:
        ConfigError: one does; every process raises it.
    """
    from ctaplib.collective import from_first
    from ctaplib.runs.state import check_free

    def check_main() -> ConfigError | None:
        try:
            check_free(exp)
        except ConfigError as error:
            return error
        return None

    if (fault := from_first(check_main)) is not None:
        raise fault


def end_at_once(error: Exception, note: Callable[[], None] | None = None) -> None:
    """Print the error and end, without leaving the process group: NCCL would wait for processes that may never answer.

    Standard error and the run's folder may hang too, with the machine that holds them, so writing to them has a time limit.

    Args:
        error: The error.
        note: Records it elsewhere.
    """

    def report() -> None:
        if isinstance(error, CtapError):
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exception(error)
        sys.stderr.flush()

    works = [threading.Thread(target=work, daemon=True) for work in (note, report) if work is not None]
    for work in works:
        work.start()
    until = time.monotonic() + LEAVE_S
    for work in works:
        work.join(max(0.0, until - time.monotonic()))
    os._exit(1)


def _end_alone(error: LostPeerError, exp: Path, rank: int) -> None:
    """End a process whose main thread may wait for another one forever."""
    from ctaplib.runs.state import note_error

    end_at_once(error, lambda: note_error(exp, rank, error, ends_here=True))
