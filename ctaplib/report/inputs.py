"""What the report shows beside results and audio: codes with their phones, prompt vectors, stage times, the machine."""

import json
import os
import platform
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import read_ctm
from ctaplib.evaluate.frames import label_frames
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.probes import evenly_spaced
from ctaplib.phones import SILENCE, fold

MOST_POINTS = 600
_PACKAGES = ("torch", "numpy", "rapidfuzz", "Resemblyzer", "pesq", "pystoi", "pyworld", "mel-cepstral-distance")


@dataclass(frozen=True)
class CodeMap:
    """The codes that occur in a set: vectors (codes, d), the phone that each mostly falls on (folded), and frames of each."""

    vectors: np.ndarray
    phones: list[str]
    counts: np.ndarray


def code_map(inputs: Inputs, set_: str) -> CodeMap | None:
    """Read vector, phone and frequency of every code that occurs; None where something is missing."""
    folder, ctm = inputs.codes(set_), inputs.data / set_ / "phones.ctm"
    if not all(path.exists() for path in (folder / "codes.scp", folder / "quantized.scp", ctm)):
        return None
    codes, quantized, labels = FeatureStore(folder / "codes.scp"), FeatureStore(folder / "quantized.scp"), read_ctm(ctm)
    frames = inputs.content_frames(set_)
    vectors: dict[int, np.ndarray] = {}
    votes: dict[int, Counter[str]] = {}
    for utt in sorted(set(codes) & set(quantized) & set(labels)):
        names = label_frames(labels[utt], len(codes[utt]), frames)[0]
        for frame, (code, name) in enumerate(zip(codes[utt].tolist(), names)):
            vectors.setdefault(code, quantized[utt][frame])
            votes.setdefault(code, Counter())[name if name == SILENCE else fold(name)] += 1
    if len(votes) < 5:
        return None
    order = sorted(votes, key=lambda code: (-votes[code].total(), code))[:MOST_POINTS]
    phones = [max(sorted(votes[code]), key=votes[code].__getitem__) for code in order]
    counts = np.array([votes[code].total() for code in order], float)
    return CodeMap(np.stack([vectors[code] for code in order]), phones, counts)


def prompt_vectors(inputs: Inputs, set_: str) -> tuple[np.ndarray, list[str]] | None:
    """Read prompt vectors, (utterances, d), and their speakers; None with fewer than five."""
    path = inputs.codes(set_) / "prompts.scp"
    if not path.exists():
        return None
    store, speakers = FeatureStore(path), inputs.table(set_, "utt2spk")
    utts = sorted(utt for utt in store if utt in speakers)
    utts = [utts[i] for i in evenly_spaced(len(utts), MOST_POINTS)]
    if len(utts) < 5:
        return None
    return np.stack([np.asarray(store[utt]).reshape(-1) for utt in utts]), [speakers[utt] for utt in utts]


def stage_times(*homes: Path) -> list[tuple[int, str, float, int]]:
    """Read number, name, seconds and peak memory (MiB) of every finished stage from the driver's stamps."""
    found = {}
    for path in (path for home in dict.fromkeys(homes) for path in sorted((home / ".stamps").glob("*.json"))):
        stamp = json.loads(path.read_text(encoding="utf-8"))
        if stamp.get("state") == "done":
            found[stamp["stage"]] = (stamp["stage"], stamp["name"], float(stamp["seconds"]), int(stamp.get("peak_mib", 0)))
    return [found[number] for number in sorted(found)]


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
