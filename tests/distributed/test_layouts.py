"""One, two and four processes, one forward pass or several: the gradients, losses and code book of one run."""

import math
import os
import subprocess
from pathlib import Path

import pytest
import torch
from processes import torchrun

HERE = Path(__file__).parent
TASKS = ("vqctap", "asr", "tts", "vc", "vocoder")
LAYOUTS = ((2, 0), (4, 0), (1, 500), (2, 500))
"""Processes, and padded frames of a forward pass (a fifth of them for the vocoder, whose segments are short)."""


def run(task: str, tiny: Path, folder: Path, layout: tuple[int, int], precision: str, steps: int, *inits: str) -> dict:
    """What a run with this layout gave."""
    processes, micro_frames = layout[0], layout[1] // 5 if task == "vocoder" else layout[1]
    name = f"{task}-{processes}-{micro_frames}-{precision}"
    command = torchrun(processes, folder / "logs")
    command += [str(HERE / "layout_run.py"), task, str(tiny), str(folder / name), str(folder / f"{name}.pt"), precision]
    paths = os.pathsep.join([str(HERE.parent / "unit"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run([*command, str(steps), str(micro_frames), *inits], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(folder / f"{name}.pt", weights_only=True)


def apart(mine: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> float:
    """Norm of the difference over the norm."""
    assert mine.keys() == want.keys()
    floats = [n for n in want if want[n].numel()]
    difference = sum(float((mine[n] - want[n]).square().sum()) for n in floats)
    return math.sqrt(difference / max(sum(float(want[n].square().sum()) for n in floats), 1e-300))


def check(mine: dict, want: dict, gradient: float, later: float) -> None:
    assert apart(mine["gradients"], want["gradients"]) <= gradient
    assert len(mine["losses"]) == len(want["losses"])
    for ours, theirs in zip(mine["losses"], want["losses"]):
        assert ours.keys() == theirs.keys()
        for name in theirs:
            assert abs(ours[name] - theirs[name]) <= later * max(1.0, abs(theirs[name])), name
    assert apart(mine["buffers"], want["buffers"]) <= later


@pytest.fixture(scope="module")
def pretrained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("pretrained")
    run("vqctap", tiny, folder, (1, 0), "fp32", 6)
    return f"pretrained={folder / 'vqctap-1-0-fp32'}"


def inits_of(task: str, pretrained: str) -> tuple[str, ...]:
    return () if task in ("vqctap", "vocoder") else (pretrained,)


def test_two_processes_and_two_passes_take_the_step_of_one(tiny: Path, tmp_path: Path) -> None:
    want = run("vqctap", tiny, tmp_path, (1, 0), "fp64", 3)
    mine = run("vqctap", tiny, tmp_path, (2, 500), "fp64", 3)
    assert mine["micros"] > 1
    check(mine, want, 1e-9, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_fifty_steps_in_every_layout(task: str, tiny: Path, tmp_path: Path, pretrained: str) -> None:
    inits = inits_of(task, pretrained)
    want = run(task, tiny, tmp_path, (1, 0), "fp64", 50, *inits)
    for layout in LAYOUTS:
        mine = run(task, tiny, tmp_path, layout, "fp64", 50, *inits)
        assert (mine["micros"] > 1) == (layout[1] > 0), layout
        check(mine, want, 1e-9, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_step_in_single_precision(task: str, tiny: Path, tmp_path: Path, pretrained: str) -> None:
    inits = inits_of(task, pretrained)
    want = run(task, tiny, tmp_path, (1, 0), "fp32", 1, *inits)
    for layout in LAYOUTS:
        check(run(task, tiny, tmp_path, layout, "fp32", 1, *inits), want, 1e-5, 1e-5)
