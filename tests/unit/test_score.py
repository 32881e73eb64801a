"""Scoring a small experiment: every row is there, numbers are right, gaps have reasons, damage is named."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fake_exp import FakeExp, measured_once

from ctaplib.audio.store import ArkWriter
from ctaplib.cli.main import main
from ctaplib.errors import DataError
from ctaplib.evaluate import catalogue, scoring
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.results import read_results
from ctaplib.evaluate.rows import RowMaker
from ctaplib.evaluate.score_align import start_errors_ms
from ctaplib.files import read_table, write_table
from ctaplib.methods.base import find_method


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return FakeExp(tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="module", autouse=True)
def files_measured_once():
    """Files are measured once for all tests that run in this process (copies share the audio)."""
    with measured_once(Path, tuple):
        yield


def inputs_of(fake, **options):
    return Inputs(
        exp=fake.exp, align=fake.exp / "align", data=fake.data, dump=fake.dump, lists=fake.lists,
        sets=("test_seen", "test_unseen"), **options,
    )  # fmt: skip


def scored(fake, processes=1, **options):
    rows = scoring.score(inputs_of(fake, **options), RowMaker("c0ffee", "./run.sh"), processes)
    return {row.key: row for row in rows}


@pytest.fixture(scope="module")
def rows(made):
    return scored(made)


@pytest.fixture
def copy(made, tmp_path):
    """A copy that a test may damage (its audio is still the original's)."""
    fake = object.__new__(FakeExp)
    fake.__dict__.update(made.__dict__)
    for name in ("data", "dump", "exp", "lists"):
        shutil.copytree(getattr(made, name), tmp_path / name)
        setattr(fake, name, tmp_path / name)
    return fake


def value(rows, *key):
    row = rows[(*key, "")] if len(key) == 4 else rows[key]
    assert row.value is not None, row.why
    return row.value


def test_every_row_of_the_catalogue_is_there_with_a_number_or_a_reason(rows):
    assert set(rows) == set(catalogue.keys(find_method("vqctap"), FakeExp.sets))
    assert not [fault for row in rows.values() for fault in row.faults()]


def test_alignment_rows(rows):
    assert value(rows, "align", "boundary_median_ms", "test_unseen", "aligner") == pytest.approx(10.0, abs=0.11)
    assert value(rows, "align", "boundary_within_20ms_pct", "test_unseen", "aligner") == 100.0
    assert value(rows, "align", "accounted_utts_pct", "test_unseen", "aligner") == 100.0
    assert "no alignment" in rows["align", "boundary_median_ms", "test_unseen", "gmm_mono", ""].why


def test_start_errors_leave_silence_out_and_want_the_same_phones(made):
    from ctaplib.corpus.alignment import Interval

    true = [
        Interval("sil", 0, 0.1),
        Interval("a", 0.1, 0.2),
        Interval("sil", 0.2, 0.3),
        Interval("i", 0.3, 0.4),
    ]
    found = [Interval("sil", 0, 0.13), Interval("a", 0.13, 0.295), Interval("i", 0.295, 0.4)]
    assert start_errors_ms(true, found).tolist() == pytest.approx([30.0, 5.0])
    assert start_errors_ms(true, found[:2]) is None


def test_pretraining_rows(rows):
    assert value(rows, "pretrain", "frame_rate_hz", "test_seen", "vqctap") == 25.0
    assert value(rows, "pretrain", "bitrate_bps", "test_seen", "vqctap") == 100.0
    assert value(rows, "pretrain", "codebook_usage_pct", "test_unseen", "vqctap") == 37.5
    assert value(rows, "pretrain", "speaker_probe_chance_pct", "test_seen", "phones") == 25.0
    mel = value(rows, "pretrain", "speaker_probe_pct", "test_seen", "mel")
    codes = value(rows, "pretrain", "speaker_probe_pct", "test_seen", "vqctap")
    assert mel > 90 and codes < 50
    assert "are not in train" in rows["pretrain", "speaker_probe_pct", "test_unseen", "vqctap", ""].why
    assert "mel is no code" in rows["pretrain", "perplexity", "test_seen", "mel", ""].why
    assert "queries" in rows["pretrain", "phone_retrieval_s2p_top1_pct", "test_seen", "vqctap", ""].note


def test_recognition_rows(rows):
    row = rows["asr", "per", "test_seen", "frozen_ctc", ""]
    assert row.value == pytest.approx(100 / 9)
    assert "5 phones" in row.note
    assert value(rows, "asr", "wer", "test_seen", "finetuned") == pytest.approx(100 / 3)
    assert rows["asr", "wer", "test_seen", "frozen_ctc", ""].why == "a frozen system has no word head"
    assert rows["asr", "cer", "test_seen", "supervised_ctc", ""].why == "this recogniser has no word head"


def test_rows_say_what_made_them(rows):
    own = rows["asr", "per", "test_seen", "finetuned", ""]
    assert (own.config_hash, own.seed, own.commit, own.command) == ("000000000002", 2, "c0ffee", "./run.sh")
    assert rows["asr", "per", "test_seen", "frozen_ctc", ""].seed == 1
    assert rows["vc", "f0_offset_st", "test_unseen", "finetuned", ""].seed == 5
    assert rows["resynthesis", "stoi", "test_unseen", "vocoder", ""].seed == 6
    assert rows["judge", "per", "test_seen", "natural", "ctc_judge"].seed == 7
    assert rows["vc", "secs_target", "test_unseen", "natural", "resemblyzer"].seed is None


def test_conversion_rows(rows, made):
    target = value(rows, "vc", "secs_target", "test_unseen", "vqctap", "resemblyzer")
    source = value(rows, "vc", "secs_source", "test_unseen", "vqctap", "resemblyzer")
    assert target > source
    assert value(rows, "vc", "target_wins_pct", "test_unseen", "vqctap", "resemblyzer") > 70
    assert value(rows, "vc", "f0_offset_st", "test_unseen", "vqctap") < 1.0
    assert value(rows, "vc", "f0_pcc", "test_unseen", "vqctap") > 0.9
    assert value(rows, "vc", "rtf", "test_unseen", "vqctap") == pytest.approx(0.05, rel=1e-2)
    assert rows["vc", "rtf", "test_unseen", "vqctap", ""].ci95 is None
    assert value(rows, "vc", "per", "test_unseen", "vqctap", "ctc_judge") == pytest.approx(100 / 9)
    assert rows["vc", "per", "test_unseen", "vqctap", "ctc_judge"].n == len(made.pairs)
    assert "made no audio of test_seen" in rows["vc", "rtf", "test_seen", "vqctap", ""].why


def test_synthesis_and_resynthesis_rows(rows):
    slow = value(rows, "tts", "speaking_rate_dev_pct", "test_unseen", "finetuned")
    assert slow == pytest.approx(100 * (1 - 1 / 1.1), abs=3)
    assert value(rows, "tts", "speaking_rate_dev_pct", "test_unseen", "vqctap") < 4
    assert rows["tts", "mcd_db", "test_unseen", "natural", ""].why == "natural speech is its own reference"
    assert value(rows, "resynthesis", "stoi", "test_unseen", "griffin_lim") > 0.9
    own = rows["resynthesis", "secs", "test_unseen", "vqctap", "resemblyzer"]
    assert own.n == 8 and own.note.startswith("12 of 20 left out: it is a reference utterance")


def test_a_judge_over_the_limit_judges_nothing(made):
    rows = scored(made, judge_max_per=11.0)
    for task, system in (("vc", "vqctap"), ("tts", "natural"), ("resynthesis", "vocoder")):
        row = rows[task, "per", "test_unseen", system, "ctc_judge"]
        assert row.value is None
        assert row.why == "ctc_judge has a PER of 11.1 % on natural audio of test_unseen, over the limit of 11 %"
    assert value(rows, "judge", "per", "test_unseen", "natural", "ctc_judge") == pytest.approx(100 / 9)
    assert value(rows, "judge", "wer", "test_unseen", "natural", "ctc_judge") > 0


def test_processes_and_the_cache_change_nothing(made, rows):
    (made.exp / "score" / "speakers.npz").unlink()
    assert scored(made, processes=2) == rows
    assert scored(made) == rows


def test_what_is_missing_altogether_is_null_with_a_reason(copy):
    shutil.rmtree(copy.exp / "decode")
    shutil.rmtree(copy.exp / "vqctap" / "codes" / "test_seen")
    (copy.data / "test_seen" / "phones.ctm").unlink()
    (copy.data / "test_unseen" / "phones_true.ctm").unlink()
    rows = scored(copy)
    assert "there is no judge/natural/natural" in rows["judge", "per", "test_seen", "natural", "ctc_judge"].why
    assert "judge's own PER is unknown" in rows["tts", "per", "test_unseen", "natural", "ctc_judge"].why
    assert "no true phone times" in rows["align", "boundary_median_ms", "test_unseen", "aligner", ""].why
    assert rows["align", "aligned_utts_pct", "test_seen", "aligner", ""].value is None
    assert "test_seen/codes.scp" in rows["pretrain", "perplexity", "test_seen", "vqctap", ""].why
    assert rows["tts", "secs", "test_unseen", "natural", "resemblyzer"].value is not None


def test_an_unaligned_utterance_is_accounted_for_only_with_a_reason(copy):
    ctm = copy.data / "test_seen" / "phones.ctm"
    lost = copy.ids("test_seen")[0]
    ctm.write_text("".join(x for x in ctm.read_text().splitlines(True) if not x.startswith(lost)))
    rows = scored(copy)
    assert value(rows, "align", "aligned_utts_pct", "test_seen", "aligner") == pytest.approx(95.0)
    assert "1 of 20 left out" in rows["align", "boundary_median_ms", "test_seen", "aligner", ""].note
    report = copy.data / "test_seen" / "ali_report.tsv"
    report.write_text(report.read_text().replace(f"{lost}\taligned\t", f"{lost}\tdropped\ttoo short"))
    assert value(scored(copy), "align", "accounted_utts_pct", "test_seen", "aligner") == 100.0
    report.write_text(report.read_text().replace("too short", ""))
    accounted = value(scored(copy), "align", "accounted_utts_pct", "test_seen", "aligner")
    assert accounted == pytest.approx(95.0)


def test_a_silent_conversion_loses_and_is_counted(copy):
    folder = copy.exp / "decode" / "vc" / "vqctap" / "test_unseen"
    wavs = read_table(folder / "wav.scp")
    first = copy.pairs[0]["id"]
    wavs[first] = str(folder / "silent.wav")
    soundfile.write(wavs[first], np.zeros(16000), 16000)
    write_table(folder / "wav.scp", wavs)
    rows = scored(copy)
    row = rows["vc", "target_wins_pct", "test_unseen", "vqctap", "resemblyzer"]
    assert row.note == "1 pairs without a voice count as lost" and row.n == len(copy.pairs)
    assert rows["vc", "secs_target", "test_unseen", "vqctap", "resemblyzer"].n == len(copy.pairs) - 1
    assert rows["vc", "f0_pcc", "test_unseen", "vqctap", ""].note.startswith("1 of 12 left out")


def test_an_index_without_its_audio_is_an_error(copy):
    folder = copy.exp / "decode" / "tts" / "vqctap" / "test_unseen"
    wavs = read_table(folder / "wav.scp")
    wavs.pop("spk4-test_unseen-0-tts")
    write_table(folder / "wav.scp", wavs)
    with pytest.raises(DataError, match=r"(?s)4 items, 1 of them without audio.*spk4-test_unseen-0-tts: not in"):
        scored(copy)


def test_missing_lines_of_the_judge_are_an_error(copy):
    write_table(copy.exp / "decode/judge/vc/vqctap/test_unseen/hyp.phn", {"spk4-to-spk5": "a"})
    with pytest.raises(DataError, match="11 of 12 utterances have no hypothesis"):
        scored(copy)


def test_few_queries_are_announced(copy, monkeypatch):
    monkeypatch.setattr("ctaplib.evaluate.score_pretrain.RETRIEVAL_QUERIES", 50)
    note = scored(copy)["pretrain", "phone_retrieval_s2p_top1_pct", "test_seen", "vqctap", ""].note
    assert note.startswith("50 queries, evenly spaced among ")


def test_another_code_book_size_moves_the_share(copy):
    for set_ in copy.sets:
        path = copy.exp / "vqctap" / "codes" / set_ / "codes.json"
        path.write_text('{"codebook_size": 8}')
        with ArkWriter(path.parent / "codes.scp") as out:
            out[copy.ids(set_)[0]] = np.arange(8, dtype=np.int32)
    rows = scored(copy)
    assert value(rows, "pretrain", "codebook_usage_pct", "test_seen", "vqctap") == 100.0
    assert value(rows, "pretrain", "perplexity", "test_seen", "vqctap") == pytest.approx(8.0)


def test_what_is_special_about_a_set_stands_in_its_rows(copy):
    (copy.data / "test_seen" / "about").write_text("kept as\n Opus\n")
    make = RowMaker("abc", "./run.sh", {n: inputs_of(copy).about(n) for n in inputs_of(copy).sets})
    rows = scoring.score(inputs_of(copy), make, 1)
    assert all(("kept as Opus" in (row.note or "")) == (row.set == "test_seen") for row in rows)


def test_phones_that_were_searched_are_rows_of_their_own(copy):
    assert not any(row.system.endswith("_lm") for row in scoring.score(inputs_of(copy), RowMaker("abc", "x"), 1))
    for set_ in inputs_of(copy).sets:
        folder = copy.exp / "decode" / "asr"
        write_table(folder / "frozen_ctc_lm" / set_ / "hyp.phn", read_table(copy.data / set_ / "text.phn"))
    found = [row for row in scoring.score(inputs_of(copy), RowMaker("abc", "x"), 1) if row.system.endswith("_lm")]
    assert {(r.system, r.metric, r.set) for r in found} == {("frozen_ctc_lm", "per", s) for s in inputs_of(copy).sets}
    assert all(r.value == 0.0 and "n-gram" in r.note for r in found)


def test_the_command_writes_the_rows(copy, capsys, monkeypatch):
    monkeypatch.setenv("RECIPE_COMMAND", "./run.sh --seed 3")
    out = copy.exp / "results.json"
    words = ["score", "--exp_root", copy.exp, "--data", copy.data, "--dump", copy.dump, "--lists", copy.lists]
    assert main([*map(str, words), "--sets", "test_seen test_unseen", "--out", str(out), "--nj", "1"]) == 0
    rows = read_results(out)
    assert {row.command for row in rows} == {"./run.sh --seed 3"}
    assert not any("Opus" in (row.note or "") for row in rows)
    assert "numbers," in capsys.readouterr().out
