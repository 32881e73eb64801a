"""AISHELL-3: data preparation on a generated tree and on the genuine fragment, its faults, the download, and a whole run."""

import re
import shutil
import subprocess
import sys
import tarfile

import numpy as np
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
)  # fmt: skip
from corpus_trees import GENUINE

from ctaplib.corpus.datadir import c_sorted, read_datadir
from ctaplib.corpus.validate import validate_datadir
from ctaplib.errors import DataError
from ctaplib.files import read_table, read_tsv
from ctaplib.text.pinyin_syllables import pinyin_phones

RECIPE = ROOT / "egs" / "aishell3"
FRAGMENT = GENUINE / "data_aishell3"
needs_fragment = pytest.mark.skipif(not FRAGMENT.exists(), reason="the genuine fragment is not at hand (../shared/data)")


@pytest.fixture(scope="module")
def local():
    return load_local("aishell3")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree that no test changes, and beside it the lists of its speakers."""
    base = tmp_path_factory.mktemp("aishell3")
    return make_tree("aishell3", base / "data_aishell3", "--lists", base / "lists", "--utts", 6)


@pytest.fixture
def own(tree, tmp_path):
    """A copy of the tree that a test may spoil."""
    shutil.copytree(tree, tmp_path / "data_aishell3")
    return tmp_path / "data_aishell3"


@pytest.fixture(scope="module")
def prepared(tree, local, tmp_path_factory):
    data = tmp_path_factory.mktemp("prepared") / "data"
    local.make(tree, data, tree.parent / "lists", 1, 5.0)
    local.draw(data, tree.parent / "lists")
    return data


def make(local, corpus, tree, data, max_dropped_pct=5.0):
    local.make(corpus, data, tree.parent / "lists", 1, max_dropped_pct)
    return data


def rewrite(path, change):
    path.write_bytes(change(path.read_text()))


def dropped(data, name):
    return {row["utt"]: row["reason"] for row in read_tsv(data / name / "dropped.tsv")}


def test_a_sound_tree(tree, prepared):
    counts = {"train": (36, 6), "dev": (12, 2), "test": (26, 6)}
    for name, count in counts.items():
        report = validate_datadir(prepared / name, rate_hz=44100)
        assert report.faults == [] and (report.utts, report.speakers) == count
        assert dropped(prepared, name) == {}
    train = read_datadir(prepared / "train")
    utt = "SSB00050005"  # an erhua syllable stands under two characters
    line = next(line for line in (tree / "train/content.txt").read_text().splitlines() if line.startswith(utt))
    assert line.endswith("花儿 huar1") and train.utts["text"][utt].endswith("花儿") and " " not in train.utts["text"][utt]
    said = [phone for pinyin in line.split()[2::2] for phone in pinyin_phones(pinyin)]
    assert train.utts["text.phn"][utt].split() == said and len(said) > len(line.split()) // 2
    assert int(train.utts["phn2word"][utt].split()[-1]) == len(line.split()) // 2 - 1
    assert train.spks["spk2gender"]["SSB0426"] == "f" and train.spks["spk2gender"]["SSB0073"] == "m"
    assert read_table(prepared / "train/text.prosody")[utt].replace("%", "").replace("$", "") == train.utts["text"][utt]
    assert [row["utt"] for row in read_tsv(prepared / "train/label_differs.tsv")] == ["SSB00050001"]


def test_the_lists_are_of_unseen_speakers_of_both_sexes(tree, prepared):
    lists = prepared / "lists"
    unseen = set((tree.parent / "lists/unseen_speakers.txt").read_text().split())
    pairs, tts, references = (read_tsv(lists / f"{name}.tsv") for name in ("vc_pairs", "tts", "references"))
    assert len({row["id"] for row in pairs}) == 200 and sum(row["cross_sex"] == "yes" for row in pairs) == 100
    assert len(tts) == 88 and {row["spk"] for row in references} == unseen
    speaker = read_table(prepared / "test/utt2spk")
    for row in pairs:
        assert speaker[row["prompt_utt"]] == row["target_spk"] != speaker[row["source_utt"]]
    used = {row[key] for row in pairs for key in ("source_utt", "prompt_utt")} | {row["prompt_utt"] for row in tts}
    assert {speaker[utt] for utt in used} == unseen
    assert not used & {row[f"utt{k}"] for row in references for k in (1, 2, 3)}


def test_the_lists_follow_from_the_corpus_alone(tree, prepared, local, tmp_path, capsys):
    make(local, tree, tree, tmp_path / "data")
    local.draw(tmp_path / "data", tree.parent / "lists")
    local.draw(prepared, tree.parent / "lists")
    first, second = re.findall(r"\(SHA-256 (\w{12})\)", capsys.readouterr().out)
    assert first == second
    for name in ("vc_pairs.tsv", "tts.tsv", "references.tsv"):
        assert (tmp_path / "data/lists" / name).read_bytes() == (prepared / "lists" / name).read_bytes()


def test_utterances_that_training_cannot_label_are_in_no_list(own, tree, local, tmp_path):
    rewrite(own / "test/content.txt", lambda text: text.replace("SSB06930002.wav\t", "SSB06930002.wav\t呣 m2 ").encode())
    data = make(local, own, tree, tmp_path / "data")
    assert "SSB06930002" in read_table(data / "test/text")
    local.draw(data, tree.parent / "lists")
    assert all("SSB06930002" not in path.read_text() for path in (data / "lists").iterdir())


def test_published_speakers():
    dev, unseen = ((RECIPE / "lists" / f"{name}_speakers.txt").read_text().split() for name in ("dev", "unseen"))
    assert (
        (len(dev), len(unseen)) == (11, 44) and dev == c_sorted(dev) and unseen == c_sorted(unseen) and not set(dev) & set(unseen)
    )


def test_nothing_is_written_to_the_corpus_and_tables_are_in_byte_order(tree, prepared, tmp_path):
    before = snapshot(tree)
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    found = prepare("aishell3", tree, tmp_path / "data", "--lists", tree.parent / "lists", "--nj", 2, LC_ALL="en_US.UTF-8")
    for path in (tree, *tree.rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    assert found.returncode == 0, found.stderr
    assert snapshot(tree) == before
    assert tables(tmp_path / "data") == tables(prepared)
    for (_, name), text in tables(prepared).items():
        if not name.endswith((".tsv", ".json")):
            keys = [line.split()[0].encode() for line in text.splitlines()]
            assert keys == sorted(keys)


def test_windows_line_ends_byte_order_mark_and_full_width_letters(own, tree, prepared, local, tmp_path):
    wide = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(ord("1"), ord("6"))})

    def change(text):
        lines = text.splitlines()
        name, _, said = lines[0].partition("\t")
        lines[0] = f"{name}\t{said.translate(wide)}"
        return ("\ufeff" + "\r\n".join(lines) + "\r\n").encode()

    for name in ("train/content.txt", "test/content.txt"):
        rewrite(own / name, change)
    rewrite(own / "spk-info.txt", lambda text: ("\ufeff" + text.replace("\n", "\r\n")).encode())
    make(local, own, tree, tmp_path / "data")
    found, expected = tables(tmp_path / "data"), tables(prepared)
    for key, text in found.items():
        assert text.replace(str(own.resolve()), "") == expected[key].replace(str(tree.resolve()), ""), key


def test_names_with_spaces_and_other_letters(own, tree, local, tmp_path):
    place = tmp_path / "Größe 语料"
    own.rename(place)
    (place / "train/wav/SSB0005/录音 1.wav").write_bytes((place / "train/wav/SSB0005/SSB00050001.wav").read_bytes())
    make(local, place, tree, tmp_path / "data")
    report = validate_datadir(tmp_path / "data/train")
    assert report.fatal == [] and report.utts == 36
    assert "no line in train/content.txt" in dropped(tmp_path / "data", "train")["录音 1"]


@pytest.mark.parametrize(
    ("content", "found", "fix"),
    [
        ((), "it holds nothing", "--corpus_dir DIR"),
        (("music/",), "it holds music", "--corpus_dir DIR"),
        (("data_aishell3.tgz",), "it holds data_aishell3.tgz", "unpack it: tar -xzf"),
        (("wav/", "content.txt"), "it holds content.txt wav", "give the folder above it"),
        (("data_aishell/",), "it holds data_aishell", "egs/aishell"),
    ],
)
def test_the_wrong_folder(local, tmp_path, content, found, fix):
    for name in content:
        (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).touch()
    with pytest.raises(DataError) as error:
        local.find_corpus(tmp_path)
    assert "is not AISHELL-3: it lacks spk-info.txt train/content.txt" in str(error.value)
    assert found in str(error.value) and fix in str(error.value) and "expected the unpacked archive" in str(error.value)


def test_no_folder_at_all(tmp_path):
    done = prepare("aishell3", tmp_path / "gone", tmp_path / "data")
    assert done.returncode == 1 and done.stderr.startswith(f"error: there is no folder {tmp_path / 'gone'}")


def test_the_folder_above(tree, local):
    assert local.find_corpus(tree.parent) == tree


def test_a_missing_part(own, local):
    shutil.rmtree(own / "test")
    (own / "spk-info.txt").unlink()
    with pytest.raises(
        DataError, match=r"it lacks spk-info.txt test/content.txt test/wav; it holds train.*a part of the archive"
    ):
        local.find_corpus(own)


def test_half_an_archive(own, tree, local, tmp_path):
    for spk in ("SSB0241", "SSB0426"):
        shutil.rmtree(own / "train/wav" / spk)
    with pytest.raises(DataError) as error:
        make(local, own, tree, tmp_path / "data")
    text = str(error.value)
    assert "12 of 48 utterances (25.0 %) cannot be used; nothing at all of 2 speakers: SSB0241 SSB0426" in text
    assert (
        "SSB02410001: there is text, but no audio train/wav/SSB0241/SSB02410001.wav" in text
        and "unpack the archive again" in text
    )
    assert not (tmp_path / "data").exists(), "nothing is written of half a corpus"


def test_what_can_be_told_without_audio_is_told_before_it_is_opened(own, tree, local, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "open_all", lambda *_: pytest.fail("audio was opened"))
    rewrite(own / "spk-info.txt", lambda text: text.replace("SSB1187", "SSB9999").encode())
    with pytest.raises(DataError, match=r"no line of SSB1187"):
        make(local, own, tree, tmp_path / "data")
    shutil.rmtree(own / "test/wav/SSB0693")
    with pytest.raises(DataError, match=r"nothing at all of 1 speaker: SSB0693"):
        make(local, own, tree, tmp_path / "data")


def test_an_earlier_data_directory_survives_a_fault(own, tree, local, tmp_path):
    data = make(local, own, tree, tmp_path / "data")
    before = snapshot(data)
    shutil.rmtree(own / "train/wav/SSB0241")
    with pytest.raises(DataError):
        make(local, own, tree, data)
    assert snapshot(data) == before


def test_every_utterance_that_is_left_out_is_listed(own, tree, local, tmp_path):
    wav = own / "train/wav"
    (wav / "SSB0005/SSB00050002.wav").unlink()
    shutil.copy(wav / "SSB0009/SSB00090001.wav", wav / "SSB0009/SSB00090099.wav")
    whole = (wav / "SSB0073/SSB00730001.wav").read_bytes()
    (wav / "SSB0073/SSB00730001.wav").write_bytes(whole[: len(whole) // 2])

    def change(text):
        lines = text.splitlines()
        at = {line[:11]: k for k, line in enumerate(lines)}
        lines[at["SSB02410001"]] = "SSB02410001.wav\t你 ni3 好"
        lines[at["SSB02410002"]] = "SSB02410002.wav\t你 ni 好 qqq3"
        lines[at["SSB02410003"]] = "SSB02410003.wav\t"
        lines.append("SSB02410004.wav\t别 bie2 的 de5")
        return "\n".join(lines).encode()

    rewrite(own / "train/content.txt", change)
    data = make(local, own, tree, tmp_path / "data", max_dropped_pct=30.0)
    reasons = dropped(data, "train")
    expected = {
        "SSB00050002": "there is text, but no audio train/wav/SSB0005/SSB00050002.wav",
        "SSB00090099": "there is audio, but no line in train/content.txt",
        "SSB00730001": "fewer than its header says",
        "SSB02410001": "3 words, expected characters and pinyin in turn",
        "SSB02410002": "no pinyin with a tone: 你 ni, 好 qqq3",
        "SSB02410003": "empty text",
        "SSB02410004": "the id was there before with other text, in line",
    }
    assert reasons.keys() == expected.keys()
    assert all(part in reasons[utt] for utt, part in expected.items())
    for utt in ("SSB02410001", "SSB02410002", "SSB02410003", "SSB02410004"):
        assert "train/content.txt:" in reasons[utt]
    kept = read_table(data / "train/utt2spk")
    assert len(kept) + len(reasons) == 37 and not kept.keys() & reasons.keys()


def test_a_file_of_another_rate_is_kept_and_told(own, tree, local, tmp_path, capsys):
    path = own / "test/wav/SSB0693/SSB06930001.wav"
    samples, _ = soundfile.read(path)
    soundfile.write(path, samples[::2], 22050)
    data = make(local, own, tree, tmp_path / "data")
    assert "test: 1 files do not have the corpus's 44100 Hz: SSB06930001 (22050 Hz)" in capsys.readouterr().err
    rows = read_tsv(data / "test/odd_rate.tsv")
    assert [(row["utt"], row["rate_hz"]) for row in rows] == [("SSB06930001", "22050")]
    assert "SSB06930001" in read_table(data / "test/wav.scp") and dropped(data, "test") == {}


def test_an_id_in_both_parts(own, tree, local, tmp_path):
    rewrite(own / "test/content.txt", lambda text: (text + "SSB00050001.wav\t你 ni3 好 hao3\n").encode())
    shutil.copy(own / "train/wav/SSB0005/SSB00050001.wav", own / "test/wav/SSB0005/SSB00050001.wav")
    with pytest.raises(DataError, match=r"1 utterances are in train/content.txt and in test/content.txt(.|\n)*SSB00050001"):
        make(local, own, tree, tmp_path / "data")


def test_speakers_without_a_line_in_spk_info(own, tree, local, tmp_path):
    lines = [line for line in (own / "spk-info.txt").read_text().splitlines() if not line.startswith(("SSB0009", "SSB0693"))]
    (own / "spk-info.txt").write_text("\n".join([*lines, "SSB0005\tB\twoman\tnorth"]) + "\n")
    with pytest.raises(DataError) as error:
        make(local, own, tree, tmp_path / "data")
    assert "woman" in str(error.value) and "no line of SSB0009" in str(error.value) and "no line of SSB0693" in str(error.value)


def test_not_utf8(own, tree, local, tmp_path):
    rewrite(own / "train/content.txt", lambda text: text.encode("gb18030"))
    with pytest.raises(DataError, match=r"content.txt:1 is not UTF-8"):
        make(local, own, tree, tmp_path / "data")


def test_listed_speakers_that_the_corpus_lacks(tree, prepared, local, tmp_path):
    with pytest.raises(DataError, match=r"lacks speakers of .*dev_speakers.txt: SSB0339 SSB0565 SSB0609"):
        local.make(tree, tmp_path / "data", RECIPE / "lists", 1, 5.0)
    lists = tmp_path / "lists"
    shutil.copytree(tree.parent / "lists", lists)
    with open(lists / "unseen_speakers.txt", "a") as out:
        out.write("SSB1745\nSSB0005\n")
    with pytest.raises(DataError, match=r"data_aishell3/test lacks speakers of .*unseen_speakers.txt: SSB1745"):
        local.make(tree, tmp_path / "data", lists, 1, 5.0)
    with pytest.raises(DataError, match=r"SSB1745: it is not in .*(.|\n)*SSB0005: it is in train or dev too"):
        local.draw(prepared, lists)


def test_pinyin(local):
    good = {
        "lü4": "lv4",
        "LV4": "lv4",
        "lu:4": "lv4",
        "nve4": "nve4",
        "er2": "er2",
        "zhuangr4": "zhuangr4",
        "r5": "r5",
        "m2": "m2",
    }
    assert {word: local.syllable(word) for word in good} == good
    assert [local.syllable(word) for word in ("ni", "ni6", "好", "3", "bx3", "zh4", "")] == [""] * 7


def test_configs_of_all_sizes():
    check_configs("aishell3")


def test_published_rows_stand_beside_ours():
    check_published_rows("aishell3")


def test_download_of_an_archive_without_a_folder_of_its_own(tree, tmp_path):
    recipe = copy_of("aishell3", tmp_path / "checkout")
    with tarfile.open(tmp_path / "data_aishell3.tgz", "w:gz") as archive:
        for path in sorted(tree.iterdir()):
            archive.add(path, path.name)
    with served(tmp_path) as address:
        describe(recipe, "AISHELL-3", address, [tmp_path / "data_aishell3.tgz"], "train")
        done = subprocess.run(["local/download.sh"], cwd=recipe, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "licence: Apache License 2.0" in done.stdout and "404" in done.stderr
    unpacked = recipe / "downloads/data_aishell3"
    for path in tree.rglob("*"):
        assert (unpacked / path.relative_to(tree)).exists()


@needs_fragment
def test_the_genuine_fragment_alone_is_said_to_be_a_part(local, tmp_path):
    with pytest.raises(DataError, match=r"it lacks spk-info.txt test/content.txt test/wav; it holds train"):
        local.find_corpus(FRAGMENT)
    items, readings = local.find(FRAGMENT, "train")
    made = local.make_set(local.open_all(items, 1))
    assert len(made.data.utt_ids) == 30 and made.reasons == {}
    assert made.data.utts["text"]["SSB00050112"] == "即便是一些高价低廉的别墅项目"
    _, differing = local.read_labels(FRAGMENT / "train/label_train-set.txt", readings)
    label_lines = len((FRAGMENT / "train/label_train-set.txt").read_text().splitlines())
    assert label_lines == 30 and len(differing) <= 1


def graft(tree, target):
    """The genuine training part beside the generated test part, as a corpus."""
    subprocess.run([sys.executable, GENUINE / "unpack.py", target, "data_aishell3"], check=True, capture_output=True)
    corpus = target / "data_aishell3"
    shutil.copytree(tree / "test", corpus / "test")
    shutil.copytree(tree / "train/wav", corpus / "train/wav", dirs_exist_ok=True)
    for name in ("content.txt", "label_train-set.txt"):
        with open(corpus / "train" / name, "a") as out:
            out.write((tree / "train" / name).read_text())
    genders = (tree / "spk-info.txt").read_text()
    known = {line[:7] for line in genders.splitlines()}
    others = c_sorted(path.name for path in (corpus / "train/wav").iterdir() if path.name not in known)
    (corpus / "spk-info.txt").write_text(genders + "".join(f"{spk}\tB\tfemale\tnorth\n" for spk in others))
    return corpus


@pytest.fixture(scope="module")
def larger(tmp_path_factory):
    """A tree with most phones in its training set, for whole runs."""
    base = tmp_path_factory.mktemp("larger")
    return make_tree("aishell3", base / "data_aishell3", "--lists", base / "lists")


def train_characters(corpus):
    lines = (corpus / "train/content.txt").read_text().splitlines()
    return characters_of(line for line in lines if line[:7] not in ("SSB0057", "SSB0273"))


@needs_fragment
@pytest.mark.slow
def test_all_stages_with_the_genuine_fragment(larger, tmp_path):
    """Thirty genuine training utterances among the generated ones: too few for a set of their own."""
    corpus, recipe = graft(larger, tmp_path / "genuine"), copy_of("aishell3", tmp_path / "checkout")
    opts = f"--lists {larger.parent / 'lists'} --pairs 8 --sentences 4"
    status, output = run_tiny(recipe, corpus, opts, train_characters(corpus))
    assert status == 0, output[-3000:]
    rows = check_whole_run(recipe)
    train = recipe / "data_tiny/train"
    assert len(read_table(train / "utt2spk")) == 60 + 30 - 2  # two of its speakers are the generated dev speakers
    genuine = "SSB00090181"
    said = [phone for pinyin in ("na4", "hen3", "bu4", "ming2", "zhi4") for phone in pinyin_phones(pinyin)]
    assert read_table(train / "text.phn")[genuine].split() == said
    assert soundfile.info(read_table(recipe / "dump_tiny/train/wav.scp")[genuine]).samplerate == 24000
    assert genuine in (train / "phones.ctm").read_text()
    assert {row["system"] for row in rows if row["task"] == "vc"} == {"vqctap", "finetuned", "natural"}


@pytest.mark.slow
def test_all_stages_on_a_generated_tree(larger, tmp_path):
    recipe = copy_of("aishell3", tmp_path)
    opts = f"--lists {larger.parent / 'lists'} --pairs 8 --sentences 4"
    status, output = run_tiny(recipe, larger, opts, train_characters(larger))
    assert status == 0, output[-3000:]
    rows = check_whole_run(recipe)
    assert {(row["task"], row["metric"]) for row in rows} >= {
        ("asr", "per"),
        ("asr", "cer"),
        ("vc", "secs_target"),
        ("tts", "mcd_db"),
    }
    assert {row["set"] for row in rows} == {"test"}
    frames = read_table(recipe / "dump_tiny/test/utt2num_frames")
    seconds = read_table(recipe / "data_tiny/test/utt2dur")
    assert np.allclose([int(frames[u]) / 100 for u in frames], [float(seconds[u]) for u in frames], atol=0.03)
    status, output = run_tiny(recipe, larger, opts, train_characters(larger))
    assert status == 0 and "Nothing to do: all 14 stages asked for are current." in output
