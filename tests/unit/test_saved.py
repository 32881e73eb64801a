"""Checkpoints on disk: damage is told as such, and no kill or damage leaves a run without one that loads."""

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from test_trainer import make, train_killed_at

from ctaplib.checkpoint import content_digest, load_checkpoint, save_checkpoint, weights_digest
from ctaplib.errors import CheckpointError
from ctaplib.files import atomic_write, remove_partials
from ctaplib.train.checkpoints import Checkpoints


def state(step: int) -> dict:
    moments = {"step": torch.tensor(float(step)), "exp_avg": torch.full((3,), 0.5)}
    model = {"weight": torch.arange(12.0).view(3, 4), "bias": torch.ones(3, dtype=torch.bfloat16)}
    return {"model": model, "optim": {"model": {"state": {0: moments}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.98)}]}},
            "position": {"step": step, "batch": 1}, "best": [[0.5, step]], "config_hash": "abc"}  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"hello world", b"junk", b"PK", b"\x80\x02}q\x00.", b"\0" * 300])
def test_what_is_no_checkpoint_is_told_as_one(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.pt"):
        load_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_told_or_changes_nothing(seed: int, tmp_path: Path) -> None:
    path, rng = tmp_path / "a.pt", random.Random(seed)
    save_checkpoint(path, state(4))
    written, digest = path.read_bytes(), content_digest(state(4))
    pickled = written.index(b"data.pkl")
    told = 0
    for turn in range(250):
        content = bytearray(written)
        if turn % 5 == 0:
            del content[rng.randrange(len(content)) :]
        elif turn % 5 == 1:
            place = rng.randrange(len(content))
            content[place:place] = rng.randbytes(rng.randint(1, 40))
        else:  # mostly where the structure is
            for _ in range(rng.randint(1, 3)):
                content[rng.randrange(pickled, pickled + 900)] = rng.randrange(256)
        path.write_bytes(content)
        try:
            assert content_digest(load_checkpoint(path)) == digest
        except CheckpointError as error:
            told += "a.pt" in str(error)
    assert told > 150


def names(folder: Path) -> dict[str, int]:
    found = {}
    for name in ("fresh", "last", "previous"):
        path = folder / f"{name}.pt"
        if path.exists():
            try:
                found[name] = load_checkpoint(path)["position"]["step"]
            except CheckpointError:
                found[name] = -1
    return found


def test_a_broken_checkpoint_never_takes_the_place_of_a_whole_one(tmp_path: Path) -> None:
    first = Checkpoints(tmp_path)
    first.write(state(1))
    first.write(state(2))
    (tmp_path / "last.pt").write_bytes(b"hello world")
    again = Checkpoints(tmp_path)
    found = again.read()
    assert found is not None and found[0]["position"]["step"] == 1
    again.write(state(3))
    assert names(tmp_path) == {"last": 3, "previous": 1}
    again.write(state(4))
    assert names(tmp_path) == {"last": 4, "previous": 3}


@pytest.mark.parametrize("size", [0, 2, 400])
def test_the_only_checkpoint_broken_is_an_error_with_a_way_out(size: int, tmp_path: Path) -> None:
    Checkpoints(tmp_path).write(state(1))
    last = tmp_path / "last.pt"
    last.write_bytes(last.read_bytes()[:size])
    with pytest.raises(CheckpointError) as told:
        Checkpoints(tmp_path).read()
    way = "to fix it: begin the run again (--resume false in a recipe, or another --exp)"
    assert f"last.pt ({size} bytes) cannot be read as a checkpoint: " in str(told.value) and str(told.value).endswith(way)
    assert "other checkpoint" not in str(told.value) and "internal" not in str(told.value) and len(str(told.value)) < 400


def test_a_broken_checkpoint_before_a_whole_one_asks_nothing_of_the_user(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):
        Checkpoints(tmp_path).write(state(step))
    changed = bytearray((tmp_path / "last.pt").read_bytes())
    changed[changed.index(b"exp_avg")] ^= 1
    (tmp_path / "last.pt").write_bytes(changed)
    found = Checkpoints(tmp_path).read()
    assert found is not None and found[1].name == "previous.pt"
    assert caplog.messages[0].endswith("; trying previous.pt") and "to fix it" not in caplog.messages[0]


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("broken", [(), ("last",), ("fresh",)])
@pytest.mark.parametrize("kills", [[1], [2], [3], [1, 1], [2, 1], [1, 2], [2, 2], [2, 3, 1]])
def test_wherever_a_save_is_killed_something_loads(
    kills: list[int], broken: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, left = Path.replace, [0]

    def dying(source: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return plain(source, target)

    saved = Checkpoints(tmp_path)
    saved.write(state(1))
    saved.write(state(2))
    monkeypatch.setattr(Path, "replace", dying)
    step = 2
    for count in kills:
        left[0] = count
        with suppress(Killed):
            saved.write(state(step + 1))
        whole = names(tmp_path)
        for name in broken:
            if len([s for s in whole.values() if s >= 0]) > 1 and name in whole:
                (tmp_path / f"{name}.pt").write_bytes(b"junk")
        known = max(names(tmp_path).values())
        saved = Checkpoints(tmp_path)
        found = saved.read()
        assert found is not None and found[0]["position"]["step"] == known >= 1
        step = known
    left[0] = 0
    saved.write(state(step + 1))
    saved.write(state(step + 2))
    assert names(tmp_path) == {"last": step + 2, "previous": step + 1}


def test_a_run_whose_last_checkpoint_is_junk_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    whole = make(tmp_path / "whole")
    whole.fit()
    train_killed_at(tmp_path / "killed", 9)
    (tmp_path / "killed" / "checkpoints" / "last.pt").write_bytes(b"hello world")
    again = make(tmp_path / "killed")
    assert again.position.step == 3 and again.fit()
    assert weights_digest(again.task.model) == weights_digest(whole.task.model)


def test_what_killed_writers_left_is_removed_when_a_training_starts(tmp_path: Path) -> None:
    train_killed_at(tmp_path, 9)
    left = tmp_path / "checkpoints" / ".fresh.pt.99999999.partial"
    left.write_bytes(b"half a checkpoint")
    make(tmp_path)
    assert not left.exists() and (tmp_path / "checkpoints" / "last.pt").exists()


def test_partial_files_of_a_folder_alone_are_removed(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.txt") as out:
        out.write("whole")
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder in (tmp_path, inner):
        (folder / f".b.txt.{os.getpid()}.partial").touch()
    assert [path.name for path in remove_partials(tmp_path)] == [f".b.txt.{os.getpid()}.partial"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == [f".b.txt.{os.getpid()}.partial", "a.txt", "inner"]
