"""Train a task (started by torchrun for several processes)."""

import argparse
import math
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ctaplib.cli import _collection
from ctaplib.errors import STOPPED, ConfigError, CtapError, LostPeerError

if TYPE_CHECKING:
    from ctaplib.tasks.settings import TaskConfig

LEAVE_S = 5.0
"""Most seconds that a process that ends at once spends on saying why."""


def configure(parser: argparse.ArgumentParser, task: str | None = None) -> None:
    """Options of `ctap train`, or of another command that trains one task."""
    parser.add_argument("--task", required=task is None, default=task, help="what to train: a module of ctaplib.tasks")
    parser.add_argument("--config", type=Path, help="YAML file; without one, the defaults of the task")
    parser.add_argument(
        "--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="set a value of the config; may be repeated"
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data directories (default: data)")
    parser.add_argument("--dump", type=Path, default=Path("dump"), help="folder of the features (default: dump)")
    parser.add_argument("--exp", type=Path, required=True, help="folder of the run; where it holds one, that goes on")
    parser.add_argument("--train_set", default="train", help="set to train on (default: train)")
    parser.add_argument("--valid_set", default="dev", help="set that chooses the best checkpoint (default: dev)")
    parser.add_argument("--speech_only_set", default=None, help="set without labels for the second branch (default: none)")
    parser.add_argument(
        "--init",
        action="append",
        default=[],
        metavar="name=folder",
        help="trained run to begin from, for example pretrained=exp/vqctap; may be repeated (default: none, random weights)",
    )
    parser.add_argument(
        "--batch_bins",
        default="0",
        metavar="N|auto",
        help="most feature frames, padding included, in one forward pass of a process; a global batch of more is added up over "
        "several passes, with the same result. auto: as many as fit into memory; 0: no limit (default: 0). "
        "A longer utterance is a micro-batch of its own",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=30.0,
        metavar="S",
        help="seconds without a sign of life of another process after which this one ends; 0: as long as an exchange may take "
        "(default: 30)",
    )
    parser.add_argument("--gpu", action="store_true", help="train on GPUs, one per process (default: on the CPU)")


def check(args: argparse.Namespace) -> "TaskConfig":
    """Read the config, before anything is done."""
    from ctaplib.tasks.load import read_task_config

    return read_task_config(args.task, args.config, args.overrides)


def run(args: argparse.Namespace) -> int:
    """Train, resume, or find that there is nothing left to do."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's threads would compete with torch's and with processes
    with _collection.paused():
        from ctaplib.runs.log import keep_lines
        from ctaplib.runs.state import forget_errors, note_error
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
    if args.batch_bins != "auto" and not args.batch_bins.isdecimal():
        raise ConfigError(f"--batch_bins {args.batch_bins}", expected="a number of feature frames, or auto")
    if args.patience != 0 and not 1 <= args.patience < math.inf:
        raise ConfigError(f"--patience {args.patience:g}", expected="seconds, at least 1, or 0")
    micro_frames = None if args.batch_bins == "auto" else int(args.batch_bins)
    config = check(args)
    paths = TaskPaths(args.data, args.dump, args.exp, args.train_set, args.valid_set, args.speech_only_set or None, init)
    world = join_world(args.gpu)
    if world.is_main:
        keep_lines()
    try:
        with Heartbeat(world, args.patience, lambda error: _end_alone(error, args.exp, world.rank)):
            _refuse_second(args.exp)
            forget_errors(args.exp, world.rank, world.size)
            task = task_type(config, paths)
            finished = Trainer(task, world, _commit(), micro_frames).fit()
    except Exception as error:
        told = lost_peer(error, world.rank) if isinstance(error, RuntimeError) else None
        if not isinstance(told or error, LostPeerError):
            note_error(args.exp, world.rank, error)
        if world.size > 1 and args.gpu:
            end_at_once(told or error)
        leave_world()
        if told is not None:
            raise told from error
        raise
    leave_world()
    return 0 if finished else STOPPED


def _refuse_second(exp: Path) -> None:
    """Find a training in the folder of this one before anything is loaded.

    Raises:
        ConfigError: there is one; every process raises it.
    """
    from ctaplib.collective import from_first
    from ctaplib.runs.state import check_free

    def look() -> ConfigError | None:
        try:
            check_free(exp)
        except ConfigError as error:
            return error
        return None

    if (told := from_first(look)) is not None:
        raise told


def end_at_once(error: Exception, note: Callable[[], None] | None = None) -> None:
    """Tell the error and end: taking leave of an NCCL group in good order waits for processes that may never answer.

    What takes the log or the note may be gone as well, with the machine that holds them: neither is waited for without limit.

    Args:
        error: What to tell.
        note: Leaves it elsewhere.
    """

    def tell() -> None:
        if isinstance(error, CtapError):
            print(f"error: {error}", file=sys.stderr)
        else:
            traceback.print_exception(error)
        sys.stderr.flush()

    works = [threading.Thread(target=work, daemon=True) for work in (note, tell) if work is not None]
    for work in works:
        work.start()
    until = time.monotonic() + LEAVE_S
    for work in works:
        work.join(max(0.0, until - time.monotonic()))
    os._exit(1)


def _end_alone(error: LostPeerError, exp: Path, rank: int) -> None:
    """End a process whose main thread may wait for another one for ever."""
    from ctaplib.runs.state import note_error

    end_at_once(error, lambda: note_error(exp, rank, error, ends_here=True))


def _commit() -> str:
    """Commit of this source tree, or "unknown" outside one."""
    here = Path(__file__).parent
    answer = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
