"""What tests of data preparation share: generated trees (each made once), a recipe's data.py, snapshots of a tree."""

import os
import subprocess
import sys
from pathlib import Path

import soundfile

ROOT = Path(__file__).resolve().parents[2]
GENUINE = Path(os.environ.get("CTAP_SHARED_DATA", ROOT.parent / "shared" / "data"))


def make_tree(corpus: str, dest: Path, *options: str) -> Path:
    script = ROOT / "tests" / "trees" / "make_tree.py"
    done = subprocess.run([sys.executable, script, corpus, dest, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dest


def prepare(recipe: str, corpus: Path, data: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run local/data.py of a recipe; the fixed lists are those of the whole corpus and are not checked unless asked for."""
    script = ROOT / "egs" / recipe / "local" / "data.py"
    lists = () if "--check_lists" in words or "--make_lists" in words else ("--check_lists", "false")
    command = [sys.executable, script, "--corpus_dir", corpus, "--data", data, *lists, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def refused(recipe: str, corpus: Path, data: Path, *words: str) -> str:
    """Its message; it must fail without a traceback, leave the corpus as it was and write no set."""
    before = snapshot(corpus)
    found = prepare(recipe, corpus, data, *words)
    assert found.returncode == 1 and found.stderr.startswith("error: ") and "Traceback" not in found.stderr, found.stderr
    assert snapshot(corpus) == before
    return found.stderr


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of every file, and every folder's time of change."""
    if not folder.exists():
        return {}
    found = {str(p.relative_to(folder)): p.stat() for p in [folder, *folder.rglob("*")]}
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


def resample_file(path: Path, rate_hz: int) -> None:
    """Give one file another rate."""
    samples, _ = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::2], rate_hz, format=path.suffix[1:].upper(), subtype="PCM_16")
