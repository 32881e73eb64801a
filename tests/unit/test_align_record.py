"""The aligner's training keeps records and pictures, once, whatever its interruptions, and they change nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ctaplib.align import record, training
from ctaplib.align.aligner import Aligner
from ctaplib.align.config import AlignConfig
from ctaplib.align.network import ChunkTrainer
from ctaplib.runs import read_metrics, read_run

CONFIG = AlignConfig.model_validate(
    {"bootstrap": {"iterations": 3, "splits": [2]}, "network": {"width": 16, "passes": [1.0, 4.0], "batch_chunks": 16}}
)
SPEEDS = {"step_s", "audio_h_per_h", "seconds"}


def train(tiny: Path, exp: Path) -> Aligner:
    return training.train_aligner(CONFIG, tiny / "data", tiny / "dump", exp, "train", "dev", 1, "abc1234")


def numbers(exp: Path) -> list[dict]:
    return [{k: v for k, v in r.items() if k not in SPEEDS} for r in read_metrics(exp)]


def test_records_pictures_and_an_interruption(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "MOST_PCT", 1e6)
    whole = train(tiny, tmp_path / "whole")
    rows = numbers(tmp_path / "whole")
    steps = {split: [r["step"] for r in rows if r["split"] == split] for split in ("mixtures", "train", "epoch", "valid")}
    assert (
        steps["mixtures"] == [2, 3] and len(steps["epoch"]) == 2 and steps["train"][-1] == steps["epoch"][-1] == steps["valid"][0]
    )
    assert all(
        {"loss", "lr", "grad_norm/network"} <= set(r) and r["grad_norm/network"] > 0 for r in rows if r["split"] == "train"
    )
    assert next(r["aligned_pct"] for r in rows if r["split"] == "valid") <= 100
    pictures = list((tmp_path / "whole" / "images" / "looks").glob("*.png"))
    assert len(pictures) == 2 and all(np.asarray(Image.open(p).convert("L")).std() > 20 for p in pictures)
    assert (tmp_path / "whole" / "images" / "losses.png").exists()
    row = read_run(tmp_path / "whole")
    assert (row.task, row.commit, row.state, row.step, row.max_steps) == ("align", "abc1234", "finished", row.step, row.step)

    plain = ChunkTrainer.run_pass

    def dying(self: ChunkTrainer, index: int, *rest: object) -> float:
        if index == 1:
            raise KeyboardInterrupt
        return plain(self, index, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ChunkTrainer, "run_pass", dying)
    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path / "killed")
    assert read_run(tmp_path / "killed").state == "stopped"
    monkeypatch.setattr(ChunkTrainer, "run_pass", plain)
    monkeypatch.setattr(record, "LOOKED_AT", 0)
    killed = train(tiny, tmp_path / "killed")
    assert numbers(tmp_path / "killed") == rows
    weights = [a.network.state_dict() for a in (whole, killed)]
    assert all(torch.equal(weights[0][k], weights[1][k]) for k in weights[0])
    told = EventAccumulator(str(tmp_path / "killed" / "tensorboard")).Reload()
    for tag in told.Tags()["scalars"]:
        points = [e.step for e in told.Scalars(tag)]
        assert points == sorted(set(points)), tag
