"""ESPnet2, in an environment of its own, reads our data directories and features."""

import json
import subprocess
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
RATE_HZ = 16000


@pytest.fixture
def made(tmp_path):
    """A data directory of three utterances and its features."""
    folder = tmp_path / "data/train"
    folder.mkdir(parents=True)
    tables = {name: [] for name in ("wav.scp", "text", "utt2spk", "text.phn")}
    for number, seconds in enumerate((0.5, 0.8, 1.1)):
        utterance = f"spk-{number}"
        times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
        soundfile.write(tmp_path / f"{utterance}.wav", 0.3 * np.sin(2 * np.pi * 150 * times), RATE_HZ)
        tables["wav.scp"].append(f"{utterance} {tmp_path}/{utterance}.wav")
        tables["text"].append(f"{utterance} word number {number}")
        tables["utt2spk"].append(f"{utterance} spk")
        tables["text.phn"].append(f"{utterance} a b c")
    tables["spk2utt"] = ["spk spk-0 spk-1 spk-2"]
    for name, lines in tables.items():
        (folder / name).write_text("\n".join(lines) + "\n")
    command = [Path(sys.executable).parent / "ctap", "features", "--sets", "train", "--train_set", "train"]
    config = ["--config", ROOT / "conf/features/16k.yaml"]
    subprocess.run([*command, *config], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.mark.slow
def test_espnet_reads_data_and_features(made):
    subprocess.run([ROOT / "tools/install_espnet.sh"], check=True, capture_output=True, text=True)
    reader = [ROOT / "tools/espnet_venv/bin/python", Path(__file__).with_name("read_with_espnet.py")]
    places = [made / "data/train", made / "dump/train"]
    done = subprocess.run([*reader, *places], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    found = json.loads(line.removeprefix("FOUND "))
    features = kaldiio.load_scp(str(made / "dump/train/feats.scp"))
    assert sorted(found) == ["spk-0", "spk-1", "spk-2"]
    for utterance, row in found.items():
        assert row["text"] == f"word number {utterance[-1]}" and row["speaker"] == "spk"
        frames = len(features[utterance])
        assert row["shapes"]["feats"] == [frames, 80] and row["shapes"]["f0"] == [frames]
        assert row["shapes"]["speech"][0] // 160 == frames
        assert row["mean"] == pytest.approx(features[utterance].mean(), rel=1e-4)
