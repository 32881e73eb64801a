"""Aligned phones: seconds in files (CTM, TextGrid), frames in tensors; this module alone converts.

In files every phone has a start and an end; the phones of an utterance, silences included, tile it. Training keeps durations in
feature frames: `to_durations` gives each phone at least one, so that those shorter than a content frame stay. Only the class of a
content frame (`frame_phones`) can pass over a phone, which `lost_phones` finds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import atomic_write
from ctaplib.phones import SILENCE

SILENCE_NAMES = frozenset({"", "sil", "SIL", "sp", "spn", "<sil>", "<eps>", "pau", "#"})
"""Labels of silence of other aligners; all are read as `sil`."""

_TOUCH_S = 0.0051


class Interval(NamedTuple):
    """A phone of an utterance: its label (silence is `sil`), start and end in seconds."""

    phone: str
    start_s: float
    end_s: float


Alignment = list[Interval]


def read_ctm(path: str | Path) -> dict[str, Alignment]:
    """Read lines `utt channel start_s duration_s phone`; raise DataError with all that are malformed or overlap."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", fix="run stage 4 (align)") from error
    table: dict[str, Alignment] = {}
    faults = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        try:
            utt, start_s, duration_s, phone = fields[0], float(fields[2]), float(fields[3]), fields[4]
        except (ValueError, IndexError):
            faults.append(f"{path}:{number}: {line!r}, expected `utt channel start_s duration_s phone`")
            continue
        alignment = table.setdefault(utt, [])
        if duration_s < 0 or (alignment and start_s < alignment[-1].end_s - _TOUCH_S):
            faults.append(f"{path}:{number}: {phone} at {start_s} s starts before the last phone ends")
            continue
        alignment.append(Interval(SILENCE if phone in SILENCE_NAMES else phone, start_s, start_s + duration_s))
    if faults:
        raise DataError(f"{path} has {counted(len(faults), 'faulty line')}", shortened(faults, 50), fix="correct the lines")
    return table


def write_ctm(path: str | Path, table: Mapping[str, Sequence[Interval]]) -> None:
    """Write alignments, utterances in LC_ALL=C order, times to 0.1 ms."""
    with atomic_write(path) as out:
        for utt in sorted(table, key=str.encode):
            for phone, start_s, end_s in table[utt]:
                # The difference of rounded times, so that neighbours meet exactly when read again.
                duration_s = round(end_s, 4) - round(start_s, 4)
                out.write(f"{utt} 1 {start_s:.4f} {duration_s:.4f} {phone}\n")


def read_textgrid(path: str | Path, tier: str = "phones") -> Alignment:
    """Read the phone tier of a TextGrid, gaps and other aligners' labels of silence as `sil`."""
    from praatio import textgrid
    from praatio.utilities.errors import PraatioException

    try:
        grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    except (OSError, PraatioException, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{path} cannot be read as a TextGrid: {error}", fix="export it again") from error
    if tier not in grid.tierNames:
        raise DataError(f"{path} has no tier {tier!r}", expected=f"one of {', '.join(grid.tierNames)}", fix="use --tier")
    entries = grid.getTier(tier).entries
    return [
        Interval(SILENCE if entry.label.strip() in SILENCE_NAMES else entry.label.strip(), entry.start, entry.end)
        for entry in entries
    ]


def write_textgrid(path: str | Path, alignment: Sequence[Interval], tier: str = "phones") -> None:
    """Write a tier of phones as a TextGrid, silence as an empty interval, as Praat users expect."""
    from praatio import textgrid
    from praatio.utilities.constants import Interval as GridInterval

    entries = [
        GridInterval(round(start_s, 4), round(end_s, 4), "" if phone == SILENCE else phone)
        for phone, start_s, end_s in alignment
        if round(end_s, 4) > round(start_s, 4)
    ]
    if not entries:
        raise DataError(f"{path}: the alignment holds no phone", fix="leave the utterance out")
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier(tier, entries, 0.0, entries[-1].end))
    with atomic_write(path) as out, TemporaryDirectory() as folder:  # praatio writes to a path only
        grid.save(f"{folder}/grid", format="long_textgrid", includeBlankSpaces=True)
        out.write(Path(folder, "grid").read_text(encoding="utf-8"))


def tile(alignment: Sequence[Interval], end_s: float, gap_s: float = 0.005) -> Alignment:
    """Make the phones tile the utterance from 0 to the end: short gaps go to a neighbour, long ones become silence."""
    tiled: Alignment = []
    last_s = 0.0
    for phone, start_s, stop_s in alignment:
        start_s, stop_s = min(max(start_s, last_s), end_s), min(max(stop_s, last_s), end_s)
        if start_s - last_s > gap_s:
            tiled.append(Interval(SILENCE, last_s, start_s))
        elif tiled:
            tiled[-1] = tiled[-1]._replace(end_s=start_s)
        else:
            start_s = last_s
        tiled.append(Interval(phone, start_s, stop_s))
        last_s = stop_s
    if end_s - last_s > gap_s or not tiled:
        tiled.append(Interval(SILENCE, last_s, end_s))
    else:
        tiled[-1] = tiled[-1]._replace(end_s=end_s)
    return tiled


def to_durations(alignment: Sequence[Interval], n_frames: int, hop_s: float) -> tuple[list[str], np.ndarray]:
    """Return the phones of an alignment that tiles an utterance, and the frames of each, (phones,) int32, `n_frames` in all.

    Every phone gets at least one frame where there are as many frames as phones; else boundaries lie at the nearest frame.
    """
    if not alignment:
        raise DataError("an alignment without phones", fix="leave the utterance out")
    count = len(alignment)
    ends = np.rint(np.array([interval.end_s for interval in alignment]) / hop_s).astype(np.int64)
    least = 1 if n_frames >= count else 0
    order = np.arange(1, count + 1) * least
    ends = np.maximum.accumulate(np.maximum(ends - order, 0)) + order  # each ends `least` after the one before
    ends = np.minimum(ends, n_frames - (count * least - order))
    ends[-1] = n_frames
    durations = np.diff(ends, prepend=0).astype(np.int32)
    return [interval.phone for interval in alignment], durations


def frame_phones(durations: np.ndarray, hop: int) -> np.ndarray:
    """Return the index of the phone that fills most of each content frame (of equals, the earlier), (ceil(frames / hop),) int64.

    `durations` are the feature frames of each phone, (phones,); `hop` feature frames are a content frame, of which the last may
    be partial.
    """
    owners = np.repeat(np.arange(len(durations)), durations)
    rows = np.pad(owners, (0, -len(owners) % hop), constant_values=-1).reshape(-1, hop)
    votes = (rows[:, :, None] == rows[:, None, :]).sum(2) * (rows >= 0)
    return rows[np.arange(len(rows)), votes.argmax(1)]


def lost_phones(durations: np.ndarray, hop: int) -> np.ndarray:
    """Find the phones that `frame_phones` assigns to no content frame, (phones,) bool: their class is never seen."""
    lost = np.ones(len(durations), bool)
    lost[frame_phones(durations, hop)] = False
    return lost


def count_lost(alignment: Sequence[Interval], hop_s: float, hop: int) -> tuple[int, int]:
    """Count the phones without silences; return how many get no frame of `hop * hop_s` seconds, and the total."""
    if not alignment:
        return 0, 0
    phones, durations = to_durations(alignment, max(1, round(alignment[-1].end_s / hop_s)), hop_s)
    spoken = np.array([phone != SILENCE for phone in phones])
    return int((lost_phones(durations, hop) & spoken).sum()), int(spoken.sum())
