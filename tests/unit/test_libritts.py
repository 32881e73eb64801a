"""Data preparation of LibriTTS: a generated tree with the real layout's odd corners, its faults, and the genuine fragment."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
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

from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.validate import validate_datadir
from ctaplib.files import read_table, read_tsv

RECIPE = ROOT / "egs" / "libritts"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_tree("libritts", tmp_path_factory.mktemp("tree"), "--utts", "6") / "LibriTTS"


@pytest.fixture
def tree(whole, tmp_path):
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole, tmp_path / "LibriTTS"))


def reasons(data, name):
    return {row["utt"]: row["reason"] for row in read_tsv(data / name / "dropped.tsv")}


def test_sets_chapters_and_order(whole, tmp_path):
    before = snapshot(whole)
    found = prepare("libritts", whole, tmp_path, "--nj", "2", "--speech_only", "train-other-500")
    assert found.returncode == 0, found.stderr
    assert snapshot(whole) == before  # nothing is written into the corpus
    sets = {name: read_datadir(tmp_path / name) for name in ("train-clean-460", "dev-clean", "test-clean", "train-other-500")}
    assert sets["train-clean-460"].speakers == ["100", "103", "1034", "14"]
    assert sets["test-clean"].spks["spk2gender"] == {"121": "f", "237": "f", "1089": "m", "260": "m"}
    assert "text" not in sets["train-other-500"].utts and len(sets["train-other-500"].utt_ids) == 12
    train = read_table(tmp_path / "train-clean-460" / "utt2spk")
    assert [*train.values()] == sorted(train.values())  # speakers sort as utterances do, 103 and 1034 too: Kaldi's condition
    chapters = read_table(tmp_path / "train-clean-460" / "utt2chapter")
    assert chapters.keys() == train.keys() and {"103-1240", "103-1241"} < set(chapters.values())
    text = sets["test-clean"].utts["text"]
    assert text["237-126133-000002-000001"].endswith('," he said.') and text["237-126133-000003-000002"].isupper()
    for name in sets:
        assert validate_datadir(tmp_path / name, rate_hz=24000).fatal == []


def test_a_part_alone_and_the_restored_corpus(tmp_path):
    restored = make_tree("libritts", tmp_path, "--utts", "3", "--restored") / "LibriTTS_R"
    shutil.rmtree(restored / "train-clean-360")
    (restored / "speakers.tsv").unlink()  # SPEAKERS.txt says the same
    found = prepare("libritts", restored, tmp_path / "data", "--train_set", "train-clean-100")
    assert found.returncode == 0, found.stderr
    assert read_datadir(tmp_path / "data" / "train-clean-100").spks["spk2gender"] == {"103": "f", "1034": "m"}


def test_any_folder_of_audio_for_the_speech_only_branch(whole, tmp_path):
    other = tmp_path / "Reden & Vorträge" / "Anna Müller"
    other.mkdir(parents=True)
    for number, source in enumerate(sorted((whole / "train-other-500").rglob("*.wav"))[:4]):
        shutil.copyfile(source, other / f"Folge {number}.wav")
    resample_file(other / "Folge 0.wav", 12000)
    (other.parent / "张三").mkdir()
    shutil.copyfile(other / "Folge 1.wav", other.parent / "张三" / "一.wav")
    found = prepare("libritts", whole, tmp_path / "data", "--speech_only", str(other.parent))
    assert found.returncode == 0, found.stderr
    data = read_datadir(tmp_path / "data" / "speech")
    assert data.speakers == ["Anna-Müller", "张三"] and [u for u in data.utt_ids if u.startswith("Anna")] == [
        f"Anna-Müller-Folge-{n}" for n in range(4)
    ]  # of any rate, the first file's as well
    assert data.utt_ids[-1] == "张三-一"
    assert validate_datadir(tmp_path / "data" / "speech").fatal == []
    assert "no part and no folder" in refused("libritts", whole, tmp_path / "d", "--speech_only", "train-other-5000")
    (tmp_path / "empty").mkdir()
    assert "holds no audio" in refused("libritts", whole, tmp_path / "d", "--speech_only", str(tmp_path / "empty"))


def test_the_wrong_folder_and_a_missing_part(tree, tmp_path):
    message = refused("libritts", tree.parent, tmp_path / "data")
    assert "is not LibriTTS: it holds" in message and f"--corpus_dir {tree}" in message
    shutil.rmtree(tree / "train-clean-360")
    message = refused("libritts", tree, tmp_path / "data")
    assert "lacks train-clean-360; it holds" in message and "--train_set train-clean-100" in message
    shutil.rmtree(tree / "dev-clean")
    message = refused("libritts", tree, tmp_path / "data")
    assert "lacks train-clean-360 dev-clean" in message and "fetch the missing parts" in message
    assert "--train_set" not in message, "another training set would not help"
    shutil.copytree(tree / "test-clean", tree / "dev-clean")
    (tree / "speakers.tsv").unlink()
    (tree / "SPEAKERS.txt").unlink()
    assert "neither speakers.tsv nor SPEAKERS.txt" in refused("libritts", tree, tmp_path / "d", "--train_set", "train-clean-100")
    assert not (tmp_path / "data").exists()


def test_half_an_archive_is_refused(tree, tmp_path):
    """As an unpacking leaves it that stopped: folders and texts are there, half of the audio is not."""
    wavs = sorted((tree / "dev-clean").rglob("*.wav"))
    for path in wavs[len(wavs) // 2 :]:
        path.unlink()
    message = refused("libritts", tree, tmp_path / "data")
    assert "dev-clean: 6 of 12 utterances (50.0 %) cannot be used" in message
    assert "unpack dev-clean.tar.gz again" in message and str(wavs[-1].with_suffix(".normalized.txt")) in message
    shutil.rmtree(tree / "dev-clean")
    (tree / "dev-clean").mkdir()
    assert "dev-clean: 0 of 0 utterances" in refused("libritts", tree, tmp_path / "data")
    for path in (tree / "train-clean-100").rglob("*.normalized.txt"):
        path.unlink()
    assert "12 of 12 utterances (100.0 %) cannot be used; nothing at all of 2 speakers" in refused(
        "libritts", tree, tmp_path / "data"
    )
    assert not (tmp_path / "data").exists()


def test_an_utterance_in_two_parts_is_refused(tree, tmp_path):
    shutil.copytree(tree / "train-clean-100" / "103" / "1240", tree / "train-clean-360" / "103" / "1240")
    message = refused("libritts", tree, tmp_path / "data")
    assert "3 utterances occur twice" in message and "remove one of the two copies" in message
    assert "103-1240-000001-000000: " in message and "/train-clean-100/" in message and "/train-clean-360/" in message


def test_a_speaker_in_training_and_test_is_refused(tree, tmp_path):
    source = tree / "test-clean" / "237" / "126133"
    (tree / "train-clean-100" / "237").mkdir()
    shutil.move(source, tree / "train-clean-100" / "237" / "126133")
    extra = tree / "test-clean" / "237" / "9"
    extra.mkdir(parents=True)
    for ending in ("wav", "normalized.txt"):
        file = next((tree / "train-clean-100" / "237" / "126133").glob(f"*_000000.{ending}"))
        shutil.copyfile(file, extra / f"237_9_000001_000000.{ending}")
    message = refused("libritts", tree, tmp_path / "data")
    assert "237: train-clean-460 and test-clean" in message


def test_bad_files_are_left_out_with_their_reasons(tree, tmp_path):
    folder = tree / "test-clean" / "121" / "121726"
    wavs = sorted(folder.glob("*.wav"))
    wavs[0].write_bytes(b"")
    wavs[1].write_bytes(wavs[1].read_bytes()[:3000])
    samples, rate = soundfile.read(wavs[2])
    soundfile.write(wavs[2], samples * 0.0, rate)
    message = refused("libritts", tree, tmp_path / "data")
    assert (
        "3 of 24 utterances (12.5 %) cannot be used" in message and "at most 5 %" in message and not (tmp_path / "data").exists()
    )
    found = prepare("libritts", tree, tmp_path / "data", "--max_dropped_pct", "15")
    assert found.returncode == 0 and "test-clean: 21 utterances of 4 speakers" in found.stdout
    found_reasons = list(reasons(tmp_path / "data", "test-clean").values())
    for part, path, reason in zip(found_reasons, wavs, ("the file is empty", "fewer than its header says", "it is silent")):
        assert str(path) in part and reason in part


@pytest.mark.parametrize("locale", ["C", "de_DE.UTF-8"])
def test_a_corpus_that_cannot_be_written_to_under_any_locale(whole, tree, tmp_path, monkeypatch, locale):
    assert prepare("libritts", whole, tmp_path / "expected").returncode == 0
    before = snapshot(tree)
    monkeypatch.setenv("LC_ALL", locale)
    with read_only(tree):
        found = prepare("libritts", tree, tmp_path / "data", "--nj", "2")
    assert found.returncode == 0, found.stderr
    made = tables(tmp_path / "data", tree)
    assert snapshot(tree) == before and made == tables(tmp_path / "expected", whole)
    for name, text in made.items():
        keys = [line.split()[0].encode() for line in text.splitlines()]
        assert name.endswith((".tsv", ".json")) or keys == sorted(keys), name


@pytest.mark.parametrize("table,other", [("speakers.tsv", "SPEAKERS.txt"), ("SPEAKERS.txt", "speakers.tsv")])
def test_windows_line_ends_byte_order_marks_and_full_width_signs(whole, tree, tmp_path, table, other):
    said, place = "It cost 123 pounds, or 7%.", Path("test-clean/121/121726/121_121726_000001_000000.normalized.txt")
    plain = shutil.copytree(whole, tmp_path / "plain")
    (plain / place).write_text(said)
    from_windows(tree / place, said)
    for path in (tree / "train-clean-100").rglob("*.normalized.txt"):
        written = path.read_text()
        from_windows(path, written + "\n")
    (tree / other).unlink()
    rows = [line for line in (tree / table).read_text().splitlines(keepends=True) if line[0].isdigit()]  # no header either
    from_windows(tree / table, "".join(rows))
    for corpus, data in ((tree, "data"), (plain, "expected")):
        found = prepare("libritts", corpus, tmp_path / data)
        assert found.returncode == 0, found.stderr
    made = tables(tmp_path / "data", tree)
    assert f"121-121726-000001-000000 {said}\n" in made["test-clean/text"] and "，" not in made["train-clean-460/text"]
    assert made == tables(tmp_path / "expected", plain)


def test_names_with_spaces_and_other_letters(tree, tmp_path):
    odd = tree.parent / "Stimmen für später" / "LibriTTS"
    odd.parent.mkdir()
    tree.rename(odd)
    found = prepare("libritts", odd, tmp_path / "data")
    assert found.returncode == 0, found.stderr
    assert validate_datadir(tmp_path / "data" / "test-clean").fatal == []


def test_a_file_of_another_rate_is_kept_and_told(tree, tmp_path):
    wav = sorted((tree / "test-clean" / "121" / "121726").glob("*.wav"))[0]
    resample_file(wav, 12000)
    found = prepare("libritts", tree, tmp_path / "data")
    utt = wav.stem.replace("_", "-")
    assert found.returncode == 0
    assert f"test-clean: 1 files do not have the corpus's 24000 Hz: {utt} (12000 Hz)" in found.stderr
    data = tmp_path / "data" / "test-clean"
    assert [row["utt"] for row in read_tsv(data / "odd_rate.tsv")] == [utt] and utt in read_table(data / "wav.scp")
    assert reasons(tmp_path / "data", "test-clean") == {} and read_tsv(tmp_path / "data" / "dev-clean" / "odd_rate.tsv") == []


def test_fixed_lists_are_well_formed():
    lists = RECIPE / "lists"
    genders = read_table(lists / "spk2gender")
    known = set((lists / "published_utts.txt").read_text().split())
    pairs, tts, references = (read_tsv(lists / f"{name}.tsv") for name in ("vc_pairs", "tts", "references"))
    assert len({row["id"] for row in pairs}) == len(pairs) == 200 and sum(row["cross_sex"] == "yes" for row in pairs) == 100
    assert {row["target_spk"] for row in pairs} == {row["spk"] for row in references} == set(genders)
    assert len({row["id"] for row in tts}) == len(tts) >= 40 and {row["set"] for row in (*pairs, *tts, *references)} == {
        "test-clean"
    }
    for row in pairs:
        source = row["source_utt"].split("-")[0]
        assert row["prompt_utt"].split("-")[0] == row["target_spk"] != source
        assert (genders[source] != genders[row["target_spk"]]) == (row["cross_sex"] == "yes")
    kept = {row[f"utt{k}"] for row in references for k in (1, 2, 3)}
    used = {row[k] for row in (*pairs, *tts) for k in ("source_utt", "text_utt", "prompt_utt") if k in row}
    assert not kept & used and kept | used <= known


@pytest.mark.slow
@pytest.mark.skipif(not (GENUINE / "unpack.py").exists(), reason="the genuine fragment is not at hand (../shared/data)")
def test_the_genuine_fragment(tmp_path):
    """Two utterances of test-clean, in a tree whose other parts are generated."""
    tree = make_tree("libritts", tmp_path / "tree", "--utts", "3") / "LibriTTS"
    subprocess.run([sys.executable, GENUINE / "unpack.py", tmp_path, "LibriTTS"], check=True, capture_output=True)
    shutil.rmtree(tree / "test-clean")
    shutil.copytree(tmp_path / "LibriTTS" / "test-clean", tree / "test-clean")
    with open(tree / "speakers.tsv", "a") as out:
        out.write("8455\tM\ttest-clean\tN. N.\n8463\tF\ttest-clean\tN. N.\n")
    found = prepare("libritts", tree, tmp_path / "data")
    assert found.returncode == 0, found.stderr
    data = read_datadir(tmp_path / "data" / "test-clean")
    assert data.utts["text"]["8455-210777-000067-000000"] == "This I read with great attention, while they sat silent."
    assert validate_datadir(tmp_path / "data" / "test-clean", rate_hz=24000).fatal == []
