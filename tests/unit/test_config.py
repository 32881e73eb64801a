"""Configs: inheritance, overrides, and faults that name file, line and the nearest name."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

import pytest

import ctaplib
from ctaplib.config import Config, config_hash, load_config, running_settings, save_config
from ctaplib.config_file import read_saved
from ctaplib.errors import ConfigError
from ctaplib.tasks.load import read_task_config, task_class


class Inner(Config):
    """Inner."""

    learning_rate: float = 0.1
    """Rate."""


class Outer(Config):
    """Outer."""

    inner: Inner = Inner()
    steps: int = 3
    """Steps."""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_extends_merges_into_the_parent(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "steps: 5\ninner: {learning_rate: 0.5}\n")
    config = load_config(Outer, write(tmp_path / "top.yaml", "extends: base.yaml\nsteps: 7\n"))
    assert config == Outer(inner=Inner(learning_rate=0.5), steps=7)


def test_words_override_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "steps: 5\n")
    assert load_config(Outer, path, ["inner.learning_rate=2e-3", "steps=9"]) == Outer(inner=Inner(learning_rate=2e-3), steps=9)


def test_a_misspelt_key_names_file_line_and_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "steps: 5\ninner:\n  learning_rte: 1\n")
    with pytest.raises(ConfigError, match=r"a\.yaml:3: there is no inner\.learning_rte, did you mean inner\.learning_rate\?"):
        load_config(Outer, path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", "steps: many\nstep: 1\n")
    with pytest.raises(ConfigError, match="2 faults in the config") as caught:
        load_config(Outer, path)
    assert "a.yaml:1: steps" in str(caught.value) and "did you mean steps?" in str(caught.value)


def test_a_fault_in_the_parent_names_the_parent(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", "\nstepps: 5\n")
    with pytest.raises(ConfigError, match=r"base\.yaml:2: there is no stepps"):
        load_config(Outer, write(tmp_path / "top.yaml", "extends: base.yaml\n"))


def test_a_repeated_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml:2: steps stands twice \(first in line 1\)"):
        load_config(Outer, write(tmp_path / "a.yaml", "steps: 1\nsteps: 2\n"))


def test_a_circle_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "b.yaml", "extends: a.yaml\n")
    with pytest.raises(ConfigError, match="extends itself"):
        load_config(Outer, write(tmp_path / "a.yaml", "extends: b.yaml\n"))


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"name\.of\.value=value"):
        load_config(Outer, None, ["steps"])


def test_what_is_saved_is_complete_and_has_its_hash(tmp_path: Path) -> None:
    config = Outer(steps=11)
    save_config(config, tmp_path / "c.yaml", task="toy")
    saved = read_saved(tmp_path / "c.yaml")
    assert saved == {"config_hash": config_hash(config), "task": "toy", "inner": {"learning_rate": 0.1}, "steps": 11}
    assert config_hash(config) != config_hash(Outer(steps=12))


def test_another_name_takes_nothing_over(tmp_path: Path) -> None:
    class Slot(Config):
        """Slot."""

        name: str = "a"
        """Name."""
        options: dict[str, int] = {}
        """Options."""

    class Model(Config):
        """Model."""

        slot: Slot = Slot()

    write(tmp_path / "base.yaml", "slot: {name: a, options: {x: 1}}\n")
    same = load_config(Model, write(tmp_path / "same.yaml", "extends: base.yaml\nslot: {name: a, options: {y: 2}}\n"))
    other = load_config(Model, write(tmp_path / "other.yaml", "extends: base.yaml\nslot: {name: b, options: {y: 2}}\n"))
    assert same.slot.options == {"x": 1, "y": 2} and other.slot.options == {"y": 2}


@pytest.mark.parametrize("task", ["asr", "tts", "vc", "vocoder", "vqctap"])
def test_an_override_of_one_term_leaves_the_others(task: str, tmp_path: Path) -> None:
    plain = read_task_config(task, None, []).schedule.weights(0.7)
    term = next(iter(plain))
    word = f"schedule.{term}.points=[[0.0, 7.0]]"
    path = write(tmp_path / "a.yaml", f"schedule: {{{term}: {{points: [[0.0, 7.0]]}}}}\n")
    for config in (read_task_config(task, None, [word]), read_task_config(task, path, [])):
        assert config.schedule.weights(0.7) == plain | {term: 7.0}


@pytest.mark.parametrize(
    ("task", "term"), [("asr", "words"), ("tts", "codes"), ("vc", "mel"), ("vocoder", "mel"), ("vqctap", "mel")]
)
def test_a_misspelt_term_is_refused_with_the_nearest(task: str, term: str, tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", f"schedule:\n  {term}l: {{points: [[0.0, 1.0]]}}\n")
    for where, arguments in (("--set", (None, [f"schedule.{term}l.points=[[0.0, 1.0]]"])), ("a.yaml:2", (path, []))):
        with pytest.raises(ConfigError, match=rf"{where}.*: there is no schedule\.{term}l.* did you mean schedule\.{term}\?"):
            read_task_config(task, *arguments)


def test_an_override_of_one_value_keeps_what_the_default_of_the_field_sets() -> None:
    """Not what the class of the field sets: the same fault as a schedule that is replaced as a whole."""

    class Middle(Config):
        """Inner with another rate."""

        inner: Inner = Inner(learning_rate=0.7)
        outer: Outer = Outer(inner=Inner(learning_rate=0.8))

    found = load_config(Middle, None, ["outer.steps=4", "inner={}"])
    assert found == Middle(inner=Inner(learning_rate=0.7), outer=Outer(inner=Inner(learning_rate=0.8), steps=4))
    plain, other = (
        read_task_config("vqctap", None, w) for w in ([], ["model.phoneme_decoder.ctc_stack.dropout=0.5", "loss.mel=mse"])
    )
    stack = plain.model.phoneme_decoder.ctc_stack
    assert other.model.phoneme_decoder.ctc_stack == stack.model_copy(update={"dropout": 0.5}) != type(stack)(dropout=0.5)


def test_no_field_of_a_config_is_a_mapping_that_an_override_could_empty() -> None:
    for module in pkgutil.walk_packages(ctaplib.__path__, "ctaplib."):
        if module.name.split(".")[1] in {"tasks", "models", "data", "nn", "losses", "audio", "align", "text", "infer"}:
            importlib.import_module(module.name)
    classes = [Config]
    for cls in classes:
        classes += cls.__subclasses__()
        for name, field in cls.model_fields.items():
            if not isinstance(default := field.get_default(call_default_factory=True), Config):
                assert not isinstance(default, Mapping) or not default, f"{cls.__name__}.{name}: give it a config with fields"


@pytest.mark.parametrize("task", ["align", "asr", "tts", "vc", "vocoder", "vqctap"])
def test_values_that_no_training_can_use_are_told_before_it_starts(task: str) -> None:
    words = {
        "optim.lr": "-1", "optim.ema_decay": "1.5", "optim.grad_clip": "0", "optim.warmup_steps": "-3", "optim.schedule": "sine",
        "optim.betas": "[0.9, 1.0]", "optim.lr_scale": "{head: -1}", "optim.weight_decay": "-0.1", "optim.final_lr": ".nan",
        "train.max_steps": "-1", "train.valid_every_steps": "0", "train.save_every_steps": "0", "train.log_every_steps": "0",
        "train.compile": "foo", "train.loaders": "-2", "train.keep_best": "0", "train.max_bad_steps": "0",
        "train.precision": "fp8", "train.spike_factor": "0.5", "preview.utts": "-1", "preview.every": "0",
        "preview.most_pct": "-1",
        "batch.batch_s": "0", "batch.min_items": "0", "batch.jitter": "-1", "batch.min_s": "-1", "batch.max_s": "0",
        "batch.max_phones": "-1", "seed": "-1",
    }  # fmt: skip
    if task == "align":
        del words["train.max_steps"]  # its passes say how many
    with pytest.raises(ConfigError) as told:
        read_task_config(task, None, [f"{name}={value}" for name, value in words.items()])
    missing = [name for name, value in words.items() if f"--set {name}={value}: {name}" not in str(told.value)]
    assert not missing and f"{len(words)} faults in the config" in str(told.value)


@pytest.mark.parametrize("task", ["asr", "tts", "vc", "vocoder", "vqctap"])
def test_a_best_metric_that_is_not_measured_is_told_before_training(task: str) -> None:
    with pytest.raises(ConfigError, match=r"train\.best is 'foo'; expected one of .*(per_ctc|loss|mel)"):
        read_task_config(task, None, ["train.best=foo"])
    assert read_task_config(task, None, ["train.max_steps=9"]).train.best in task_class(task).metrics


def test_the_hash_of_what_changes_numbers_leaves_out_the_rest() -> None:
    def hashes(*words: str) -> list[str]:
        config = read_task_config("align", None, list(words))
        return [config_hash(config), config_hash(config, of_numbers=True)]

    plain, watched, learned = hashes(), hashes("preview.utts=0", "train.save_every_steps=3"), hashes("optim.lr=0.5")
    assert plain[0] != watched[0] and plain[1] == watched[1] and plain[1] != learned[1]


def test_what_may_differ_when_a_run_goes_on_is_declared_beside_it() -> None:
    free = running_settings(read_task_config("vqctap", None, []))
    assert {"preview", "train.loaders", "train.compile", "train.log_every_steps", "min_usage_pct"} <= free
    assert not {name for name in free if name.startswith(("optim", "batch", "model", "loss", "schedule", "draw", "seed"))}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("vqctap", ["draw.random_s=-1", "draw.warp=1", "draw.voice=-0.1", "draw.gain=-1", "draw.tempo=1", "draw.mask_bands=-1",
                    "draw.mask_frames=-1", "words=-1", "alarm_after=-1", "min_usage_pct=101", "model.speech.stack.layers=-1",
                    "model.speech.stack.dropout=1", "model.speech.stack.width=0", "model.speech.stack.heads=-1"]),
        ("vocoder", ["segment.segment_s=0", "segment.blur=2", "segment.blur_chance=-1", "segment.noise=-1",
                     "segment.noise_frames=0", "valid_utts=0", "spectral.floor=0", "read_f0_from=2"]),
    ],
)  # fmt: skip
def test_values_of_one_task_that_it_cannot_use_are_told_before_it_starts(task: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as told:
        read_task_config(task, None, words)
    assert [word for word in words if f"--set {word}: " not in str(told.value)] == []
