"""Scores and report of a method that a folder outside the package declares, beside those of VQ-CTAP."""

import sys

import pytest
from fake_exp import FakeExp, measured_once

import ctaplib.methods
from ctaplib.cli.main import main
from ctaplib.errors import DataError
from ctaplib.evaluate import catalogue, results
from ctaplib.evaluate.inputs import Inputs
from ctaplib.methods.base import find_method
from ctaplib.report.paper_rows import PaperRows
from ctaplib.report.report import page_html

TOY = """
from ctaplib.methods.base import Method

METHOD = Method(
    name="toy",
    title="The <toy>",
    abilities=frozenset({"content", "voice", "speak"}),
    tasks={"pretrain": "toy"},
    why_not={"read": "a toy has no phoneme decoder"},
)
"""


@pytest.fixture(scope="module", autouse=True)
def declared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    (folder / "toy.py").write_text(TOY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ctaplib.methods, "__path__", [*ctaplib.methods.__path__, str(folder)])
        with measured_once(object):
            yield
        sys.modules.pop("ctaplib.methods.toy", None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    fake = FakeExp(tmp_path_factory.mktemp("fake"))
    fake.add_continuous("toy")
    return fake


def score(fake, method, out):
    words = ["score", "--exp_root", fake.exp, "--data", fake.data, "--dump", fake.dump, "--lists", fake.lists]
    words += ["--sets", "test_seen test_unseen", "--method", method, "--out", out, "--nj", "1"]
    assert main([str(word) for word in words]) == 0
    return {row.key: row for row in results.read_results(out)}


@pytest.fixture(scope="module")
def both_orders(made, tmp_path_factory):
    """Rows of `vqctap`, then `toy`, in one file; of `toy`, then `vqctap`, in another."""
    folder = tmp_path_factory.mktemp("results")
    for first, second in (("vqctap", "toy"), ("toy", "vqctap")):
        score(made, first, folder / f"{second}_last.json")
        score(made, second, folder / f"{second}_last.json")
    return [{row.key: row for row in results.read_results(folder / f"{name}_last.json")} for name in ("toy", "vqctap")]


@pytest.fixture(scope="module")
def rows(both_orders):
    return both_orders[0]


def test_every_row_of_both_methods_is_a_number_or_a_reason_in_either_order(both_orders):
    keys = {key for name in ("vqctap", "toy") for key in catalogue.keys(find_method(name), FakeExp.sets)}
    for rows in both_orders:
        assert set(rows) == keys
        assert not [fault for row in rows.values() for fault in row.faults()]
    first, second = ({key: (row.value, row.ci95, row.why, row.note) for key, row in rows.items()} for rows in both_orders)
    assert first == second


def test_what_the_method_cannot_have_says_so(rows):
    for metric in ("codebook_size", "bitrate_bps", "codebook_usage_pct", "perplexity"):
        assert rows["pretrain", metric, "test_seen", "toy", ""].why == "The <toy> cannot encode speech as discrete codes"
    assert "cannot encode phonemes" in rows["pretrain", "phone_retrieval_s2p_top1_pct", "test_seen", "toy", ""].why
    for system in ("toy_frozen_class", "toy_frozen_ctc"):
        assert {rows["asr", m, "test_seen", system, ""].why for m in ("per", "wer", "cer")} == {"a toy has no phoneme decoder"}
    assert "does not train a fine-tuned recogniser" in rows["asr", "per", "test_seen", "toy_finetuned", ""].why
    assert "does not train synthesis" in rows["tts", "mcd_db", "test_unseen", "toy", ""].why
    assert "does not train a fine-tuned converter" in rows["vc", "f0_pcc", "test_unseen", "toy_finetuned", ""].why


def test_what_it_can_have_is_measured_at_its_own_rate(rows):
    assert rows["pretrain", "frame_rate_hz", "test_seen", "toy", ""].value == 50.0
    assert rows["pretrain", "frame_rate_hz", "test_seen", "vqctap", ""].value == 25.0
    probe = rows["pretrain", "speaker_probe_pct", "test_seen", "toy", ""]
    assert probe.value < 50 and probe.seed == 9
    for key in (("vc", "secs_target", "test_unseen", "toy", "resemblyzer"), ("resynthesis", "stoi", "test_unseen", "toy", ""),
                ("vc", "per", "test_unseen", "toy", "ctc_judge")):  # fmt: skip
        assert rows[key].value is not None, rows[key].why


def test_a_second_scoring_replaces_its_own_rows_only(made, tmp_path, rows):
    out = tmp_path / "results.json"
    results.write_results(out, list(rows.values()))
    moved = made.exp / "decode" / "vc" / "vqctap"
    moved.rename(moved.with_name("elsewhere"))
    try:
        again = score(made, "vqctap", out)
    finally:
        moved.with_name("elsewhere").rename(moved)
    assert set(again) == set(rows)
    assert "made no audio" in again["vc", "rtf", "test_unseen", "vqctap", ""].why
    assert again["vc", "rtf", "test_unseen", "toy", ""] == rows["vc", "rtf", "test_unseen", "toy", ""]


def test_a_broken_file_of_earlier_rows_stops_the_scoring_before_it_measures(made, tmp_path, capsys):
    (tmp_path / "results.json").write_text("[{}]")
    with pytest.raises(AssertionError):
        score(made, "toy", tmp_path / "results.json")
    message = capsys.readouterr().err
    assert "1 malformed rows" in message and "move the file away, and score every method again" in message
    assert (tmp_path / "results.json").read_text() == "[{}]"
    with pytest.raises(DataError, match="score again"):
        results.read_results(tmp_path / "results.json")


def test_the_report_shows_title_audio_and_rows_of_both(made, rows):
    inputs = Inputs(
        exp=made.exp, align=made.exp / "align", data=made.data, dump=made.dump, lists=made.lists, sets=made.sets,
        method="toy",
    )  # fmt: skip
    html = page_html("mini", inputs, list(rows.values()), PaperRows(), {})
    assert "Method: The &lt;toy&gt;." in html
    for label in ("converted, frozen", "through the content", "natural mel, trained vocoder"):
        assert f"<figcaption>{label}" in html, label
    for text in ("fine-tuned<", "through the codes", "synthesised, "):
        assert f"<figcaption>{text}" not in html
    assert "<code>toy</code>" in html and "<code>vqctap</code>" in html
    assert 'alt="Curves of toy/pretrain"' in html and 'alt="Curves of vqctap"' not in html
    assert "does not train synthesis" in html and "cannot encode speech as discrete codes" in html
    assert 'alt="Prompts by speaker"' in html and 'alt="Codes by phone"' not in html
