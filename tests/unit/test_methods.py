"""Declarations of methods: names are checked, reasons are given, systems are named after the method, none imports torch."""

import subprocess
import sys
from dataclasses import replace

import pytest

from ctaplib.errors import ConfigError
from ctaplib.methods import base
from ctaplib.methods.base import ABILITIES, STAGES, SYSTEMS, Method, find_method, method_names, method_of, systems

PLAIN = Method(
    "plain", "Plain", frozenset({"content"}), {"pretrain": "plain"}, why_not={"codes": "its content is continuous"}
)  # fmt: skip


def test_unknown_names_are_all_listed() -> None:
    with pytest.raises(ConfigError, match=r"bad declares dance, sing; expected abilities among content, .* and stages among"):
        Method("bad", "Bad", frozenset({"content", "sing"}), {"pretrain": "bad", "dance": "bad"})
    with pytest.raises(ConfigError, match="no task for the stage pretrain"):
        Method("bad", "Bad", frozenset(), {"vc": "vc"})


def test_a_reason_is_the_methods_own_or_follows_from_the_ability() -> None:
    assert PLAIN.missing("content", "pretrain") is None
    assert PLAIN.missing("content", "codes", "speak") == "its content is continuous"
    assert PLAIN.missing("speak") == "Plain cannot decode content in a voice"
    assert PLAIN.missing("vc") == "Plain does not train a fine-tuned converter"


def test_systems_are_named_after_the_method_but_shared_ones_are_not() -> None:
    names = {task: [PLAIN.system(task, s.name) for s in systems(task)] for task in ("pretrain", "asr", "resynthesis")}
    assert names == {
        "pretrain": ["plain", "mel", "phones"],
        "asr": ["plain_frozen_class", "plain_frozen_ctc", "plain_finetuned", "supervised_ctc"],
        "resynthesis": ["plain", "plain_finetuned", "vocoder", "griffin_lim", "natural"],
    }
    vqctap = find_method("vqctap")
    assert [vqctap.system(s.task, s.name) for s in SYSTEMS] == [s.name for s in SYSTEMS]
    assert PLAIN.system("asr", "probe") == "plain_probe"


def test_runs_lie_in_the_folder_of_the_method() -> None:
    runs = {s.name: PLAIN.run_of(s) for s in systems("resynthesis")}
    assert runs == {
        "vqctap": "plain/pretrain", "finetuned": "plain/vc", "vocoder": "vocoder", "griffin_lim": None, "natural": None,
    }  # fmt: skip


def test_needs_of_systems_are_abilities_and_stages() -> None:
    assert {need for s in SYSTEMS for need in s.needs} <= {*ABILITIES, *STAGES}
    assert all(find_method("vqctap").missing(*s.needs) is None for s in SYSTEMS)


def test_a_method_is_found_by_the_task_that_pretrains_it() -> None:
    assert method_of("vqctap").name == "vqctap" and "vqctap" in method_names()
    with pytest.raises(ConfigError, match=r"the task vocoder pre-trains no method; expected one of vqctap \(vqctap\)"):
        method_of("vocoder")


def test_a_task_of_several_methods_needs_the_name_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    methods = {"plain": replace(PLAIN, tasks={"pretrain": "vqctap"}), "vqctap": find_method("vqctap")}
    monkeypatch.setattr(base, "method_names", lambda: list(methods))
    monkeypatch.setattr(base, "find_method", methods.__getitem__)
    with pytest.raises(ConfigError, match="the task vqctap pre-trains several methods: plain, vqctap; to fix it: name one"):
        method_of("vqctap")


@pytest.mark.parametrize(
    ("declared", "found"), [(replace(PLAIN, name="plane"), "the method plane"), ({"name": "plain"}, "a dict")]
)
def test_a_file_declares_the_method_of_its_name(declared: object, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "find", lambda package, name, attribute: declared)
    with pytest.raises(ConfigError, match=rf"METHOD in methods/plain\.py is {found}; expected Method\(name=\"plain\", \.\.\.\)"):
        find_method("plain")


def test_ctap_method_starts_without_torch() -> None:
    script = "import sys; from ctaplib.cli.main import main; main(['method', 'vqctap']); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "task vqctap, run exp/vqctap" in done.stdout and "It lacks" not in done.stdout
