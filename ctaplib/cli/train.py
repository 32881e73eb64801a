"""Train a task (started by torchrun for several processes)."""

import argparse
import subprocess
from pathlib import Path

STOPPED = 143
"""Exit status after a request to stop, as a shell tells of SIGTERM: saved, but not finished."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of `ctap train`."""
    parser.add_argument("--task", required=True, help="what to train: a module of ctaplib.tasks")
    parser.add_argument("--config", type=Path, help="YAML file; defaults of the task without one")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a value")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data directories")
    parser.add_argument("--dump", type=Path, default=Path("dump"), help="folder of the features")
    parser.add_argument("--exp", type=Path, required=True, help="folder of the run")
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--valid_set", default="dev")
    parser.add_argument("--speech_only_set", default=None, help="set without labels for the second branch")
    parser.add_argument("--init", action="append", default=[], metavar="name=folder", help="trained run to start from")
    parser.add_argument("--gpu", action="store_true", help="train on GPUs, one per process")


def run(args: argparse.Namespace) -> int:
    """Train, resume, or find that there is nothing left to do."""
    from ctaplib.errors import ConfigError
    from ctaplib.tasks.base import TaskPaths, read_task_config, task_class
    from ctaplib.train.distributed import join_world, leave_world
    from ctaplib.train.trainer import Trainer

    init = {}
    for word in args.init:
        name, equals, folder = word.partition("=")
        if not equals:
            raise ConfigError(f"--init {word}", expected="name=folder, for example vqctap=exp/vqctap")
        init[name] = Path(folder)
    config = read_task_config(args.task, args.config, args.overrides)
    paths = TaskPaths(args.data, args.dump, args.exp, args.train_set, args.valid_set, args.speech_only_set or None, init)
    world = join_world(args.gpu)
    try:
        import torch

        torch.manual_seed(config.seed)
        torch.set_deterministic_debug_mode("warn")  # its longer name imports the whole compiler, twice the time of torch
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # costs time, changes nothing
        task = task_class(args.task)(config, paths)
        finished = Trainer(task, world, commit=_commit()).fit()
    finally:
        leave_world()
    return 0 if finished else STOPPED


def _commit() -> str:
    """Commit of this source tree, or "unknown" outside one."""
    here = Path(__file__).parent
    answer = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return answer.stdout.strip() or "unknown"
