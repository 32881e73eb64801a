"""Small corpora in every form that can be brought in, with their known irregularities."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
SENTENCE = "fox number {}"


def tone(path: Path, seconds: float = 0.6, rate: int = RATE, hz: float = 200.0) -> Path:
    """Write a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def make_folder(source: Path, speakers: int, each: int) -> None:
    """<speaker>/<number>.wav and .txt: the same file names for every speaker."""
    for spk in range(speakers):
        for k in range(each):
            path = tone(source / f"spk{spk}" / f"{k:03d}.wav")
            path.with_suffix(".txt").write_text(SENTENCE.format(spk * each + k) + "\n")


def make_table(source: Path, speakers: int, each: int) -> None:
    """clips/*.wav and a CSV with other columns among those that count."""
    rows = ["number,path,sentence,client_id,gender"]
    for spk in range(speakers):
        for k in range(each):
            tone(source / "clips" / f"c{spk}_{k}.wav")
            sex = ("female", "male")[spk % 2]
            rows.append(f'{k},c{spk}_{k}.wav,"{SENTENCE.format(spk * each + k)}, he said",client {spk},{sex}')
    (source / "table.csv").write_text("\n".join(rows) + "\n")


def make_ljspeech(source: Path, speakers: int, each: int) -> None:
    """metadata.csv with raw and normalised text."""
    lines = []
    for spk in range(speakers):
        for k in range(each):
            name = f"S{spk}-{k:03d}"
            tone(source / "wavs" / f"{name}.wav")
            lines.append(f"{name}|No. {k}|{SENTENCE.format(spk * each + k)}")
    (source / "metadata.csv").write_text("\n".join(lines) + "\n")


def make_kaldi(source: Path, speakers: int, each: int) -> None:
    """A data directory with segments of one recording a speaker, one of them a command."""
    tables: dict[str, list[str]] = {name: [] for name in ("wav.scp", "segments", "text", "utt2spk", "spk2gender")}
    for spk in range(speakers):
        path = tone(source.parent / f"recordings_{source.name}" / f"r{spk}.wav", 0.6 * each)
        tables["wav.scp"].append(f"s{spk}-r cat {path} |" if spk == 0 else f"s{spk}-r {path}")
        tables["spk2gender"].append(f"s{spk} {'fm'[spk % 2]}")
        for k in range(each):
            tables["segments"].append(f"s{spk}-{k:03d} s{spk}-r {0.6 * k:.2f} {0.6 * k + 0.55:.2f}")
            tables["text"].append(f"s{spk}-{k:03d} {SENTENCE.format(spk * each + k)}")
            tables["utt2spk"].append(f"s{spk}-{k:03d} s{spk}")
    source.mkdir(parents=True, exist_ok=True)
    for name, lines in tables.items():
        (source / name).write_text("\n".join(sorted(lines)) + "\n")


def make_lhotse(source: Path, speakers: int, each: int) -> None:
    """Recordings and supervisions, gzipped, paths relative to the folder."""
    recordings, supervisions = [], []
    for spk in range(speakers):
        for k in range(each):
            name = f"s{spk}-{k:03d}"
            tone(source / "audio" / f"{name}.wav")
            sources = [{"type": "file", "channels": [0], "source": f"audio/{name}.wav"}]
            row = {
                "id": name,
                "sources": sources,
                "sampling_rate": RATE,
                "num_samples": 9600,
                "duration": 0.6,
                "channel_ids": [0],
            }
            recordings.append(row)
            said = {"text": SENTENCE.format(spk * each + k), "speaker": f"s{spk}", "gender": "FM"[spk % 2], "language": "English"}
            supervisions.append({"id": name, "recording_id": name, "start": 0.0, "duration": 0.6, "channel": 0, **said})
    source.mkdir(parents=True, exist_ok=True)
    for what, rows in (("recordings", recordings), ("supervisions", supervisions)):
        with gzip.open(source / f"my_{what}_all.jsonl.gz", "wt", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)


MAKERS: dict[str, Callable[[Path, int, int], None]] = {
    "folder": make_folder, "table": make_table, "ljspeech": make_ljspeech, "kaldi": make_kaldi, "lhotse": make_lhotse,
}  # fmt: skip


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder with its time and content."""
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}
