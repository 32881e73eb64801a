"""What tests of data preparation share: generated trees (each made once), a recipe's data.py, snapshots of a tree."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
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


def tables(data: Path, corpus: Path) -> dict[str, str]:
    """The content of every table of every set, without the corpus's own path."""
    files = [path for path in sorted(data.glob("*/*")) if not path.name.startswith(".")]
    return {str(path.relative_to(data)): path.read_text(encoding="utf-8").replace(str(corpus), "") for path in files}


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take the right to write to anything in a folder away."""
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(path.stat().st_mode | 0o200)


WIDE = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("0"), ord("9") + 1)} | {",": "，", "%": "％"})


def from_windows(path: Path, text: str | None = None) -> None:
    """Write a text file as some editors do: byte-order mark, CR LF, digits, commas and per cent signs of full width."""
    text = path.read_text(encoding="utf-8") if text is None else text
    path.write_bytes(("\ufeff" + text.translate(WIDE).replace("\r\n", "\n").replace("\n", "\r\n")).encode())


def resample_file(path: Path, rate_hz: int) -> None:
    """Give one file another rate."""
    samples, _ = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples[::2], rate_hz, format=path.suffix[1:].upper(), subtype="PCM_16")
