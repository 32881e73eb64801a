"""Who made a number: the config hash and seed of a run, the commit, the machine."""

import os
import platform
from importlib import metadata
from pathlib import Path

from ctaplib.config_file import read_saved
from ctaplib.evaluate.results import Identity


def identity(run: Path | None, commit_: str | None, command: str | None) -> Identity:
    """Hash and seed of a trained run from its `config.yaml`; both None for a system that nothing of ours trained.

    A run that was made by another command says so in a file `command`.
    """
    if run is not None and (run / "command").exists():
        command = (run / "command").read_text(encoding="utf-8").strip()
    if run is None or not (run / "config.yaml").exists():
        return Identity(commit=commit_, command=command)
    saved = read_saved(run / "config.yaml")
    seed = saved.get("seed")
    return Identity(saved.get("config_hash"), int(seed) if seed is not None else None, commit_, command)


def environment() -> dict[str, str]:
    """The lines of a report's header; nothing heavy is imported."""
    lines = {
        "machine": f"{platform.machine()}, {_processor()}, {os.cpu_count()} CPU cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for package in (
        "torch",
        "numpy",
        "jiwer",
        "Resemblyzer",
        "pesq",
        "pystoi",
        "pyworld",
        "mel-cepstral-distance",
    ):
        try:
            lines[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            lines[package] = "not installed"
    return lines


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"
