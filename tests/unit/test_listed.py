"""Utterances that the fixed lists name and a stage left out: told at stage 2 and at the start of stage 11, all at once."""

from pathlib import Path

import pytest

from ctaplib.cli.main import main
from ctaplib.corpus.lists import TTS_FIELDS, VC_FIELDS, check_listed
from ctaplib.errors import DataError
from ctaplib.files import write_table, write_tsv

UTTS = [f"{spk}-{k}" for spk in "ab" for k in range(6)]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """Tables of one test set whose lists fit."""
    lists, data, dump = tmp_path / "lists", tmp_path / "data" / "test", tmp_path / "dump" / "test"
    for folder in (lists, data, dump):
        folder.mkdir(parents=True)
    pairs = [
        ("p1", "test", "a-0", "b", "b-1", "yes"),
        ("p2", "test", "b-0", "a", "a-1", "yes"),
        ("p3", "other", "x", "y", "z", "no"),
    ]
    said = [("t1", "test", "a-2", "a", "a-1"), ("t2", "test", "b-2", "b", "b-1")]
    write_tsv(lists / "vc_pairs.tsv", [dict(zip(VC_FIELDS, row)) for row in pairs], VC_FIELDS)
    write_tsv(lists / "tts.tsv", [dict(zip(TTS_FIELDS, row)) for row in said], TTS_FIELDS)
    columns = ("set", "spk", "utt1", "utt2", "utt3")
    write_tsv(lists / "references.tsv", [dict(zip(columns, ("test", s, f"{s}-3", f"{s}-4", f"{s}-5"))) for s in "ab"], columns)
    write_table(data / "utt2spk", {utt: utt[0] for utt in UTTS})
    write_table(data / "text", dict.fromkeys(UTTS, "the cat sat"))
    write_table(data / "text.phn", dict.fromkeys(UTTS, "K AE1 T"))
    write_table(dump / "feats.scp", dict.fromkeys(UTTS, "feats.ark:5"))
    return tmp_path


def leave_out(table: Path, *utts: str, reason: str, where: str) -> None:
    kept = [line for line in table.read_text().splitlines() if line.split()[0] not in utts]
    table.write_text("\n".join(kept) + "\n")
    write_tsv(table.parent / where, [{"utt": utt, "reason": reason} for utt in utts], ("utt", "reason"))


def test_lists_that_fit(recipe: Path) -> None:
    check_listed(recipe / "lists", recipe / "data", ["test"])
    check_listed(recipe / "lists", recipe / "data", ["test"], recipe / "dump")
    check_listed(recipe / "no lists yet", recipe / "data", ["test"], recipe / "dump")


def test_everything_that_was_left_out_is_told_at_once_with_its_reason(recipe: Path) -> None:
    # a-1 is a prompt: its words are not needed
    leave_out(recipe / "data/test/text.phn", "a-2", "b-0", "a-1", reason="no phones of 'Łódź'", where="dropped_text.tsv")
    leave_out(recipe / "dump/test/feats.scp", "b-1", "a-5", reason="it is silent", where="dropped_features.tsv")
    with pytest.raises(DataError) as told:
        check_listed(recipe / "lists", recipe / "data", ["test"])
    lists, noted = recipe / "lists", recipe / "data/test/dropped_text.tsv"
    words = {
        f"{lists}/vc_pairs.tsv: source_utt b-0 is not among the phones (test): no phones of 'Łódź' ({noted})",
        f"{lists}/tts.tsv: text_utt a-2 is not among the phones (test): no phones of 'Łódź' ({noted})",
    }
    assert set(told.value.faults) == words and "--listdir" in str(told.value)
    with pytest.raises(DataError) as told:
        check_listed(lists, recipe / "data", ["test"], recipe / "dump")
    noted = recipe / "dump/test/dropped_features.tsv"
    unheard = {
        f"{lists}/{place} is not among the features (test): it is silent ({noted})"
        for place in ("vc_pairs.tsv: prompt_utt b-1", "tts.tsv: prompt_utt b-1", "references.tsv: utt3 a-5")
    }
    assert set(told.value.faults) == words | unheard and "name 5 utterances that were left out" in str(told.value)


def test_decoding_tells_it_before_a_model_is_loaded(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_out(recipe / "data/test/text.phn", "a-2", reason="no phones", where="dropped_text.tsv")
    places = ["--data", str(recipe / "data"), "--dump", str(recipe / "dump"), "--lists", str(recipe / "lists")]
    assert main(["decode", "--exp_root", str(recipe / "no models"), "--sets", "test", *places]) == 1
    told = capsys.readouterr().err
    assert "text_utt a-2 is not among the phones" in told and "Traceback" not in told and "no models" not in told


def test_the_text_stage_tells_it(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (recipe / "lexicon.txt").write_text("THE DH AH0\nCAT K AE1 T\nSAT S AE1 T\n")
    write_table(recipe / "data/test/text", {**dict.fromkeys(UTTS, "the cat sat"), "b-2": "the dog sat"})
    config = ["frontend=lexicon", f"lexicon={recipe / 'lexicon.txt'}", "spm_pieces=12", "max_dropped_pct=20"]
    words = [
        "text",
        "prepare",
        "--data",
        str(recipe / "data"),
        "--dump",
        str(recipe / "dump"),
        "--sets",
        "test",
        "--train_set",
        "test",
    ]
    words += [word for value in config for word in ("--set", value)]
    assert main(words) == 0, capsys.readouterr().err
    assert main([*words, "--lists", str(recipe / "lists")]) == 1
    told = capsys.readouterr().err
    assert f"{recipe}/lists/tts.tsv: text_utt b-2 is not among the phones (test): " in told and "dog" in told.lower()
