"""Decoded output on disk: transcripts as tables; audio with an index of its items, durations and computing times."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from ctaplib.audio.files import write_audio
from ctaplib.files import make_folder, write_table, write_tsv
from ctaplib.infer.recognize import Transcript


def write_transcripts(folder: Path, transcripts: Mapping[str, Transcript], by_class: bool = False) -> None:
    """Write `hyp.phn` by CTC or by frame classes, `hyp.txt` with the words, and the phones of a search beside, in `<system>_lm`.

    An older `hyp.txt` is removed where there are no words.
    """
    write_table(folder / "hyp.phn", {u: " ".join(t.by_class if by_class else t.by_ctc) for u, t in transcripts.items()})
    if by_class or any(t.words is None for t in transcripts.values()):
        (folder / "hyp.txt").unlink(missing_ok=True)
    else:
        write_table(folder / "hyp.txt", {u: t.words or "" for u, t in transcripts.items()})
    searched = {u: " ".join(t.by_search) for u, t in transcripts.items() if t.by_search is not None}
    if searched and not by_class:
        write_table(folder.parent.with_name(f"{folder.parent.name}_lm") / folder.name / "hyp.phn", searched)


def write_waves(
    folder: Path,
    waves: Mapping[str, torch.Tensor],
    rate_hz: int,
    rows: Sequence[Mapping[str, str]],
    seconds: Mapping[str, float],
) -> None:
    """Write `wav/*.wav`, `wav.scp` and, last, `index.tsv`.

    Args:
        folder: Folder of the system and set.
        waves: Samples by id.
        rate_hz: Sampling rate.
        rows: Columns of the index for each item, `id` among them.
        seconds: Computing time by id.
    """
    places = {}
    for utt, wave in waves.items():
        path = (folder / "wav" / f"{utt}.wav").absolute()
        make_folder(path.parent)
        write_audio(path, wave.float().numpy(), rate_hz)
        places[utt] = str(path)
    write_table(folder / "wav.scp", places)
    full = [
        {**row, "audio_s": f"{len(waves[row['id']]) / rate_hz:.4f}", "compute_s": f"{seconds[row['id']]:.4f}"} for row in rows
    ]
    write_tsv(folder / "index.tsv", full, list(full[0]))
