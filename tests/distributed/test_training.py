"""Two processes train what one trains: the same weights after some steps, up to rounding."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from processes import torchrun
from small_configs import SMALL

from ctaplib.checkpoint import load_checkpoint
from ctaplib.runs.listing import read_metrics

OTHERS = {"mel": 1.0, "pitch": 0.0, "vq": 0.0, "kl": 0.0, "consistency": 0.0}


def train(tiny: Path, exp: Path, processes: int, task: str, *more: str) -> dict[str, torch.Tensor]:
    words = ["batch.batch_s=12", "optim.warmup_steps=2", "train.max_steps=5", "train.valid_every_steps=5", "train.precision=fp64"]
    if task == "vqctap":  # some parameters have no gradient for two steps
        late = "{points: [[0.5, 0.0], [1.0, 0.5]]}"
        words += [f"schedule.{term}={late}" for term in ("contrastive", "classify", "ctc")]
        words += [f"schedule.{term}.points=[[0.0, {weight}]]" for term, weight in OTHERS.items()]
    words += [f"train.best={'mel' if task == 'vc' else 'per_ctc'}", *SMALL[task]]
    command = torchrun(processes, exp.with_name(f"{exp.name}_logs"))
    command += ["-m", "ctaplib.cli.main", "train", "--task", task, "--exp", str(exp), "--data", "data", "--dump", "dump"]
    command += ["--speech_only_set", "train_speech", *more, *(w for word in words for w in ("--set", word))]
    done = subprocess.run(command, cwd=tiny, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_checkpoint(exp / "checkpoints" / "last.pt")["model"]


@pytest.mark.parametrize("task", ["vqctap", "asr"])
def test_two_processes_train_what_one_trains(task: str, tiny: Path, tmp_path: Path) -> None:
    one, two = (train(tiny, tmp_path / str(n), n, task) for n in (1, 2))
    assert one.keys() == two.keys()
    floats = [n for n in one if one[n].is_floating_point()]
    difference = sum(float((one[n] - two[n]).square().sum()) for n in floats) ** 0.5
    size = sum(float(one[n].square().sum()) for n in floats) ** 0.5
    assert difference <= 1e-9 * size
    told = [next(r for r in read_metrics(tmp_path / str(n)) if r["split"] == "epoch") for n in (1, 2)]
    for name in ("steps", "items", "frames"):  # not the padding, which is less in smaller parts of a batch
        assert told[0][name] == told[1][name] > 0
