"""Bringing corpora in: every form, speakers, ids, sets and lists; the corpus itself is only read."""

import json
from pathlib import Path

import pytest
from small_corpora import MAKERS, SENTENCE, make_folder, make_kaldi, make_lhotse, make_table, snapshot, tone

from ctaplib.cli.main import main
from ctaplib.corpus.alignment import Interval, read_ctm, write_textgrid
from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.importing import kinds
from ctaplib.corpus.set_split import Split, SplitConfig, read_split, split_by_rule, write_split
from ctaplib.corpus.validate import validate_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_tsv

SETS = ("train", "dev", "test")


def bring(source: Path, *words: object) -> int:
    """`ctap data import` into `data` beside the source."""
    folder = source.parent if source.is_file() else source
    places = ["--data", folder.parent / "data", "--nj", 1]
    return main(["data", "import", str(source), *map(str, places), *map(str, words)])


def utts(source: Path, name: str) -> list[str]:
    return read_datadir(source.parent / "data" / name).utt_ids


@pytest.mark.parametrize("kind", MAKERS)
def test_every_form_becomes_three_valid_sets_and_the_corpus_is_only_read(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "corpus"
    MAKERS[kind](source, 8, 6)
    before = snapshot(tmp_path)
    folder = ["--speaker_folder"] if kind == "folder" else []
    assert bring(source, *folder) == 0
    after = snapshot(tmp_path)
    assert {path: after[path] for path in before} == before and all(
        str(tmp_path / "data") in p for p in after.keys() - before.keys()
    )
    found = {name: read_datadir(tmp_path / "data" / name) for name in SETS}
    texts = [text for data in found.values() for text in data.utts["text"].values()]
    assert sorted(text.removesuffix(", he said") for text in texts) == sorted(SENTENCE.format(k) for k in range(48))
    for name in SETS:
        assert validate_datadir(tmp_path / "data" / name).faults == []
        assert read_tsv(tmp_path / "data" / name / "dropped.tsv") == []
    if kind != "ljspeech":  # the others know their speakers: eight, two of them heard in the test set only
        assert len(found["test"].speakers) == 2 and not set(found["test"].speakers) & set(found["train"].speakers)
        assert set(found["dev"].speakers) <= set(found["train"].speakers)
    if kind in ("table", "kaldi", "lhotse"):
        assert sorted(found["test"].spks["spk2gender"].values()) == ["f", "m"]


def test_the_kinds_are_found_by_the_names_of_modules() -> None:
    assert set(kinds()) == {*MAKERS, "audio"}


def test_audio_alone_becomes_a_set_without_text(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    for k in range(3):
        tone(source / f"ü mlaut {k}" / "a b.wav")
    assert bring(source) == 1, "speech whose text is lost is not taken silently for speech without text"
    assert bring(source, "--kind", "audio", "--speaker_folder") == 0
    data = read_datadir(tmp_path / "data" / "train_speech")
    assert data.utt_ids == [f"ü_mlaut_{k}-a_b" for k in range(3)] and "text" not in data.utts
    assert validate_datadir(tmp_path / "data" / "train_speech").faults == []
    assert bring(source, "--kind", "audio", "--speaker_folder", "--set", "more") == 0 and len(utts(source, "more")) == 3


def test_speakers_from_an_option_a_file_a_folder_a_column_or_none(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 1, 26)
    assert bring(source) == 0
    assert read_datadir(tmp_path / "data" / "train").speakers == ["corpus"]
    assert bring(source, "--speaker", "Jane Doe-2") == 0
    assert read_datadir(tmp_path / "data" / "train").speakers == ["Jane_Doe_2"]
    (tmp_path / "who").write_text("".join(f"{k:03d} {'ab'[k % 2]}\n" for k in range(26)))
    assert bring(source, "--speaker_file", tmp_path / "who") == 0
    data = read_datadir(tmp_path / "data" / "train")
    assert data.speakers == ["a", "b"] and all(utt.startswith(f"{spk}-") for utt, spk in data.utts["utt2spk"].items())
    assert bring(source, "--speaker", "a", "--speaker_folder") == 1


def test_columns_of_other_names_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_table(source, 2, 13)
    text = (source / "table.csv").read_text().replace("path,sentence,client_id", "Aufnahme,Satz,Wer")
    (source / "table.csv").write_text(text)
    assert bring(source / "table.csv") == 1
    told = capsys.readouterr().err
    assert "number, Aufnahme, Satz, Wer, gender" in told and "--audio_column" in told and "--text_column" in told
    named = ["--audio_column", "Aufnahme", "--text_column", "Satz", "--speaker_column", "Wer", "--id_column", "Aufnahme"]
    assert main(["data", "import", str(source / "table.csv"), "--data", str(tmp_path / "data"), *named, "--nj", "1"]) == 0
    assert read_datadir(tmp_path / "data" / "train").speakers == ["client_0", "client_1"]
    assert bring(source / "table.csv", "--audio_column", "Nowhere", "--text_column", "Nothing") == 1
    told = capsys.readouterr().err
    assert "'Nowhere' (--audio_column)" in told and "'Nothing' (--text_column)" in told


@pytest.mark.parametrize("delimiter,ending", [("\t", "tsv"), (";", "csv"), ("|", "csv")])
def test_a_table_from_a_spreadsheet_with_a_mark_and_foreign_line_ends(tmp_path: Path, delimiter: str, ending: str) -> None:
    source = tmp_path / "corpus"
    rows = [delimiter.join(("File", "Text"))]
    for k in range(24):
        tone(source / f"ré sumé {k}.wav")
        rows.append(delimiter.join((f"ré sumé {k}.wav", f"Größe １{k}")))
    (source / f"export.{ending}").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")
    assert bring(source / f"export.{ending}", "--speaker", "me") == 0
    table = {**read_datadir(tmp_path / "data/train").utts["text"], **read_datadir(tmp_path / "data/test").utts["text"]}
    assert all(utt.startswith("ré_sumé_") and text.startswith("Größe １") for utt, text in table.items())
    (source / f"export.{ending}").write_bytes("\r\n".join(rows).encode("utf-16"))
    assert bring(source / f"export.{ending}", "--speaker", "me") == 1
    assert bring(source / f"export.{ending}", "--speaker", "me", "--encoding", "utf-16") == 0


@pytest.mark.parametrize("ending,delimiter", [("tsv", "\t"), ("csv", ",")])
def test_a_stray_quotation_mark_is_told_and_swallows_no_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str, delimiter: str
) -> None:
    source, texts = tmp_path / "corpus", {k: f"text number {k}" for k in range(2, 26)}
    for k in texts:
        tone(source / f"{k}.wav")

    def write(**changed: str) -> Path:
        rows = [delimiter.join((f"{k}.wav", changed.get(f"line_{k}", text), "anna")) for k, text in texts.items()]
        table = source / f"table.{ending}"
        table.write_text("\n".join([delimiter.join(("path", "text", "speaker")), *rows]) + "\n")
        return table

    def told(*words: str, **changed: str) -> str:
        assert bring(write(**changed), *words) == 1 and not (tmp_path / "data").exists()
        return capsys.readouterr().err

    table = source / f"table.{ending}"
    message = told(line_9='"a stray mark')  # and no other: it would reach to the end of the file
    assert f"{table}:9: a quotation mark" in message and "the end of the file" in message and "--quotes plain" in message
    message = told(line_5='"Hello," he said', line_9='"a stray mark', line_12='"another')
    assert all(f"{table}:{line}: a quotation mark" in message for line in (5, 9, 12)), message
    message = told(line_9='"a stray mark', line_11='that ends with one"')  # together they look like one field
    assert f"{table}:10: this row (10.wav) lies inside a field" in message and f"{table}:11: this row (11.wav)" in message
    marks = {"line_9": '"a stray mark', "line_11": 'that ends with one"', "line_12": '"Hello" he said'}
    assert bring(write(**marks), "--quotes", "plain") == 0
    kept = [text for name in SETS for text in read_datadir(tmp_path / "data" / name).utts["text"].values()]
    assert sorted(kept) == sorted({**texts, **{int(k[5:]): text for k, text in marks.items()}}.values())
    capsys.readouterr()
    assert bring(write(line_9='"two\nlines, and a ""mark"""')) == 0, "a line break that is quoted as it should be stays allowed"
    kept = [text for name in SETS for text in read_datadir(tmp_path / "data" / name).utts["text"].values()]
    assert 'two lines, and a "mark"' in kept and len(kept) == len(texts)


def test_sets_of_the_source_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_lhotse(source, 3, 4)
    for what in ("recordings", "supervisions"):
        for name in SETS:
            (source / f"my_{what}_{name}.jsonl").write_text("")
        import gzip

        with gzip.open(source / f"my_{what}_all.jsonl.gz", "rt") as lines:
            for line in lines:
                name = SETS[int(json.loads(line)["id"][1])]
                with open(source / f"my_{what}_{name}.jsonl", "a") as out:
                    out.write(line)
        (source / f"my_{what}_all.jsonl.gz").unlink()
    assert bring(source) == 0
    assert [len(utts(source, name)) for name in SETS] == [4, 4, 4]
    assert bring(tmp_path / "data") == 0, "what we wrote comes in again, with its sets"
    assert [read_datadir(tmp_path / "data" / name).speakers for name in SETS] == [["s0"], ["s1"], ["s2"]]


def test_a_dev_set_that_the_source_lacks_is_cut_off_its_training_set(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    MAKERS["kaldi"](source / "train", 2, 10)
    MAKERS["kaldi"](source / "test", 2, 3)
    for name in ("wav.scp", "segments", "text", "utt2spk", "spk2gender"):
        path = source / "test" / name
        path.write_text(path.read_text().replace("s0", "t0").replace("s1", "t1"))
    assert bring(source) == 0
    assert [len(utts(source, name)) for name in SETS] == [16, 4, 6]
    assert utts(source, "test") == sorted(f"t{spk}-{k:03d}" for spk in range(2) for k in range(3))


def test_relative_paths_of_a_kaldi_directory_are_found_from_the_folder_above_it(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    MAKERS["kaldi"](source / "train", 1, 26)
    scp = source / "train" / "wav.scp"
    scp.write_text(f"s0-r {scp.read_text().split()[2].removeprefix(str(source) + '/')}\n")
    assert scp.read_text() == "s0-r recordings_train/r0.wav\n"
    assert bring(source) == 0
    assert validate_datadir(tmp_path / "data" / "train").faults == []
    assert read_datadir(tmp_path / "data" / "train").wavs == {"s0-r": str(source / "recordings_train" / "r0.wav")}


def test_lists_are_made_once_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, lists = tmp_path / "corpus", tmp_path / "lists"
    make_table(source, 8, 6)
    assert bring(source, "--lists", lists) == 0
    made = snapshot(lists)
    assert {Path(name).name for name in made} == {"dev.txt", "test.txt", "vc_pairs.tsv", "references.tsv", "tts.tsv"}
    test = utts(source, "test")
    assert (lists / "test.txt").read_text().split() == test
    pairs = read_tsv(lists / "vc_pairs.tsv")
    owner = read_datadir(tmp_path / "data" / "test").utts["utt2spk"]
    references = {utt for row in read_tsv(lists / "references.tsv") for utt in (row["utt1"], row["utt2"], row["utt3"])}
    for row in pairs:
        assert row["set"] == "test" and row["cross_sex"] == "yes" and owner[row["source_utt"]] != row["target_spk"]
        assert owner[row["prompt_utt"]] == row["target_spk"] and not references & {row["source_utt"], row["prompt_utt"]}
    for row in read_tsv(lists / "tts.tsv"):
        assert owner[row["prompt_utt"]] == row["spk"] and row["prompt_utt"] != row["text_utt"]
    assert bring(source, "--lists", lists, "--seed", 7) == 0
    assert snapshot(lists) == made and utts(source, "test") == test, "lists that are there win"
    told = capsys.readouterr().out
    assert "dev.txt and test.txt: kept as they are" in told and "references.tsv: kept as they are" in told
    (source / "clips" / "c0_0.wav").unlink()
    (lists / "test.txt").write_text("nobody-1\n" + (lists / "test.txt").read_text())
    assert bring(source, "--lists", lists) == 1
    assert "nobody-1 is not in the corpus, or was left out" in capsys.readouterr().err


def test_alignments_come_along_by_the_names_of_the_source(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 1, 26)
    lines = [f"{k:03d} 1 0.0000 0.1000 sil\n{k:03d} 1 0.1000 0.2000 AH0\n{k:03d} 1 0.3000 0.3000 B\n" for k in range(25)]
    (tmp_path / "their").mkdir()
    (tmp_path / "their" / "all.ctm").write_text("".join(lines))
    assert bring(source, "--alignments", tmp_path / "their", "--speaker", "x") == 0
    assert [row["utt"] for row in read_tsv(tmp_path / "data/train/dropped.tsv")] == ["025"]
    for name in SETS:
        data, ctm = read_datadir(tmp_path / "data" / name), read_ctm(tmp_path / "data" / "alignments" / f"{name}.ctm")
        assert set(ctm) == set(data.utt_ids) and set(data.utts["text.phn"].values()) == {"AH0 B"}
        assert validate_datadir(tmp_path / "data" / name).faults == []


def test_textgrids_and_other_endings_of_text(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 1, 26)
    grids = tmp_path / "grids" / "spk0"
    for path in sorted(source.rglob("*.txt")):
        path.rename(path.with_suffix(".words"))
        write_textgrid(
            grids / f"{path.stem}.TextGrid", [Interval("sil", 0.0, 0.1), Interval("AH0", 0.1, 0.4), Interval("B", 0.4, 0.6)]
        )
    assert bring(source) == 1
    assert bring(source, "--text_suffix", ".words", "--speaker", "x", "--alignments", grids, "--tier", "phones") == 0
    found = read_ctm(tmp_path / "data" / "alignments" / "test.ctm")
    assert set(found) == set(utts(source, "test"))
    read = [(phone, round(start, 4), round(end, 4)) for phone, start, end in next(iter(found.values()))]
    assert read == [("sil", 0.0, 0.1), ("AH0", 0.1, 0.4), ("B", 0.4, 0.6)]
    assert bring(source, "--text_suffix", ".words", "--alignments", tmp_path / "data" / "train") == 1, "no alignments there"


def test_a_table_that_lacks_lines_is_told_and_not_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    make_kaldi(source, 8, 6)
    names = [line.split()[0] for line in (source / "utt2spk").read_text().splitlines()]
    for table, lacking in (("text.phn", 0), ("utt2lang", 2)):
        (source / table).write_text("".join(f"{utt} en\n" for utt in names[lacking:]))
    genders = (source / "spk2gender").read_text().splitlines(keepends=True)
    (source / "spk2gender").write_text("".join(genders[:-1]))
    assert bring(source) == 0
    told = capsys.readouterr().err
    assert f"warning: utt2lang: 2 of 48 utterances have no line in it, the first is {names[0]}; it is left out" in told
    assert "warning: spk2gender: 1 of 8 speakers have no line in it, the first is s7" in told and "text.phn" not in told
    data = read_datadir(tmp_path / "data" / "train")
    assert "utt2lang" not in data.utts and "text.phn" in data.utts and not data.spks
    (source / "utt2lang").write_text("".join(f"{utt} en\n" for utt in names))
    (source / "spk2gender").write_text("".join(genders))
    assert bring(source) == 0 and "no line in it" not in capsys.readouterr().err
    data = read_datadir(tmp_path / "data" / "train")
    assert set(data.utts["utt2lang"].values()) == {"en"} and data.spks["spk2gender"]


def test_ids_that_would_clash_or_be_misplaced_get_their_speaker(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 2, 13)
    assert bring(source, "--speaker_folder") == 0
    assert utts(source, "train")[0].startswith("spk0-0")
    assert bring(source) == 1, "the same names in two folders, and nothing tells them apart"


def test_ids_do_not_depend_on_what_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 2, 13)
    for path in (source / "spk1").iterdir():  # but for one file, the names of the two speakers differ
        if path.stem != "005":
            path.rename(path.with_name("x" + path.name))
    (source / "spk1" / "005.wav").write_bytes(b"")
    assert bring(source, "--speaker_folder") == 0
    assert all(utt.startswith("spk") for name in SETS for utt in utts(source, name))


def test_the_rule_of_the_split() -> None:
    many = {f"s{spk:02d}-{k}": f"s{spk:02d}" for spk in range(30) for k in range(10)}
    split = split_by_rule(many, {}, {}, SplitConfig())
    assert len({many[utt] for utt in split.test}) == 3 and len(split.test) == 30
    assert not {many[utt] for utt in split.test} & {many[utt] for utt in (*split.train, *split.dev)}
    assert sorted((*split.train, *split.dev, *split.test)) == sorted(many)
    assert split == split_by_rule(dict(reversed(many.items())), {}, {}, SplitConfig())
    assert split != split_by_rule(many, {}, {}, SplitConfig(seed=2))
    few = {f"a-{k:03d}": "a" for k in range(200)}
    texts = {utt: f"text {int(utt[2:]) // 2}" for utt in few}  # every text twice
    split = split_by_rule(few, texts, {}, SplitConfig())
    parts = [{texts[utt] for utt in part} for part in (split.train, split.dev, split.test)]
    assert len(split.test) == 20 and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    with pytest.raises(DataError, match=r"23 utterances; expected at least 24"):
        split_by_rule({f"a-{k}": "a" for k in range(23)}, {}, {}, SplitConfig())


def test_lists_that_do_not_fit_are_refused_with_every_fault(tmp_path: Path) -> None:
    write_split(tmp_path, Split((), ("a", "b"), ("b", "zz")))
    with pytest.raises(DataError, match=r"(?s)zz is not in the corpus.*b is in dev.txt and in test.txt"):
        read_split(tmp_path, ["a", "b", "c"])
    (tmp_path / "dev.txt").unlink()
    with pytest.raises(DataError, match="the other list is not"):
        read_split(tmp_path, ["a", "b", "c"])


def test_lists_of_one_speaker_have_no_conversions_and_say_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path / "corpus", 1, 80)
    assert bring(tmp_path / "corpus", "--lists", tmp_path / "lists") == 0
    assert read_tsv(tmp_path / "lists" / "vc_pairs.tsv") == []
    told = capsys.readouterr().out
    assert "utterances of 1 speaker," in told
    assert "vc_pairs.tsv is empty: test has 1 speaker, and a conversion needs two" in told


@pytest.mark.parametrize("kind", ["ljspeech", "table", "folder"])
def test_two_audio_files_of_one_name_are_a_fault_that_names_both(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "corpus"
    MAKERS[kind](source, 1, 26)
    first = next(source.rglob("*.wav"))
    twin = first.with_suffix(".flac")
    twin.write_bytes(first.read_bytes())
    if kind == "table":  # a name with its ending is no question
        assert bring(source) == 0
        (source / "table.csv").write_text((source / "table.csv").read_text().replace(f"{first.name},", f"{first.stem},"))
        capsys.readouterr()
    before = snapshot(tmp_path)
    assert bring(source) == 1
    told = capsys.readouterr().err
    assert "has 1 fault, and" in told and str(first) in told and str(twin) in told
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("kind", ["ljspeech", "table"])
def test_a_table_of_another_encoding_is_told_with_its_line(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "corpus"
    MAKERS[kind](source, 1, 26)
    table = next(source.glob("*.csv"))
    lines = table.read_bytes().split(b"\n")
    lines[4] = lines[4].replace(b"fox", "föx".encode("latin-1"))
    table.write_bytes(b"\n".join(lines))
    assert bring(source) == 1
    assert f"error: {table}:5 is not UTF-8 (invalid start byte, 0xf6); to fix it: " in capsys.readouterr().err
    assert bring(source, "--encoding", "latin-2000") == 1
    assert "there is no encoding 'latin-2000'" in capsys.readouterr().err
    assert bring(source, "--encoding", "latin-1") == 0


def test_an_id_that_got_its_speaker_is_told_with_its_name_in_the_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "corpus"
    make_folder(source, 2, 20)
    (source / "more").mkdir()
    for ending in ("wav", "txt"):
        (source / "more" / f"003.{ending}").write_bytes((source / "spk0" / f"003.{ending}").read_bytes())
    assert bring(source, "--speaker", "s") == 1
    assert "id s-003 (003 in the source) twice" in capsys.readouterr().err
