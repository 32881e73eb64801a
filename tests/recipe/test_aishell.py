"""AISHELL-1: data preparation on a generated tree and on the genuine utterance, its faults, the download, and a whole run."""

import shutil
import subprocess
import tarfile

import pytest
import soundfile
from aishell_tools import (
    ROOT,
    characters_of,
    check_configs,
    check_published_rows,
    check_whole_run,
    copy_of,
    describe,
    environment,
    load_local,
    make_tree,
    prepare,
    run_tiny,
    served,
    snapshot,
    tables,
)
from corpus_trees import GENUINE

from ctaplib.corpus.datadir import c_sorted
from ctaplib.corpus.validate import validate_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_table, read_tsv

RECIPE = ROOT / "egs" / "aishell"
FRAGMENT = GENUINE / "data_aishell"
TRANSCRIPT = "data_aishell/transcript/aishell_transcript_v0.8.txt"
WAV = "data_aishell/wav"
UNPACK = [RECIPE / "local/unpack.sh"]
needs_fragment = pytest.mark.skipif(not FRAGMENT.exists(), reason="the genuine fragment is not at hand (../shared/data)")


@pytest.fixture(scope="module")
def local():
    return load_local("aishell")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree that no test changes, and beside it the list of its test speakers."""
    base = tmp_path_factory.mktemp("aishell")
    return make_tree("aishell", base / "tree", "--lists", base / "lists", "--utts", 6)


@pytest.fixture
def own(tree, tmp_path):
    """A copy of the tree that a test may spoil."""
    shutil.copytree(tree, tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def packed(own):
    """The copy with an archive for every speaker, as data_aishell.tgz unpacks."""
    wav = own / WAV
    for speaker in sorted(wav.glob("*/S*")):
        with tarfile.open(wav / f"{speaker.name}.tar.gz", "w:gz") as archive:
            archive.add(speaker, speaker.relative_to(wav))
    for part in ("train", "dev", "test"):
        shutil.rmtree(wav / part)
    return own


@pytest.fixture(scope="module")
def prepared(tree, local, tmp_path_factory):
    data = tmp_path_factory.mktemp("prepared") / "data"
    local.make(tree, data, tree.parent / "lists", 1, 5.0)
    local.draw(data, tree.parent / "lists")
    return data


def make(local, corpus, data, max_dropped_pct=5.0):
    lists = data.parent / "lists"
    lists.mkdir(exist_ok=True)
    (lists / "test_speakers.txt").write_text("S0764 S0765 S0901 S0902\n")
    local.make(corpus, data, lists, 1, max_dropped_pct)
    return data


def rewrite(path, change):
    path.write_bytes(change(path.read_text()))


def dropped(data, name):
    return {row["utt"]: row["reason"] for row in read_tsv(data / name / "dropped.tsv")}


def test_a_sound_tree(tree, prepared):
    counts = {"train": (35, 6), "dev": (12, 2), "test": (23, 4)}
    for name, count in counts.items():
        report = validate_datadir(prepared / name, rate_hz=16000)
        assert report.faults == [] and (report.utts, report.speakers) == count
    line = (tree / TRANSCRIPT).read_text().splitlines()[0]
    assert "  " in line and read_table(prepared / "train/text")["BAC009S0002W0121"] == "".join(line.split()[1:])
    assert read_table(prepared / "train/utt2spk")["BAC009S0002W0121"] == "S0002"
    assert read_table(prepared / "test/spk2gender") == {"S0764": "f", "S0765": "m", "S0901": "f", "S0902": "m"}


def test_recordings_without_text_are_counted_and_listed(tree, prepared, tmp_path):
    found = prepare("aishell", tree, tmp_path / "data", "--lists", tree.parent / "lists")
    assert "train: 35 utterances of 6 speakers" in found.stdout
    assert "1 left out (dropped.tsv)" in found.stdout
    reason = "there is audio, but no line in transcript/aishell_transcript_v0.8.txt"
    assert dropped(prepared, "train") == {"BAC009S0002W0126": reason} and dropped(prepared, "dev") == {}
    assert dropped(prepared, "test") == {"BAC009S0764W0126": reason}


def test_the_lists_are_of_unseen_speakers_of_both_sexes(tree, prepared):
    pairs, tts, references = (read_tsv(prepared / "lists" / f"{name}.tsv") for name in ("vc_pairs", "tts", "references"))
    assert len({row["id"] for row in pairs}) == 200 and sum(row["cross_sex"] == "yes" for row in pairs) == 100
    assert len(tts) == 100 and {row["spk"] for row in references} == set(read_table(prepared / "test/spk2utt"))
    speaker, genders = read_table(prepared / "test/utt2spk"), read_table(prepared / "test/spk2gender")
    for row in pairs:
        source = speaker[row["source_utt"]]
        assert speaker[row["prompt_utt"]] == row["target_spk"] != source
        assert (genders[source] != genders[row["target_spk"]]) == (row["cross_sex"] == "yes")
    used = {row[key] for row in pairs for key in ("source_utt", "prompt_utt")} | {row["prompt_utt"] for row in tts}
    assert not used & {row[f"utt{k}"] for row in references for k in (1, 2, 3)}


def test_utterances_that_training_cannot_spell_are_in_no_list(own, local, tmp_path):
    rewrite(own / TRANSCRIPT, lambda text: text.replace("BAC009S0765W0122 ", "BAC009S0765W0122 拽 ").encode())
    data = make(local, own, tmp_path / "data")
    assert "BAC009S0765W0122" in read_table(data / "test/text")
    local.draw(data, tmp_path / "lists")
    assert all("BAC009S0765W0122" not in path.read_text() for path in (data / "lists").iterdir())


def test_published_speakers():
    speakers = (RECIPE / "lists/test_speakers.txt").read_text().split()
    assert len(set(speakers)) == 20 and speakers == c_sorted(speakers)


def test_nothing_is_written_to_the_corpus_and_tables_are_in_byte_order(tree, prepared, tmp_path):
    before = snapshot(tree)
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    found = prepare("aishell", tree, tmp_path / "data", "--lists", tree.parent / "lists", "--nj", 2, LC_ALL="zh_CN.UTF-8")
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    assert found.returncode == 0, found.stderr
    assert snapshot(tree) == before
    assert tables(tmp_path / "data") == tables(prepared)
    for (_, name), text in tables(prepared).items():
        if not name.endswith((".tsv", ".json")):
            keys = [line.split()[0].encode() for line in text.splitlines()]
            assert keys == sorted(keys)


def test_archives_of_speakers_that_are_not_unpacked(packed, local, tmp_path):
    with pytest.raises(DataError) as error:
        make(local, packed, tmp_path / "data")
    assert f"12 of the 12 archives in {packed / WAV} are not unpacked: S0002 S0003" in str(error.value)
    assert f"unpack them: local/unpack.sh --corpus_dir {packed / 'data_aishell'}" in str(error.value)
    assert not (tmp_path / "data").exists()


def test_archives_unpacked_half_way_and_to_the_end(packed, tree, local, tmp_path):
    wav = packed / WAV
    shutil.unpack_archive(wav / "S0003.tar.gz", wav)
    with pytest.raises(DataError, match=r"11 of the 12 archives in .* are not unpacked: S0002 S0004"):
        make(local, packed, tmp_path / "data")
    for said in ("12 archives, 11 unpacked now, 1 there before", "12 archives, 0 unpacked now, 12 there before"):
        done = subprocess.run([*UNPACK, "--corpus_dir", packed], capture_output=True, text=True, env=environment())
        assert done.returncode == 0 and said in done.stdout, done.stderr
    make(local, packed, tmp_path / "data")
    for path in (tree / WAV).rglob("*.wav"):
        assert (wav / path.relative_to(tree / WAV)).read_bytes() == path.read_bytes()


def test_an_archive_that_is_cut_or_unsafe(packed, tmp_path):
    wav = packed / WAV
    whole = (wav / "S0004.tar.gz").read_bytes()
    (wav / "S0004.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "evil.wav").write_bytes(b"")
    with tarfile.open(wav / "S0005.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "evil.wav", "../../evil.wav")
    done = subprocess.run([*UNPACK, "--corpus_dir", packed], capture_output=True, text=True, env=environment())
    assert done.returncode == 1 and "12 archives, 10 unpacked now" in done.stdout
    assert "S0004.tar.gz cannot be unpacked" in done.stderr and "S0005.tar.gz holds an unsafe member" in done.stderr
    assert not (wav / "train/S0004").exists() and not (packed / "evil.wav").exists()
    (wav / "S0004.tar.gz").write_bytes(whole)
    done = subprocess.run([*UNPACK, "--corpus_dir", packed], capture_output=True, text=True, env=environment())
    assert "12 archives, 1 unpacked now, 10 there before" in done.stdout and (wav / "train/S0004").is_dir()


def test_windows_line_ends_byte_order_mark_and_full_width_digits(own, tree, prepared, local, tmp_path):
    wide = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(ord("0"), ord("9") + 1)})
    place = own / TRANSCRIPT
    lines = place.read_text().splitlines()
    lines[0] += " ３"
    lines[1] = lines[1].translate(wide)
    place.write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
    rewrite(own / "resource_aishell/speaker.info", lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode())
    make(local, own, tmp_path / "data")
    found, expected = tables(tmp_path / "data"), tables(prepared)
    first = read_table(prepared / "train/text")["BAC009S0002W0121"]
    for key, text in found.items():
        wanted = expected[key].replace(f"BAC009S0002W0121 {first}\n", f"BAC009S0002W0121 {first}3\n")
        assert text.replace(str(own.resolve()), "") == wanted.replace(str(tree.resolve()), ""), key


def test_names_with_spaces_and_other_letters(own, local, tmp_path):
    place = tmp_path / "Größe 语料"
    own.rename(place)
    shutil.copy(place / WAV / "train/S0002/BAC009S0002W0121.wav", place / WAV / "train/S0002/录音 1.wav")
    make(local, place, tmp_path / "data", 10.0)
    report = validate_datadir(tmp_path / "data/train")
    assert report.fatal == [] and report.utts == 35
    assert "no line in transcript" in dropped(tmp_path / "data", "train")["录音 1"]


@pytest.mark.parametrize(
    ("content", "found", "fix"),
    [
        ((), "it holds nothing", "--corpus_dir DIR"),
        (("music/",), "it holds music", "--corpus_dir DIR"),
        (("data_aishell.tgz",), "it holds data_aishell.tgz", "unpack it: tar -xzf"),
        (("train/", "test/", "spk-info.txt"), "it holds spk-info.txt test train", "egs/aishell3"),
    ],
)
def test_the_wrong_folder(local, tmp_path, content, found, fix):
    for name in content:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(DataError) as error:
        local.find_corpus(tmp_path)
    assert f"{tmp_path} is not AISHELL-1: {found}" in str(error.value) and fix in str(error.value)
    assert "expected the unpacked archives of OpenSLR 33" in str(error.value)


def test_the_folder_of_the_audio_alone(tree, local):
    with pytest.raises(DataError, match=r"give the folder above it: --corpus_dir .*data_aishell$"):
        local.find_corpus(tree / WAV)


def test_the_folder_itself_or_the_one_above(tree, local):
    above, itself = local.find_corpus(tree), local.find_corpus(tree / "data_aishell")
    assert above.data == itself.data and itself.speakers.exists() and above.speakers.exists()


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("data_aishell/wav/dev", "data_aishell lacks wav/dev; it holds transcript wav"),
        ("data_aishell/transcript", "data_aishell lacks transcript/aishell_transcript_v0.8.txt; it holds wav"),
        ("resource_aishell", "resource_aishell/speaker.info is missing, which says who is a woman"),
    ],
)
def test_a_missing_part(own, local, part, found):
    shutil.rmtree(own / part)
    with pytest.raises(DataError) as error:
        local.find_corpus(own)
    assert found in str(error.value) and "to fix it: " in str(error.value)


def test_half_an_archive(own, local, tmp_path):
    data = make(local, own, tmp_path / "data")
    before = snapshot(data)
    for speaker in ("S0004", "S0006"):
        shutil.rmtree(own / WAV / "train" / speaker)
    with pytest.raises(DataError) as error:
        make(local, own, data)
    text = str(error.value)
    assert "wav/train: 13 of 36 utterances (36.1 %) cannot be used; nothing at all of 2 speakers: S0004 S0006" in text
    assert "unpack the archives again, whole" in text and snapshot(data) == before


def test_every_utterance_that_is_left_out_is_listed(own, local, tmp_path):
    wav = own / WAV / "train"
    (wav / "S0003/BAC009S0003W0121.wav").unlink()
    whole = (wav / "S0004/BAC009S0004W0121.wav").read_bytes()
    (wav / "S0004/BAC009S0004W0121.wav").write_bytes(whole[: len(whole) // 2])
    (wav / "S0004/BAC009S0004W0122.wav").write_bytes(b"")
    rewrite(
        own / TRANSCRIPT,
        lambda text: (
            "".join(f"{line.split()[0] if 'S0005W0121' in line else line}\n" for line in text.splitlines())
            + "BAC009S0006W0121 别的\nS0007 你好\n"
        ).encode(),
    )
    data = make(local, own, tmp_path / "data", 30.0)
    expected = {
        "BAC009S0002W0126": "there is audio, but no line in transcript",
        "BAC009S0003W0121": "there is text, but no audio wav/*/S0003/BAC009S0003W0121.wav",
        "BAC009S0004W0121": "fewer than its header says",
        "BAC009S0004W0122": "the file is empty (0 bytes)",
        "BAC009S0005W0121": "empty text",
        "BAC009S0006W0121": "the id was there before with other text, in line",
        "S0007": "expected a name like BAC009S0002W0122, then its text",
    }
    reasons = dropped(data, "train")
    assert reasons.keys() == expected.keys()
    assert all(part in reasons[utt] for utt, part in expected.items())
    kept = read_table(data / "train/utt2spk")
    assert len(kept) == 36 - 6 and not kept.keys() & reasons.keys()


def test_a_file_of_another_rate_is_kept_and_told(own, local, tmp_path, capsys):
    path = own / WAV / "dev/S0724/BAC009S0724W0121.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, samples[::2], 8000)
    data = make(local, own, tmp_path / "data")
    assert "dev: 1 files do not have the corpus's 16000 Hz: BAC009S0724W0121 (8000 Hz)" in capsys.readouterr().err
    assert [(row["utt"], row["rate_hz"]) for row in read_tsv(data / "dev/odd_rate.tsv")] == [("BAC009S0724W0121", "8000")]
    assert "BAC009S0724W0121" in read_table(data / "dev/wav.scp") and dropped(data, "dev") == {}


def test_a_recording_in_two_sets(own, local, tmp_path):
    shutil.copytree(own / WAV / "train/S0002", own / WAV / "test/S0002")
    with pytest.raises(DataError, match=r"6 recordings are in two sets(.|\n)*BAC009S0002W0121: in train and test"):
        make(local, own, tmp_path / "data")


def test_speakers_without_a_line_in_speaker_info(own, local, tmp_path):
    lines = (own / "resource_aishell/speaker.info").read_text().splitlines()
    (own / "resource_aishell/speaker.info").write_text("\n".join(["0002 X", *lines[2:]]) + "\n")
    with pytest.raises(DataError) as error:
        make(local, own, tmp_path / "data")
    assert "'0002 X', expected `0002 F`" in str(error.value) and "no line of S0003" in str(error.value)


def test_not_utf8(own, local, tmp_path):
    rewrite(own / TRANSCRIPT, lambda text: text.encode("gb18030"))
    with pytest.raises(DataError, match=r"aishell_transcript_v0.8.txt:\d+ is not UTF-8"):
        make(local, own, tmp_path / "data")


def test_what_can_be_told_without_audio_is_told_before_it_is_opened(own, local, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "open_all", lambda *_: pytest.fail("audio was opened"))
    rewrite(own / "resource_aishell/speaker.info", lambda text: text.replace("0901 F", "9999 F").encode())
    with pytest.raises(DataError, match=r"no line of S0901"):
        make(local, own, tmp_path / "data")
    shutil.rmtree(own / WAV / "test/S0902")
    with pytest.raises(DataError, match=r"nothing at all of 1 speaker: S0902"):
        make(local, own, tmp_path / "data")


def test_listed_speakers_that_the_corpus_lacks(tree, prepared, local, tmp_path):
    with pytest.raises(DataError, match=r"wav/test lacks speakers of .*test_speakers.txt: S0766 S0767"):
        local.make(tree, tmp_path / "data", RECIPE / "lists", 1, 5.0)
    with pytest.raises(DataError, match=r"16 speakers of .*test_speakers.txt cannot be used(.|\n)*S0766: it is not in"):
        local.draw(prepared, RECIPE / "lists")


def test_configs_of_all_sizes():
    check_configs("aishell")


def test_published_rows_stand_beside_ours():
    check_published_rows("aishell")


def test_download_unpacks_the_archives_of_speakers_too(packed, tree, tmp_path):
    recipe = copy_of("aishell", tmp_path / "checkout")
    archives = [tmp_path / f"{name}.tgz" for name in ("data_aishell", "resource_aishell")]
    for path in archives:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(packed / path.stem, path.stem)
    with served(tmp_path) as address:
        describe(recipe, "AISHELL-1", address, archives, "data_aishell")
        done = subprocess.run(["local/download.sh"], cwd=recipe, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "12 archives, 12 unpacked now" in done.stdout
    for path in tree.rglob("*.wav"):
        assert (recipe / "downloads" / path.relative_to(tree)).read_bytes() == path.read_bytes()
    assert (recipe / "downloads/resource_aishell/speaker.info").exists()


@needs_fragment
def test_the_genuine_utterance(own, local, tmp_path):
    with pytest.raises(DataError, match=r"data_aishell lacks wav/train wav/dev"):
        local.find_corpus(FRAGMENT)
    speaker = own / WAV / "dev/S0724"  # the fragment keeps a speaker of the dev set under test
    shutil.rmtree(speaker)
    shutil.copytree(FRAGMENT / "wav/test/S0724", speaker)
    lines = [line for line in (own / TRANSCRIPT).read_text().splitlines() if "S0724" not in line]
    (own / TRANSCRIPT).write_text("\n".join(lines) + "\n" + (FRAGMENT / "transcript/aishell_transcript_v0.8.txt").read_text())
    data = make(local, own, tmp_path / "data")
    assert read_table(data / "dev/text")["BAC009S0724W0121"] == "广州市房地产中介协会分析"
    report = validate_datadir(data / "dev", rate_hz=16000)
    assert report.faults == [] and report.utts == 7


@pytest.mark.slow
def test_all_stages_on_a_generated_tree(tmp_path):
    tree = make_tree("aishell", tmp_path / "corpus", "--lists", tmp_path / "lists")
    train = [line for line in (tree / TRANSCRIPT).read_text().splitlines() if "S000" in line]
    recipe = copy_of("aishell", tmp_path / "checkout")
    opts = f"--lists {tmp_path / 'lists'} --pairs 8 --sentences 4"
    status, output = run_tiny(recipe, tree, opts, characters_of(train))
    assert status == 0, output[-3000:]
    rows = check_whole_run(recipe)
    measured = {(row["task"], row["metric"]) for row in rows}
    assert measured >= {("asr", "per"), ("asr", "cer"), ("vc", "secs_target"), ("tts", "mcd_db")}
    assert {row["set"] for row in rows} == {"test"}
    phones = set(" ".join(read_table(recipe / "data_tiny/train/text.phn").values()).split())
    assert {"zh", "x", "e5"} <= phones and not any(phone.isdigit() for phone in phones)
    status, output = run_tiny(recipe, tree, opts, characters_of(train))
    assert status == 0 and "Nothing to do: all 14 stages asked for are current." in output
