"""Data preparation of speechocean762: a made-up corpus with its layout's odd corners, and the genuine one where it is at hand."""

import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from corpus_trees import GENUINE

from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.validate import validate_datadir
from ctaplib.files import read_table, read_tsv

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs" / "speechocean762"


def prepare(corpus: Path, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, RECIPE / "local" / "data.py", "--corpus_dir", corpus, "--data", data, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two dev speakers, two training speakers and a test speaker, tab-separated as the corpus is."""
    folder = tmp_path / "speechocean762"
    phones = []
    for part, speakers in (("train", ["0135", "1029", "0036", "0482"]), ("test", ["0024"])):
        rows: dict[str, list[str]] = {"wav.scp": [], "text": [], "utt2spk": [], "spk2gender": []}
        for spk in speakers:
            rows["spk2gender"].append(f"{spk}\tf")
            (folder / "WAVE" / f"SPEAKER{spk}").mkdir(parents=True)
            for k in (1, 2):
                utt = f"0{spk}000{k}"
                wav = f"WAVE/SPEAKER{spk}/{utt}.WAV"
                soundfile.write(folder / wav, 0.1 * np.sin(np.arange(16000) * 0.05), 16000, format="WAV", subtype="PCM_16")
                rows["wav.scp"].append(f"{utt}\t{wav}")
                rows["text"].append(f"{utt}\tMARK IS")
                rows["utt2spk"].append(f"{utt} {spk}")
                phones += [f"{utt}.0\tM_B AA2_I R_I K_E", f"{utt}.1\tIH_B Z_E"]
        (folder / part).mkdir()
        for name, lines in rows.items():
            (folder / part / name).write_text("\n".join(lines) + "\n")
    (folder / "resource").mkdir()
    (folder / "resource" / "text-phone").write_text("\n".join(phones) + "\n")
    return folder


def test_a_corpus_without_the_dev_speakers_is_refused(corpus: Path, tmp_path: Path) -> None:
    found = prepare(corpus, tmp_path / "data")
    # five of the seven dev speakers are not in this corpus
    assert found.returncode == 1 and "lacks speakers of the subset or of lists/dev_speakers.txt: 1260 2380" in found.stderr


def test_phones_words_and_reasons(corpus: Path) -> None:
    (corpus / "WAVE/SPEAKER0036/000360002.WAV").unlink()
    text = (corpus / "test/text").read_text()
    (corpus / "test/text").write_text(text.replace("000240002\tMARK IS", "000240002\tMARK IS HERE"))
    module = runpy.run_path(str(RECIPE / "local" / "data.py"))
    made = module["make_set"](module["look"](module["find"](corpus, "train"), 1))
    data, reasons = made.data, made.reasons
    assert data.utts["text"]["000360001"] == "mark is"
    assert data.utts["text.phn"]["000360001"] == "M AA1 R K IH0 Z" and data.utts["phn2word"]["000360001"] == "0 0 0 0 1 1"
    assert list(reasons) == ["000360002"] and "the file is missing" in reasons["000360002"]
    reasons = {item.name: item.reason for item in module["find"](corpus, "test") if item.reason}
    assert reasons == {"000240002": "3 words, but phones of 2"}


def test_another_folder_is_not_the_corpus(tmp_path: Path) -> None:
    found = prepare(tmp_path, tmp_path / "data")
    assert found.returncode == 1 and "is not speechocean762: it lacks WAVE" in found.stderr and "--corpus_dir" in found.stderr


def test_fixed_lists_are_well_formed() -> None:
    lists = RECIPE / "lists"
    chosen = (lists / "speakers_100spk.txt").read_text().split()
    dev = (lists / "dev_speakers.txt").read_text().split()
    assert len(chosen) == 100 and len(dev) == 7 and set(dev) < set(chosen)
    pairs, tts, references = (read_tsv(lists / f"{name}.tsv") for name in ("vc_pairs", "tts", "references"))
    for name in ("test_100spk", "test"):
        own = [row for row in pairs if row["set"] == name]
        assert len({row["id"] for row in own}) == 120 and sum(row["cross_sex"] == "yes" for row in own) == 60
        assert len([row for row in tts if row["set"] == name]) == 66
        assert len([row for row in references if row["set"] == name]) == 33
    kept = {row[f"utt{k}"] for row in references for k in (1, 2, 3)}
    used = {row[k] for row in pairs for k in ("source_utt", "prompt_utt")} | {row["prompt_utt"] for row in tts}
    assert not kept & used and not {row["target_spk"] for row in pairs} & set(dev)


@pytest.mark.slow
@pytest.mark.skipif(not (GENUINE / "unpack.py").exists(), reason="the genuine fragment is not at hand (../shared/data)")
def test_the_genuine_fragment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, GENUINE / "unpack.py", tmp_path, "speechocean762"], check=True, capture_output=True)
    found = prepare(tmp_path / "speechocean762", tmp_path / "data", "--subset", "100spk", "--nj", "2")
    assert found.returncode == 0, found.stderr
    sizes = {"train_100spk": (1200, 60), "dev_100spk": (140, 7), "test_100spk": (660, 33)}
    for name, size in sizes.items():
        report = validate_datadir(tmp_path / "data" / name, nj=2, rate_hz=16000)
        assert report.fatal == [] and (report.utts, report.speakers) == size
    test = read_datadir(tmp_path / "data" / "test_100spk")
    genders = test.spks["spk2gender"]
    for row in read_tsv(RECIPE / "lists" / "vc_pairs.tsv"):
        source = test.utts["utt2spk"][row["source_utt"]]
        assert test.utts["utt2spk"][row["prompt_utt"]] == row["target_spk"] != source
        assert (genders[source] != genders[row["target_spk"]]) == (row["cross_sex"] == "yes")
    assert set(read_table(tmp_path / "data/test_100spk/text.phn")) == set(test.utt_ids)
    shutil.rmtree(tmp_path / "speechocean762")
