"""Version of the code."""

import subprocess
from pathlib import Path


def commit() -> str | None:
    """Return the commit of the checkout, with `+changes` where files of the library differ; None outside a checkout."""
    folder = Path(__file__).resolve().parents[1]
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=20)
    return done.stdout.strip()
