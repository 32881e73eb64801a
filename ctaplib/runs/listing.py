"""Table of training runs: task, progress and results of each, read from its folder without torch."""

import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ctaplib.config_file import flatten, read_saved
from ctaplib.errors import ConfigError, DataError, shortened
from ctaplib.runs.state import METRICS_FILE, STATE_FILE, newest, read_state, split_records

MARKS = (METRICS_FILE, STATE_FILE, "checkpoints", "aligner.pt")
"""Files of which a run has at least one beside `config.yaml`."""
DEPTH = 4
"""Levels of folders that are searched for runs."""
ABOUT = ("task", "config_hash", "commit")
"""Keys of `config.yaml` that describe the run, beside its config."""


@dataclass(frozen=True)
class RunRow:
    """One run.

    Attributes:
        name: Its folder, as given.
        config: Hash of its config.
        commit: Version of the code.
        state: running, stopped, finished or failed.
        note: Details, for instance the error.
        step: Last recorded step.
        max_steps: Number of steps in all; None where unknown.
        epoch: Number of epochs begun so far; None where unknown.
        best_metric: Validation metric that chooses the best checkpoint; `best` is its smallest value.
        loss: Latest training loss.
        codebook_usage_pct: Latest share of codes in use on the validation set.
        audio_h_per_h: Latest hours of audio trained on per hour.
        age_s: Seconds since the last write.
    """

    name: str
    task: str
    config: str
    commit: str
    state: str
    note: str
    step: int
    max_steps: int | None
    epoch: int | None
    best_metric: str
    best: float | None
    best_step: int | None
    loss: float | None
    codebook_usage_pct: float | None
    audio_h_per_h: float | None
    age_s: float


def find_runs(folders: Sequence[Path]) -> list[Path]:
    """List the runs that the folders are or hold, each once, in order.

    Raises:
        ConfigError: a folder is missing or holds no run; names all such folders.
    """
    faults: list[str] = []
    found: dict[Path, Path] = {}
    for folder in folders:
        runs = list(_walk(folder, DEPTH)) if folder.is_dir() else []
        if not runs:
            faults.append(f"{folder} holds no run" if folder.is_dir() else f"{folder} is no folder")
        found |= {run.resolve(): run for run in runs}
    if faults:
        expected = f"a folder with config.yaml and one of {', '.join(MARKS)}, or one at most {DEPTH} levels above such"
        raise ConfigError("; ".join(faults), expected=expected, fix="name a run, a recipe's exp/, or a recipe")
    return list(found.values())


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / "config.yaml").is_file() and any((folder / mark).exists() for mark in MARKS):
        yield folder
        return
    if depth == 0:
        return
    with os.scandir(folder) as entries:
        inner = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith("."))
    for name in inner:
        try:
            yield from _walk(folder / name, depth - 1)
        except PermissionError:
            continue  # a folder of another user


def read_metrics(run: Path) -> list[dict]:
    """Return the records of `metrics.jsonl`, none without that file; the torn last line of a killed run is skipped.

    Raises:
        DataError: another line is not a record; lists all of them.
    """
    path = run / METRICS_FILE
    records, foreign = split_records(path)
    if foreign and max(foreign) == len(records) + len(foreign):
        foreign.popitem()
    if foreign:
        message = f"{path} has {len(foreign)} lines that are not records"
        expected = '{"step": ..., "split": ..., ...}'
        raise DataError(message, shortened(list(foreign.values())), expected=expected, fix="remove these lines")
    return [record for _, record in records]


def read_run(run: Path) -> RunRow:
    """Read the row of a run.

    Raises:
        ConfigError, DataError: its files cannot be read.
    """
    config, records, last = read_saved(run / "config.yaml"), read_metrics(run), read_state(run)
    train = config.get("train", {})
    step = max((r["step"] for r in records), default=0)
    max_steps = last.max_steps or train.get("max_steps")
    metric = str(train.get("best", "loss"))
    best = min(((v, r["step"]) for r in records if (v := _number(r, metric, "valid")) is not None), default=(None, None))
    epochs = [int(r["epoch"]) + 1 for r in records if r.get("split") == "epoch" and "epoch" in r]
    speed = _latest(records, "audio_h_per_h", "epoch")
    state, note = last.state, last.note
    if not state:  # trained before runs wrote their state
        done = (run / "aligner.pt").exists() or (max_steps is not None and step >= max_steps)
        state, note = ("finished" if done else "stopped"), "as its files look"
    return RunRow(
        str(run), last.task or str(config.get("task", "")), str(config.get("config_hash", "")), str(config.get("commit", "")),
        state, note, step, max_steps, max(epochs, default=None), metric, best[0], best[1],
        _latest(records, "loss", "train"), _latest(records, "codebook_usage_pct", "valid"),
        speed if speed is not None else _latest(records, "audio_h_per_h", "train"), max(0.0, time.time() - newest(run)),
    )  # fmt: skip


def _number(record: Mapping[str, Any], name: str, split: str) -> float | None:
    value = record.get(name) if record.get("split") == split else None
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _latest(records: Sequence[Mapping[str, Any]], name: str, split: str) -> float | None:
    return next((v for r in reversed(records) if (v := _number(r, name, split)) is not None), None)


def config_diff(one: Path, other: Path) -> dict[str, tuple[Any, Any]]:
    """Return the settings in which two runs differ: name -> both values, None where a run lacks the setting.

    Raises:
        ConfigError: a folder is not that of a run.
    """
    a, b = (flatten(read_saved(run / "config.yaml")) for run in (one, other))
    names = [*ABOUT, *(n for n in [*a, *b] if n not in ABOUT)]
    return {n: (a.get(n), b.get(n)) for n in dict.fromkeys(names) if a.get(n) != b.get(n)}
