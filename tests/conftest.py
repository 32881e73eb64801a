"""What many tests share: a tiny corpus with features, tokens and phone times, made once for all processes."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETS = "train dev train_speech test_seen test_unseen"
sys.path.insert(0, str(Path(__file__).parent / "unit"))


def ctap(*words: str | Path, cwd: Path, **env: str) -> None:
    """Run a command of ctap in its own process."""
    subprocess.run(
        [sys.executable, "-m", "ctaplib.cli.main", *map(str, words)],
        cwd=cwd,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **env},
    )


def make_tiny(folder: Path) -> None:
    """Two minutes of speech in Kaldi directories, with features, token lists and true phone times."""
    mini = ROOT / "egs" / "mini"
    words = ["--size", "tiny", "--data", folder / "data", "--audio", folder / "wav", "--nj", "2"]
    subprocess.run([sys.executable, mini / "local" / "data.py", *map(str, words)], check=True, cwd=mini)
    places = ["--data", "data", "--dump", "dump", "--train_set", "train", "--nj", "2"]
    labelled = SETS.replace("train_speech ", "")
    ctap(
        "text",
        "prepare",
        *places,
        "--sets",
        labelled,
        "--config",
        mini / "conf" / "text.yaml",
        "--set",
        "max_dropped_pct=40",
        cwd=folder,
    )
    ctap("features", *places, "--sets", SETS, "--config", mini / "conf" / "features.yaml", cwd=folder)
    for name in labelled.split():
        shutil.copyfile(folder / "data" / name / "phones_true.ctm", folder / "data" / name / "phones.ctm")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `data/` and `dump/` of the tiny corpus; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "tiny"
    with open(base / "tiny.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            folder.mkdir(exist_ok=True)
            make_tiny(folder)
            (folder / "done").touch()
    return folder
