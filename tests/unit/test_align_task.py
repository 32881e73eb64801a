"""Training of the aligner: exact resume inside passes and between them, labels, plans, what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_configs import small_task

from ctaplib.align import parallel
from ctaplib.align.aligner import Aligner
from ctaplib.align.chunks import GAP_FRAMES, IGNORED, Chunks
from ctaplib.checkpoint import weights_digest
from ctaplib.errors import CheckpointError, ConfigError
from ctaplib.files import read_table
from ctaplib.tasks.align import AlignTask
from ctaplib.tasks.load import load_task
from ctaplib.train.distributed import World
from ctaplib.train.trainer import Trainer
from ctaplib.train.validation import try_largest

ALONE = World(0, 1, torch.device("cpu"))


class Killed(Exception):
    """Stands for kill -9."""


def make(tiny: Path, exp: Path, *words: str) -> AlignTask:
    task = small_task("align", tiny, exp, *words)
    assert isinstance(task, AlignTask)
    return task


def fit(task: AlignTask) -> AlignTask:
    assert Trainer(task, ALONE).fit()
    return task


@pytest.fixture(scope="module")
def whole(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> AlignTask:
    return fit(make(tiny, tmp_path_factory.mktemp("whole")))


def killed_in(task: AlignTask, method: str, step: int) -> None:
    """Train until a method of the task is called for a step."""
    plain = getattr(task, method)

    def dying(*args: object) -> object:
        if step in args:
            raise Killed
        return plain(*args)

    setattr(task, method, dying)
    with pytest.raises(Killed):
        Trainer(task, ALONE).fit()


@pytest.mark.parametrize("method", ["losses", "_relabel", "after_validation"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_killed_run_goes_on_bit_for_bit(method: str, place: int, tiny: Path, tmp_path: Path, whole: AlignTask) -> None:
    first, second, last = whole.ends
    steps = {"losses": [5, first + 2, last], "_relabel": [1, first + 1, second + 1], "after_validation": [3, 9, last]}
    killed_in(make(tiny, tmp_path), method, steps[method][place])
    again = fit(make(tiny, tmp_path))
    assert weights_digest(again.model) == weights_digest(whole.model)
    assert np.array_equal(again.log_prior, whole.log_prior)
    mine, theirs = (Aligner.load(task.paths.exp) for task in (again, whole))
    assert weights_digest(mine.network) == weights_digest(theirs.network) == weights_digest(whole.model)


def test_the_aligner_is_there_and_aligns(whole: AlignTask) -> None:
    exp = whole.paths.exp
    assert weights_digest(load_task(exp).model) != ""
    utterance = whole.valid[0]
    outcome = Aligner.load(exp).align_file(utterance.wav, utterance.phones)
    assert outcome.reason == "" or "log-posterior" in outcome.reason
    assert (exp / "metrics.jsonl").read_text().count('"split": "valid"') >= 2


def test_the_longest_utterance_of_the_validation_is_tried_first(tiny: Path, tmp_path: Path) -> None:
    task = make(tiny, tmp_path)
    frames = read_table(task.paths.dump / task.paths.valid_set / "utt2num_frames")
    lengths = [int(frames[u.utt]) for u in task.valid]
    assert task.valid_frames(range(len(lengths))) == lengths and len(set(lengths)) > 1  # the hop of the features is 10 ms
    tried: list[str] = []
    task._relabel(1)
    task.evaluate = lambda batch: tried.extend(u.utt for u in batch) or {}  # type: ignore[method-assign,func-returns-value]
    try_largest(task, ALONE, "fp32", task.load, 1)  # passes of one utterance each
    assert tried == [task.valid[lengths.index(max(lengths))].utt]


def test_errors_name_the_chunks(whole: AlignTask) -> None:
    assert whole.item_names([0, 2]) == [f"chunk 0 of {whole.chunks.count}", f"chunk 2 of {whole.chunks.count}"]


def test_realignment_brings_labels_nearer_to_the_truth(tiny: Path, tmp_path: Path) -> None:
    task = fit(make(tiny, tmp_path, "network={width: 48, passes: [3, 3]}"))
    rows = [line.split() for line in (tiny / "data/dev/phones_true.ctm").read_text().splitlines()]
    aligner, errors = Aligner.load(task.paths.exp), []
    for utterance in task.valid:
        true = [float(r[2]) for r in rows if r[0] == utterance.utt and r[4] in utterance.phones]
        outcome = aligner.align_file(utterance.wav, utterance.phones)
        found = [a.start_s for a in outcome.alignment if a.phone in utterance.phones]
        if len(true) == len(found):
            errors += [abs(a - b) for a, b in zip(true, found)]
    assert len(errors) > 50 and np.median(errors) < 0.03


def test_labels_do_not_depend_on_the_number_of_processes(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "SHARD", 4)
    found = []
    for jobs in (1, 3):
        task = make(tiny, tmp_path / str(jobs))
        task.jobs = jobs
        task.before_training(0)
        found.append((task.targets, task.log_prior, torch.from_numpy(np.concatenate(task._realign()))))
    assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(*found))


def test_a_pass_takes_every_chunk_once_an_epoch() -> None:
    chunks = Chunks([np.ones((700, 4), np.float32)] * 9, 64)
    plan = chunks.plan(16, 2.0, seed=3)
    assert len(plan) == chunks.steps(16, 2.0) and plan == chunks.plan(16, 2.0, seed=3) != chunks.plan(16, 2.0, seed=4)
    sizes = {len(batch) for batch in plan}
    assert max(sizes) <= 16 and max(sizes) - min(sizes) <= 1
    epoch = [i for batch in plan[: -(-chunks.count // 16)] for i in batch]
    assert sorted(epoch) == list(range(chunks.count))
    assert len(chunks.plan(500, 0.01, seed=1)) == 1


def test_chunks_hold_every_labelled_frame_once() -> None:
    generator = np.random.default_rng(0)
    mels = [generator.normal(size=(length, 3)).astype(np.float32) for length in (5, 300, 64, 129)]
    labels = [generator.integers(0, 9, len(mel)) for mel in mels]
    chunks = Chunks(mels, 64)
    assert all(np.array_equal(chunks.mel(i), mel) for i, mel in enumerate(mels))
    places = chunks.places(range(chunks.count))[:, GAP_FRAMES:-GAP_FRAMES].flatten()
    targets = chunks.targets(labels)[places]
    kept = targets != IGNORED
    assert np.array_equal(targets[kept].numpy(), np.concatenate(labels))
    assert np.array_equal(chunks.frames[places][kept].numpy(), np.concatenate(mels))


def test_labels_of_other_data_are_refused(tiny: Path, tmp_path: Path) -> None:
    killed_in(make(tiny, tmp_path), "losses", 1)
    with pytest.raises(CheckpointError, match=r"0\.npz belongs to other data or another config"):
        fit(make(tiny, tmp_path, "seed=2"))


def test_a_pass_that_lost_its_labels_is_told(tiny: Path, tmp_path: Path, whole: AlignTask) -> None:
    killed_in(make(tiny, tmp_path), "losses", whole.ends[0] + 4)
    (tmp_path / "labels" / "1.npz").unlink()
    with pytest.raises(CheckpointError, match=r"1\.npz is missing, and step"):
        fit(make(tiny, tmp_path))


def test_steps_follow_from_the_passes(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"train\.max_steps is 7, the passes take \d+; to fix it: set network\.passes"):
        make(tiny, tmp_path, "train.max_steps=7")


def test_an_aligner_of_another_version_is_told(tiny: Path, tmp_path: Path, whole: AlignTask) -> None:
    for name in ("config.yaml", "aligner.pt"):
        (tmp_path / name).write_bytes((whole.paths.exp / name).read_bytes())
    text = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(text.replace("network:\n", "network:\n  batch_chunks: 16\n"))
    with pytest.raises(ConfigError, match=r"batch_chunks[\s\S]*train the aligner again"):
        Aligner.load(tmp_path)


def test_audio_that_cannot_be_read_is_left_out(tiny: Path, tmp_path: Path, whole: AlignTask) -> None:
    (tmp_path / "dump").mkdir()
    for name in ("train", "dev"):
        (tmp_path / "dump" / name).mkdir()
        for file in ("features.yaml", "utt2num_frames", "wav.scp"):
            (tmp_path / "dump" / name / file).write_bytes((tiny / "dump" / name / file).read_bytes())
    scp = tmp_path / "dump" / "train" / "wav.scp"
    waves = {utt: str((tiny / wav).resolve()) for utt, wav in read_table(scp).items()}
    broken = next(iter(waves))
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    waves[broken] = str(tmp_path / "broken.wav")
    scp.write_text("".join(f"{utt} {wav}\n" for utt, wav in sorted(waves.items())))
    (tmp_path / "data").symlink_to(tiny / "data")
    task = make(tmp_path, tmp_path / "exp")
    assert len(task.material.mels) == len(whole.material.mels) - 1
