"""The machine and the versions of packages behind the results."""

import os
import platform
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "numpy", "rapidfuzz", "Resemblyzer", "pesq", "pystoi", "pyworld", "mel-cepstral-distance")


def environment() -> dict[str, str]:
    """Return the lines of a report's header: machine, system, versions of packages, none of which is imported."""
    lines = {
        "machine": f"{platform.machine()}, {_processor()}, {os.cpu_count()} CPU cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            lines[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            lines[package] = "not installed"
    return lines


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")
