"""Runs Kaldi's own scripts and ours on the same directories; Kaldi's lie under KALDI_ROOT, a checkout of it."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest

from ctaplib.cli.main import main
from ctaplib.corpus.datadir import DataDir, Segment, write_datadir

KALDI = Path(os.environ.get("KALDI_ROOT", "/nowhere")).absolute() / "egs" / "wsj" / "s5"
needs_kaldi = pytest.mark.skipif(
    not (KALDI / "utils").is_dir(), reason="Kaldi is not at hand: KALDI_ROOT names no checkout of it"
)
WORDS = ("cat", "the", "don't", "über", "你好", "世界", "A", "<unk>", "naïve", "x-ray")


def theirs(script: str, *words: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run utils/<script> of Kaldi."""
    env = {**os.environ, "PATH": f"{KALDI / 'utils'}:{os.environ['PATH']}", "LC_ALL": "C"}
    command = [f"utils/{script}", *map(str, words)]
    return subprocess.run(command, cwd=KALDI, env=env, input=stdin, capture_output=True, encoding="utf-8", check=False)


def ours(command: str, *words: object, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command of ours that stands for it, in this process."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err, before = io.StringIO(), sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO((stdin or "").encode()), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = main(["kaldi", command, *map(str, words)])
            except SystemExit as ended:
                status = int(ended.code or 0)
    finally:
        sys.stdin = before
    out.flush()
    return subprocess.CompletedProcess([command], status, out.buffer.getvalue().decode(), err.getvalue())


def tables(folder: Path) -> dict[str, bytes]:
    """Every plain file of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")}


def differences(theirs: Mapping[str, bytes], ours: Mapping[str, bytes]) -> dict[str, tuple[bytes, bytes | None]]:
    """Files of theirs that ours lacks or has otherwise; we may carry more tables than they do."""
    return {name: (content, ours.get(name)) for name, content in theirs.items() if ours.get(name) != content}


def random_directory(path: Path, seed: int, *, segments: bool, prefix: str = "") -> DataDir:
    """Write a small directory: 2 to 6 speakers of 1 to 9 utterances, with some of the tables that Kaldi knows."""
    rng = Random(seed)
    letters = "aBz09_"
    speakers = sorted({prefix + "".join(rng.choices(letters, k=3)) for _ in range(rng.randint(2, 6))})
    owner = {f"{spk}-{number:03d}": spk for spk in speakers for number in rng.sample(range(400), rng.randint(1, 9))}
    utts = {"utt2spk": owner, "text": {u: " ".join(rng.choices(WORDS, k=rng.randint(1, 6))) for u in owner}}
    for name, values in (
        ("utt2lang", ["en", "zh"]), ("utt2dur", ["1.25", "2.5"]), ("utt2num_frames", ["98", "250"]),
        ("feats.scp", ["a.ark:12", "b.ark:99"]), ("vad.scp", ["vad.ark:5"]),
    ):  # fmt: skip
        if name == "utt2dur" or rng.random() < 0.5:
            utts[name] = {utt: rng.choice(values) for utt in owner}
    if rng.random() < 0.5:
        utts["utt2uniq"] = {utt: f"was-{utt}" for utt in owner}
    spks = {
        name: {spk: rng.choice(values) for spk in speakers}
        for name, values in (("spk2gender", ["f", "m"]), ("cmvn.scp", ["cmvn.ark:1"]))
        if rng.random() < 0.5
    }
    spans = None
    recordings = sorted(owner)
    if segments:
        spans = {
            utt: Segment(f"{spk}-rec{rng.randint(0, 1)}", k * 2.0, k * 2.0 + 1.25) for k, (utt, spk) in enumerate(owner.items())
        }
        recordings = sorted({span.recording for span in spans.values()})
    wavs = {name: f"/audio/{name}.wav" if rng.random() < 0.7 else f"flac -dcs /audio/{name}.flac |" for name in recordings}
    recs = {"reco2dur": dict.fromkeys(recordings, "90.5")}
    if rng.random() < 0.5:
        recs["reco2file_and_channel"] = {name: f"{name} A" for name in recordings}
    data = DataDir(wavs, utts, spks, {}, spans, recs)
    write_datadir(data, path)
    return data
