"""Data preparation of VCTK: a generated tree with the real layout's odd corners, its faults, and the genuine fragment."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_trees import (
    GENUINE,
    ROOT,
    from_windows,
    make_tree,
    prepare,
    read_only,
    refused,
    resample_file,
    snapshot,
    tables,
)

from ctaplib.audio.files import read_audio
from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.validate import validate_datadir
from ctaplib.files import read_table, read_tsv
from ctaplib.normalize.normalizer import normalize_english

RECIPE = ROOT / "egs" / "vctk"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_tree("vctk", tmp_path_factory.mktemp("vctk") / "VCTK-Corpus-0.92")


@pytest.fixture
def tree(whole, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole, tmp_path / "VCTK-Corpus-0.92"))


def reasons(data, name):
    return {row["utt"]: row["reason"] for row in read_tsv(data / name / "dropped.tsv")}


def test_release_092_split_of_vqmivc(whole, tmp_path):
    before = snapshot(whole)
    found = prepare("vctk", whole, tmp_path, "--nj", "2")
    assert found.returncode == 0, found.stderr
    assert snapshot(whole) == before  # nothing is written into the corpus
    sets = {name: read_datadir(tmp_path / name) for name in ("tr_no_dev", "dev", "eval1", "tr_speech")}
    assert sets["eval1"].speakers == ["p225", "p231", "p243", "p251"]  # those of the twenty that the tree has
    assert sets["tr_no_dev"].speakers == sets["dev"].speakers and not set(sets["dev"].speakers) & set(sets["eval1"].speakers)
    assert "s5" in sets["dev"].speakers and "p280" in sets["dev"].speakers  # s5 lies elsewhere; p280 has its first microphone
    assert sets["tr_speech"].speakers == ["p315"] and "text" not in sets["tr_speech"].utts
    found_reasons = reasons(tmp_path, "tr_no_dev")
    assert len([utt for utt in found_reasons if utt.startswith("p315")]) == 12
    assert "text without audio" in found_reasons["p362_007"]
    usable = sum(len(sets[name].utt_ids) for name in ("tr_no_dev", "dev", "eval1"))
    assert usable + len(found_reasons) == 13 * 12  # every utterance is in a set or listed
    text = sets["eval1"].utts["text"]
    assert text["p225_003"].startswith('"') and "  " not in text["p225_006"] and not text["p225_005"].endswith("\r")
    for name in sets:
        assert validate_datadir(tmp_path / name, rate_hz=48000).fatal == []
    assert all(path.endswith("_mic1.flac") for path in sets["eval1"].wavs.values())


def test_a_second_run_makes_the_same_files(whole, tmp_path):
    for name in ("one", "two"):
        assert prepare("vctk", whole, tmp_path / name, "--nj", (name == "one" and "1") or "2").returncode == 0
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 20
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)


def test_mic2_does_without_p280_and_p315(whole, tmp_path):
    assert prepare("vctk", whole, tmp_path, "--mic", "mic2").returncode == 0
    data = read_datadir(tmp_path / "tr_no_dev")
    assert not {"p280", "p315"} & set(data.speakers) and all("_mic2." in path for path in data.wavs.values())
    assert "text without audio" in reasons(tmp_path, "tr_no_dev")["p280_001"]


def test_espnet_split_takes_the_last_ten_of_each_speaker(whole, tmp_path):
    assert prepare("vctk", whole, tmp_path, "--split", "espnet", "--make_lists", tmp_path / "lists").returncode == 0
    sets = {name: read_datadir(tmp_path / name) for name in ("tr_no_dev", "dev", "eval1")}
    assert "s5" not in sets["dev"].speakers and "p315" not in sets["dev"].speakers
    assert sets["dev"].spk2utt()["p225"] == [f"p225_{n:03d}" for n in range(8, 13)]
    assert sets["eval1"].spk2utt()["p225"] == [f"p225_{n:03d}" for n in range(3, 8)]
    assert sets["tr_no_dev"].spk2utt()["p225"] == ["p225_001", "p225_002"]
    assert len(read_tsv(tmp_path / "lists" / "vc_pairs.tsv")) == 200


def test_release_080(tmp_path):
    tree = make_tree("vctk", tmp_path / "VCTK-Corpus", "--release", "0.80", "--utts", "3")
    found = prepare("vctk", tree, tmp_path / "data")
    assert found.returncode == 0, found.stderr
    data = read_datadir(tmp_path / "data" / "eval1")
    assert data.wavs["p225_001"].endswith("wav48/p225/p225_001.wav")
    assert data.spks["spk2gender"] == {"p225": "f", "p231": "f", "p243": "m", "p251": "m"}  # written 225 in speaker-info.txt
    assert read_datadir(tmp_path / "data" / "tr_no_dev").spks["spk2gender"]["p280"] == "f"  # not in it at all


def test_the_wrong_folder_is_told_apart(tree, tmp_path):
    (tmp_path / "data").mkdir()
    message = refused("vctk", tmp_path, tmp_path / "data")
    assert "it holds VCTK-Corpus-0.92" in message and f"--corpus_dir {tree}" in message
    assert "it holds nothing" in refused("vctk", tmp_path / "data", tmp_path / "data")
    assert "there is no folder" in refused("vctk", tmp_path / "nowhere", tmp_path / "data")
    shutil.rmtree(tree / "txt")
    message = refused("vctk", tree, tmp_path / "data")
    assert "it lacks txt; it holds other speaker-info.txt wav48_silence_trimmed" in message
    assert not list((tmp_path / "data").iterdir())


def test_half_an_archive_is_refused(tree, tmp_path):
    for spk in ("p227", "p228"):
        shutil.rmtree(tree / "wav48_silence_trimmed" / spk)
    message = refused("vctk", tree, tmp_path / "data")
    assert "no audio of 2 of the 13 speakers" in message and "p227 p228" in message and "half an archive" in message
    table = tree / "speaker-info.txt"
    table.write_text(table.read_text() + "".join(f"p{number}  23  F  English\n" for number in range(900, 940)))
    message = refused("vctk", tree, tmp_path / "data")
    assert "no audio of 42 of the 53 speakers" in message and "... and 22 more" in message
    assert not (tmp_path / "data").exists()


def test_text_without_audio_and_audio_without_text(tree, tmp_path):
    (tree / "wav48_silence_trimmed" / "p226" / "p226_003_mic1.flac").unlink()
    (tree / "txt" / "p227" / "p227_004.txt").unlink()
    assert prepare("vctk", tree, tmp_path / "data").returncode == 0
    found = reasons(tmp_path / "data", "tr_no_dev")
    assert "p226_003.txt: text without audio" in found["p226_003"]
    assert "p227_004_mic1.flac: audio without text" in found["p227_004"]
    assert "p227_004" in read_datadir(tmp_path / "data" / "tr_speech").utt_ids  # its audio is not lost
    for path in sorted((tree / "txt" / "p228").iterdir())[:8]:
        path.unlink()
    message = refused("vctk", tree, tmp_path / "more")
    assert "9 of 130 utterances (6.9 %) cannot be used" in message and "p228_001_mic1.flac: audio without text" in message
    for path in sorted((tree / "wav48_silence_trimmed" / "p229").glob("*_mic1.flac"))[:8]:
        path.unlink()
    assert "p229_001.txt: text without audio" in refused("vctk", tree, tmp_path / "more")


def test_bad_files_are_left_out_with_their_reasons(tree, tmp_path):
    folder = tree / "wav48_silence_trimmed" / "p226"
    cut = folder / "p226_002_mic1.flac"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (folder / "p226_003_mic1.flac").write_bytes(b"")
    (tree / "txt" / "p226" / "p226_004.txt").write_bytes("Grüße".encode("latin-1"))
    (tree / "txt" / "p226" / "p226_005.txt").write_bytes(b"\xef\xbb\xbfWith a mark.\r\n")
    (tree / "txt" / "p226" / "p226_006.txt").write_bytes(b" \r\n")
    assert prepare("vctk", tree, tmp_path / "data").returncode == 0
    found = reasons(tmp_path / "data", "tr_no_dev")
    assert "p226_002" in found and "the file is empty" in found["p226_003"]
    assert "p226_004.txt:1 is not UTF-8" in found["p226_004"] and "the text is empty" in found["p226_006"]
    text = read_table(tmp_path / "data" / "tr_no_dev" / "text") | read_table(tmp_path / "data" / "dev" / "text")
    assert text["p226_005"] == "With a mark."
    assert {utt for utt in text if utt.startswith("p226")} == {
        f"p226_{n:03d}" for n in (1, 5, *range(7, 13))
    }  # the others are kept


def test_files_of_another_rate_are_kept_and_told(tree, tmp_path):
    folder = tree / "wav48_silence_trimmed" / "p226"
    for number in (1, 2):
        resample_file(folder / f"p226_{number:03d}_mic1.flac", 24000)
    found = prepare("vctk", tree, tmp_path / "data")
    assert found.returncode == 0
    told = "tr_no_dev: 2 files do not have the corpus's 48000 Hz: p226_001 (24000 Hz), p226_002 (24000 Hz); they are used"
    assert told in found.stderr and found.stderr.count("warning:") == 1
    data = tmp_path / "data" / "tr_no_dev"
    assert [(row["utt"], row["path"]) for row in read_tsv(data / "odd_rate.tsv")] == [
        (f"p226_{n:03d}", str(folder / f"p226_{n:03d}_mic1.flac")) for n in (1, 2)
    ]
    assert not {"p226_001", "p226_002"} & reasons(tmp_path / "data", "tr_no_dev").keys() and validate_datadir(data).fatal == []
    wave, _ = read_audio(read_table(data / "wav.scp")["p226_001"], 16000, as_16_bits=True)  # what the feature stage hears
    assert abs(len(wave) / 16000 - float(read_table(data / "utt2dur")["p226_001"])) < 0.001


def test_a_disk_that_was_full_while_unpacking_is_told(tree, tmp_path):
    emptied = sorted((tree / "wav48_silence_trimmed").glob("*/*_mic1.flac"))[::3]
    for path in emptied:
        path.write_bytes(b"")
    message = refused("vctk", tree, tmp_path / "data")
    assert f"{len(emptied)} of " in message and "cannot be used" in message and "the file is empty" in message
    assert not (tmp_path / "data").exists()


def test_without_the_table_of_speakers_the_whole_corpus_has_to_be_there(tree, tmp_path):
    (tree / "speaker-info.txt").unlink()
    message = refused("vctk", tree, tmp_path / "data", "--check_lists", "true")
    assert "no audio of " in message and "of the 109 speakers" in message
    assert prepare("vctk", tree, tmp_path / "data").returncode == 0  # a part, and said to be one


def test_a_changed_file_is_looked_at_again_by_validation(tree, tmp_path):
    assert prepare("vctk", tree, tmp_path / "data").returncode == 0
    path = Path(read_datadir(tmp_path / "data" / "eval1").wavs["p225_001"])
    path.write_bytes(b"")
    faults = [str(fault) for fault in validate_datadir(tmp_path / "data" / "eval1").fatal]
    assert len(faults) == 1 and "p225_001" in faults[0] and "the file is empty" in faults[0]


def test_names_with_spaces_and_other_letters(tree, tmp_path):
    odd = tree.rename(tmp_path / "Stimmen für später")
    assert prepare("vctk", odd, tmp_path / "data").returncode == 0
    assert validate_datadir(tmp_path / "data" / "eval1").fatal == []


@pytest.mark.parametrize("locale", ["C", "de_DE.UTF-8"])
def test_a_corpus_that_cannot_be_written_to_under_any_locale(whole, tree, tmp_path, monkeypatch, locale):
    assert prepare("vctk", whole, tmp_path / "expected").returncode == 0
    before = snapshot(tree)
    monkeypatch.setenv("LC_ALL", locale)
    with read_only(tree):
        found = prepare("vctk", tree, tmp_path / "data", "--nj", "2")
    assert found.returncode == 0, found.stderr
    made = tables(tmp_path / "data", tree)
    assert {path: size for path, (size, _) in snapshot(tree).items()} == {path: size for path, (size, _) in before.items()}
    assert snapshot(tree) == before and made == tables(tmp_path / "expected", whole)
    for name, text in made.items():
        keys = [line.split()[0].encode() for line in text.splitlines()]
        assert name.endswith((".tsv", ".json")) or keys == sorted(keys), name


def test_windows_line_ends_byte_order_marks_and_full_width_signs(whole, tree, tmp_path):
    said = "It cost 123 pounds, or 7%."
    for corpus, write in ((tree, from_windows), (shutil.copytree(whole, tmp_path / "plain"), Path.write_text)):
        write(corpus / "txt" / "p226" / "p226_002.txt", said)
    for path in (tree / "speaker-info.txt", *(tree / "txt" / "p225").glob("*.txt"), *(tree / "txt" / "p227").glob("*.txt")):
        from_windows(path)
    for corpus, data in ((tree, "data"), (tmp_path / "plain", "expected")):
        found = prepare("vctk", corpus, tmp_path / data)
        assert found.returncode == 0, found.stderr
    made = tables(tmp_path / "data", tree)
    assert made == tables(tmp_path / "expected", tmp_path / "plain")
    assert f"p226_002 {said}\n" in made["tr_no_dev/text"] and "\r" not in made["tr_no_dev/text"]


def test_lists_that_do_not_fit_are_told_at_once(whole, tmp_path):
    message = refused("vctk", whole, tmp_path / "data", "--check_lists", "true")
    assert not (tmp_path / "data").exists()
    assert "the fixed lists do not fit the corpus" in message and "is not in eval1" in message and "vc_pairs.tsv:2" in message
    own = tmp_path / "lists"
    for words in (["--make_lists", own], ["--lists", own, "--check_lists", "true"]):
        found = prepare("vctk", whole, tmp_path / "data", *words)
        assert found.returncode == 0, found.stderr
    rows = (tmp_path / "lists" / "vc_pairs.tsv").read_text()
    (tmp_path / "lists" / "vc_pairs.tsv").write_text(rows.replace("\tyes\n", "\tno\n", 1))
    message = refused("vctk", whole, tmp_path / "data", "--lists", tmp_path / "lists", "--check_lists", "true")
    assert "cross_sex is no, but the corpus says otherwise" in message and "1 fault;" in message


def test_the_lists_in_git_are_those_that_the_script_makes(tmp_path):
    command = [sys.executable, RECIPE / "local" / "make_lists.py", "--out", tmp_path]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    for name in ("vc_pairs.tsv", "references.tsv", "tts.tsv"):
        assert (tmp_path / name).read_bytes() == (RECIPE / "lists" / name).read_bytes(), name


def test_sentences_that_training_speakers_read_are_not_synthesised(tree, tmp_path):
    """With the corpus at hand they are known by their words: none is chosen, and those of a list that is given are told."""
    own = tmp_path / "before"
    assert prepare("vctk", tree, tmp_path / "data", "--make_lists", own).returncode == 0
    listed = [row["text_utt"] for row in read_tsv(own / "tts.tsv")]
    assert f"p225_{4:03d}" in listed
    written = (tree / "txt" / "p225" / "p225_004.txt").read_text()
    (tree / "txt" / "p226" / "p226_001.txt").write_text(f'  "{written.upper()}"!\n')
    found = prepare("vctk", tree, tmp_path / "data", "--lists", own, "--check_lists", "true")
    told = f"1 of the {len(listed)} sentences in {own / 'tts.tsv'} are read by training speakers too: p225_004"
    assert found.returncode == 0 and told in found.stdout, found.stdout
    assert prepare("vctk", tree, tmp_path / "data", "--make_lists", tmp_path / "after").returncode == 0
    assert [row["text_utt"] for row in read_tsv(tmp_path / "after" / "tts.tsv")] == [u for u in listed if u != "p225_004"]
    for name in ("vc_pairs.tsv", "references.tsv"):
        assert (tmp_path / "after" / name).read_bytes() == (own / name).read_bytes()


def test_fixed_lists_are_well_formed():
    lists = RECIPE / "lists"
    genders = read_table(lists / "spk2gender")
    unseen = next(line for line in (lists / "vqmivc.yaml").read_text().splitlines() if line.startswith("unseen"))
    speakers = unseen.partition("[")[2].rstrip("]").split(", ")
    assert len(speakers) == 20 and len(genders) == 109
    known = set((lists / "published_utts.txt").read_text().split())
    pairs, tts, references = (read_tsv(lists / f"{name}.tsv") for name in ("vc_pairs", "tts", "references"))
    assert len({row["id"] for row in pairs}) == len(pairs) == 200 and sum(row["cross_sex"] == "yes" for row in pairs) == 100
    assert {genders[row["target_spk"]] for row in pairs} == {"f", "m"}
    assert {row["target_spk"] for row in pairs} == {row["spk"] for row in references} == set(speakers)
    assert len({row["id"] for row in tts}) == len(tts) >= 50
    assert all(int(row["text_utt"][-3:]) > 24 for row in tts)  # the first 24 sentences are read by training speakers, too
    for row in pairs:
        source = row["source_utt"].split("_")[0]
        assert row["prompt_utt"].split("_")[0] == row["target_spk"] != source
        assert (genders[source] != genders[row["target_spk"]]) == (row["cross_sex"] == "yes")
    kept = {row[f"utt{k}"] for row in references for k in (1, 2, 3)}
    used = {row[k] for row in pairs for k in ("source_utt", "prompt_utt")} | {
        row[k] for row in tts for k in ("text_utt", "prompt_utt")
    }
    assert not kept & used and kept | used <= known


@pytest.mark.slow
@pytest.mark.skipif(not (GENUINE / "unpack.py").exists(), reason="the genuine fragment is not at hand (../shared/data)")
def test_the_genuine_fragment(tmp_path):
    subprocess.run([sys.executable, GENUINE / "unpack.py", tmp_path, "VCTK-Corpus"], check=True, capture_output=True)
    found = prepare("vctk", tmp_path / "VCTK-Corpus", tmp_path / "data", "--nj", "2")
    assert found.returncode == 0, found.stderr
    train, test = (read_datadir(tmp_path / "data" / name) for name in ("tr_no_dev", "eval1"))
    assert test.speakers == ["p243", "p258", "p273"] and len(train.utt_ids) == 7
    texts = [*train.utts["text"].values(), *test.utts["text"].values()]
    assert len({normalize_english(text) for text in texts}) == 1  # all read the same sentence
    for name in ("tr_no_dev", "eval1"):
        assert validate_datadir(tmp_path / "data" / name, rate_hz=48000).fatal == []


@pytest.mark.slow
def test_a_tree_as_large_as_the_corpus_is_prepared_in_time(tmp_path):
    """44,000 utterances: 90 s on two cores is 180 s of CPU time, which other work on the machine does not lengthen."""
    script, found = ROOT / "tests" / "bench" / "bench_vctk.py", tmp_path / "found.json"
    done = subprocess.run([sys.executable, script, "--folder", tmp_path, "--json", found], capture_output=True, text=True)
    assert found.exists(), done.stderr  # its status is 1 where the wall time was missed
    small, large = (json.loads(found.read_text())[key] for key in ("11000", "44000"))
    whole = large["stages 1 and 2"]
    assert whole["cpu_s"] <= 180 and whole["peak_mb"] <= 1024, done.stdout
    assert whole["cpu_s"] / small["stages 1 and 2"]["cpu_s"] <= 4.4, done.stdout
    assert large["data.py"]["cpu_s"] / small["data.py"]["cpu_s"] <= 4.4, done.stdout
    assert large["validate"]["cpu_s"] < 0.3 * large["data.py"]["cpu_s"]  # no file is decoded twice
