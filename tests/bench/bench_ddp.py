"""Our trainer on two gloo processes of one thread each, beside one: eight utterances of 600 frames for each process and step.

The speech encoder of bench_train_step (21 M parameters, fp32) on made-up features. `two` are the processes of one run; `apart`
are two runs at the same time that know nothing of each other, so what `two` loses to them goes to DDP, and what they lose to
`one` to the machine. Clocks run from the end of one step to that of a later one: start-up, validation and checkpoints are left
out.

    python tests/bench/bench_ddp.py --json ddp.json
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

FORMS = [fresh.Form("one"), fresh.Form("two"), fresh.Form("apart")]
GOAL, BATCH, MELS, FIRST = 0.90, 8, 80, 2


def steps_of(quick: bool) -> int:
    return 3 if quick else 6


def run_rank(quick: bool, folder: str) -> None:
    """One process of a run: its seconds and CPU seconds a step, and a sum over the weights it ends with."""
    import torch
    from bench_train_step import encoder_of

    from ctaplib.cli.main import _prepare_process
    from ctaplib.losses.terms import Term
    from ctaplib.tasks.base import Task, TaskPaths
    from ctaplib.tasks.settings import TaskConfig
    from ctaplib.train.distributed import join_world, leave_world
    from ctaplib.train.trainer import Trainer

    _prepare_process()  # as every command does
    torch.set_num_threads(1)
    world, last, frames = join_world(False), steps_of(quick), 120 if quick else 600

    class Encode(Task):
        name, Config = "encode", TaskConfig

        def __init__(self, config: TaskConfig, paths: TaskPaths) -> None:
            super().__init__(config, paths)
            self.model = encoder_of("ours", quick)
            self.clock: list[tuple[float, float]] = []

        def train_plan(self, epoch: int) -> list[list[int]]:
            size = BATCH * world.size
            return [list(range(start, start + size)) for start in range(0, size * last, size)]

        def valid_plan(self) -> list[list[int]]:
            return [[0]]

        def load(self, split: str, items, step: int) -> torch.Tensor:
            return torch.stack([torch.randn(frames, MELS, generator=torch.Generator().manual_seed(item)) for item in items])

        def losses(self, batch: torch.Tensor, step: int, optimizer: str) -> dict[str, Term]:
            out = self.model(batch, torch.full((len(batch),), frames))[0]
            return {"loss": Term(out.square().sum(), torch.tensor(float(out.numel())))}

        def weights(self, step: int, optimizer: str) -> dict[str, float]:
            return {"loss": 1.0}

        def evaluate(self, batch: torch.Tensor) -> dict[str, Term]:
            return self.losses(batch, 0, "model")

        def after_step(self, step: int) -> None:
            self.clock.append((time.perf_counter(), time.process_time()))

    train = {
        "max_steps": last, "valid_every_steps": 10000, "save_every_steps": 10000, "log_every_steps": 20, "precision": "fp32",
    }  # fmt: skip
    places = Path(folder)
    task = Encode(TaskConfig.model_validate({"train": train}), TaskPaths(places, places, places / "exp", "", ""))
    Trainer(task, world).fit()
    leave_world()
    wall, cpu = ((b - a) / (last - FIRST) for a, b in zip(task.clock[FIRST - 1], task.clock[-1], strict=True))
    total = float(sum(p.detach().double().abs().sum() for p in task.model.parameters()))
    millions = sum(p.numel() for p in task.model.parameters()) / 1e6
    print(json.dumps({"wall": wall, "cpu": cpu, "weights": total, "parameters_m": millions}))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(form: str, quick: bool) -> list[dict[str, float]]:
    """Run the processes of a form, and give what each of them found."""
    count, port = 1 if form == "one" else 2, free_port()
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(count):
            joined = {"RANK": str(rank), "WORLD_SIZE": str(count)} if form == "two" else {"RANK": "0", "WORLD_SIZE": "1"}
            environment = {**os.environ, **joined, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            words = [sys.executable, __file__, "rank", str(quick), folder if form == "two" else f"{folder}/{rank}"]
            children.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        told = [child.communicate() for child in children]
    if any(child.returncode for child in children):
        raise SystemExit(f"{form}: a process ended with an error: " + "\n".join(errors[-2000:] for _, errors in told))
    return [json.loads(output.splitlines()[-1]) for output, _ in told]


def prepare(form: str, quick: bool) -> Callable[[], object]:
    def work() -> object:
        found = start(form, quick)
        return {
            "step_wall_s": max(each["wall"] for each in found),
            "step_cpu_s": sum(each["cpu"] for each in found) / len(found),
            "same_weights": len({each["weights"] for each in found}) == 1,
            "parameters_m": found[0]["parameters_m"],
        }

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    if not figures["two"]["same_weights"]:
        raise SystemExit("the two processes end with different weights")
    part = "DDP, gloo, 2 processes"
    wall, cpu = ({name: found[key] for name, found in figures.items()} for key in ("step_wall_s", "step_cpu_s"))
    note = (
        f"{figures['one']['parameters_m']:.1f} M, fp32; wall seconds a step: one {wall['one']:.2f}, two {wall['two']:.2f}, two "
        f"that do not talk {wall['apart']:.2f} ({wall['one'] / wall['apart']:.2f}); equal weights on both"
    )
    busy = f"CPU seconds a step and process: one {cpu['one']:.2f}, two {cpu['two']:.2f}, two that do not talk {cpu['apart']:.2f}"
    by_wall, by_cpu = f"{part}: audio a second", f"{part}: audio a CPU second"
    return [
        fresh.row(by_wall, wall["one"] / wall["two"], GOAL, of="two", peer="twice one", note=note, least=True),
        fresh.row(by_wall, wall["apart"] / wall["two"], None, of="two", peer="two that do not talk", least=True),
        fresh.row(by_cpu, cpu["one"] / cpu["two"], None, of="two", peer="twice one", note=busy, least=True),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] == ["rank"]:
        run_rank(sys.argv[2] == "True", sys.argv[3])
    else:
        fresh.main(__file__, __doc__, FORMS, prepare, rows)
