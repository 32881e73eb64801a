"""The aligner's training keeps records and pictures."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from small_configs import small_task

from ctaplib.runs.listing import read_metrics, read_run
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer


def test_records_and_pictures(tiny: Path, tmp_path: Path) -> None:
    task = small_task("align", tiny, tmp_path, "preview={most_pct: 1e6}")
    assert Trainer(task, World(0, 1, torch.device("cpu")), "abc1234").fit()
    rows = read_metrics(tmp_path)
    trained = [r for r in rows if r["split"] == "train"]
    assert all({"frames", "loss", "lr", "grad_norm/model"} <= set(r) and r["grad_norm/model"] > 0 for r in trained)
    epochs = [r for r in rows if r["split"] == "epoch"]
    assert len(epochs) == len(task.config.network.passes) and all(r["padding_pct"] == 0 for r in epochs)
    assert next(r["unaligned_pct"] for r in rows if r["split"] == "valid") <= 100
    pictures = list((tmp_path / "images" / "previews").glob("*.png"))
    assert len(pictures) == 2 and all(np.asarray(Image.open(p).convert("L")).std() > 20 for p in pictures)
    row = read_run(tmp_path)
    assert (row.task, row.commit, row.state) == ("align", "abc1234", "finished")
