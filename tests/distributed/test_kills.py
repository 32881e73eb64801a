"""A hundred kills: every run ends with the weights of the undisturbed one, bit for bit.

Processes are forked from one that has imported everything, so a start takes a second. A kill strikes at a random moment after a
random step: SIGKILL to all processes, SIGKILL to one of two, or SIGTERM. The forked processes are those of torchrun but for the
agent; tests of the agent are in test_faults.py.
"""

import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from small_configs import small_task

STEPS = 24
KILLS_OF_A_TASK = 20
TASKS = ("vqctap", "asr", "tts", "vc", "vocoder")
WAYS = ("kill all", "kill one", "terminate")
FORK = multiprocessing.get_context("fork")


def strike_after(seconds: float, number: int) -> None:
    threading.Timer(seconds, lambda: os.kill(os.getpid(), number)).start()


def work(rank: int, size: int, port: int, name: str, corpus: Path, exp: Path, init: dict, blow: tuple | None) -> None:
    """One process of a run; `blow` is the step, the delay in steps, and the signal that this process sends itself."""
    import torch

    from ctaplib.train.distributed import join_world, leave_world
    from ctaplib.train.trainer import Trainer

    os.setpgid(0, 0)
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    log = os.open(exp.parent / f"{exp.name}.rank{rank}.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 2)
    words = ["batch={batch_s: 12, min_items: 2}", f"train.max_steps={STEPS}", "train.valid_every_steps=8"]
    words += ["train.save_every_steps=3", "train.log_every_steps=4", "train.keep_best=2", "optim.ema_decay=0.9"]
    trainer = Trainer(small_task(name, corpus, exp, *words, **init), join_world(False))
    if blow is not None:
        step, delay, number = blow
        take = trainer.steps.take
        begun: list[float] = []

        def taking(share, micros):
            begun.append(time.monotonic())
            if share.step == step:
                took_s = (begun[-1] - begun[0]) / (len(begun) - 1) if len(begun) > 1 else 0.05
                strike_after(delay * took_s, number)
            return take(share, micros)

        trainer.steps.take = taking
    finished = trainer.fit()
    leave_world()
    os._exit(0 if finished else 143)


def start(size: int, name: str, corpus: Path, exp: Path, init: dict, blows: list[tuple | None]) -> list[int]:
    """Exit statuses of the processes of one start."""
    exp.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [FORK.Process(target=work, args=(r, size, port, name, corpus, exp, init, blows[r])) for r in range(size)]
    for process in running:
        process.start()
    deadline = time.monotonic() + 120
    for process in running:
        process.join(max(0.0, deadline - time.monotonic()))
    hanging = [process for process in running if process.is_alive()]
    for process in hanging:
        process.kill()
    assert not hanging, "a process outlived another by more than two minutes"
    return [int(process.exitcode or 0) for process in running]


def digest(path: Path) -> str:
    from ctaplib.checkpoint import content_digest, load_checkpoint

    state = load_checkpoint(path)
    if "position" in state:  # the account of an epoch holds seconds
        state["position"] = {name: value for name, value in state["position"].items() if name != "tally"}
    return content_digest(state)


def step_of(exp: Path) -> int:
    from ctaplib.train.checkpoints import Saved

    found = Saved(exp / "checkpoints").read()
    return found[0]["position"]["step"] if found else 0


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_run_that_is_killed_twenty_times_ends_as_if_nothing_had_been(name: str, tiny: Path, tmp_path: Path) -> None:
    size = 1 if name in ("asr", "vc") else 2
    init = {}
    if name not in ("vqctap", "vocoder"):
        assert start(1, "vqctap", tiny, tmp_path / "first", {}, [None]) == [0]
        init = {"pretrained": tmp_path / "first"}
    assert start(size, name, tiny, tmp_path / "whole", init, [None] * size) == [0] * size
    rng, exp, kills, starts = random.Random(name), tmp_path / "killed", 0, 0
    while kills < KILLS_OF_A_TASK:
        starts += 1
        assert starts < 4 * KILLS_OF_A_TASK
        if step_of(exp) >= STEPS - 3:  # all but done: begin again, and take further blows
            assert start(size, name, tiny, exp, init, [None] * size) == [0] * size
            compare(exp, tmp_path / "whole")
            exp = tmp_path / f"killed{kills}"
        way, at = rng.choice(WAYS if size > 1 else ("kill all", "terminate")), step_of(exp) + rng.randint(1, 5)
        number = signal.SIGTERM if way == "terminate" else signal.SIGKILL
        blow = (at, rng.uniform(0.0, 3.0), number)
        struck = [rng.randrange(size)] if way == "kill one" else list(range(size))
        statuses = start(size, name, tiny, exp, init, [blow if r in struck else None for r in range(size)])
        kills += any(statuses)
    assert start(size, name, tiny, exp, init, [None] * size) == [0] * size
    compare(exp, tmp_path / "whole")


def compare(killed: Path, whole: Path) -> None:
    for file in ("last.pt", "best.pt"):
        assert digest(killed / "checkpoints" / file) == digest(whole / "checkpoints" / file), file
