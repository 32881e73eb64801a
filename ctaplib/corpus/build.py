"""Make data directories from the utterances that were found in a corpus; no audio is copied.

The one way for all corpora: `ctap data import` and the recipes' `local/data.py` find the utterances (`Item`s). Then `open_all`
opens each audio and text file once, `check_items` refuses a corpus of which too much cannot be used, `make_set` makes the tables,
and `write_set` writes a data directory with the reason of every utterance that was left out.
"""

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctaplib.audio.files import OVERSHOOT_S, AudioInfo
from ctaplib.cluster.jobs import map_jobs
from ctaplib.corpus.datadir import DataDir, Segment, c_sorted, write_datadir
from ctaplib.corpus.importing import Item, clean_id, half_width
from ctaplib.corpus.inspection import inspect_all, odd_rates, remember
from ctaplib.corpus.validate import MAX_CHARACTERS_PER_S
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_encoded, write_tsv

MAX_LACKING_PCT = 2.0
"""Share of utterances that may lack their audio or their text before a corpus counts as incomplete, percent."""
MAX_DROPPED_PCT = 5.0
"""Default share of utterances that may be unusable, percent."""
SHOWN = 500
"""Most faults of a corpus that are shown at once."""


def lacking(items: Iterable[Item], *, labelled: bool = True) -> list[Item]:
    """Set the reason of every utterance without audio and, in a labelled set, of every one without text."""
    found = []
    for item in items:
        what = "" if item.audio else "text without audio"
        what = what or ("audio without text" if labelled and not (item.text or item.text_file) else "")
        found.append(replace(item, reason=f"{item.place}: {what}") if what and not item.reason else item)
    return found


def open_all(items: Iterable[Item], nj: int) -> list[Item]:
    """Open the audio and text files of utterances in parallel, each once; set their text, audio information and reasons."""
    items = lacking(items, labelled=False)
    usable = [item for item in items if not item.reason]
    infos = inspect_all({item.audio: item.audio for item in usable}, None, nj)
    files = list(dict.fromkeys(item.text_file for item in usable if item.text_file))
    texts = dict(zip(files, map_jobs(_read, files, nj, what="reading texts", chunk=200, at_least=400), strict=True))
    return [item if item.reason else _look_at(item, infos[item.audio], texts) for item in items]


def _read(path: str) -> tuple[str, str]:
    """Return the words of a text file, or why there are none."""
    try:
        words = " ".join(half_width(read_encoded(Path(path))).split())
    except (DataError, OSError) as error:
        return "", str(error)
    return words, "" if words else f"{path}: the text is empty"


def _look_at(item: Item, info: AudioInfo, texts: Mapping[str, tuple[str, str]]) -> Item:
    text, reason = texts[item.text_file] if item.text_file else (item.text, "")
    fatal = [fault.message for fault in info.faults if fault.fatal]
    end_s = info.duration_s if item.end_s is None else item.end_s
    where = item.audio if item.place in ("", item.audio) else f"{item.place}: {item.audio}"
    if fatal:
        reason = f"{where}: {fatal[0]}"
    elif not 0 <= item.start_s < end_s <= info.duration_s + OVERSHOOT_S:
        reason = f"{item.place}: {item.start_s} s to {end_s} s does not lie in the {info.duration_s:.3f} s of {item.audio}"
    elif not reason and len(text) > MAX_CHARACTERS_PER_S * (end_s - item.start_s):
        reason = f"{item.place}: text far too long for its audio: {len(text)} letters in {end_s - item.start_s:.2f} s"
    return replace(item, text=text, info=info, reason=reason)


def check_unique(items: Iterable[Item]) -> None:
    """Raise DataError where an utterance occurs twice; it names all of them, with both places."""
    first: dict[str, Item] = {}
    faults = []
    for item in items:
        before = first.setdefault(item.name, item)
        if before is not item:
            faults.append(f"{item.name}: {before.audio or before.place} and {item.audio or item.place}")
    if faults:
        found = f"{counted(len(faults), 'utterance occurs', 'utterances occur')} twice"
        raise DataError(found, shortened(faults), fix="remove one of the two copies of each")


def check_items(what: str, items: Sequence[Item], fix: str, max_dropped_pct: float = MAX_DROPPED_PCT) -> None:
    """Raise DataError where too many of a set's utterances cannot be used, as after half an archive or on a disk that was full.

    The error says of which speakers nothing is left; `what` is the name of the set, `fix` what to do.
    """
    speakers = {item.speaker for item in items if not item.reason}
    gone = c_sorted({item.speaker for item in items if item.speaker} - speakers)
    nothing = f"; nothing at all of {counted(len(gone), 'speaker')}: {' '.join(shortened(gone))}" if gone else ""
    reasons = {item.name: item.reason for item in items if item.reason}
    check_share(what, reasons, len(items) - len(reasons), max_dropped_pct, fix, nothing=nothing, shown=20)


def check_complete(what: str, items: Sequence[Item], fix: str) -> None:
    """Raise DataError, before audio is opened, where over `MAX_LACKING_PCT` of texts have no audio, or of audio files no text."""
    check_items(what, lacking(items, labelled=False), fix, MAX_LACKING_PCT)
    check_items(what, [item for item in lacking(items) if item.audio], fix, MAX_LACKING_PCT)


def check_share(
    what: str,
    reasons: Mapping[str, str],
    kept: int,
    max_dropped_pct: float,
    fix: str,
    *,
    faults: Sequence[str] = (),
    nothing: str = "",
    shown: int = SHOWN,
) -> None:
    """Raise DataError where a corpus has faults or too much of it is left out; it lists faults and reasons, up to `shown`."""
    total = len(reasons) + kept
    share_pct = 100 * len(reasons) / total if total else 100.0
    if not faults and kept and share_pct <= max_dropped_pct:
        return
    lines = shortened([*faults, *(f"left out: {name}: {reason}" for name, reason in sorted(reasons.items()))], shown)
    unusable = f"{len(reasons)} of {counted(total, 'utterance')} ({share_pct:.1f} %) cannot be used{nothing}"
    found = f"{what} has {counted(len(faults), 'fault')}, and {unusable}" if faults else f"{what}: {unusable}"
    expected = f"{'no faults, and ' if faults else ''}at most {max_dropped_pct:g} % left out"
    raise DataError(found, lines, expected=expected, fix=fix)


@dataclass(frozen=True)
class PreparedSet:
    """A set that is ready to be written."""

    data: DataDir
    reasons: Mapping[str, str]
    """Why each utterance that is not in it was left out."""
    infos: Mapping[str, AudioInfo]
    """Audio information of each utterance."""
    notes: Sequence[str] = field(default=())
    """Warnings."""


def make_set(items: Iterable[Item], *, labelled: bool = True) -> PreparedSet:
    """Make the tables of a set from opened utterances; in a labelled set, those without text are left out."""
    items = lacking(items, labelled=labelled)
    kept = {item.name: item for item in items if not item.reason}
    return prepare(kept, {item.name: item.reason for item in items if item.reason}, labelled)


def prepare(ids: Mapping[str, Item], reasons: Mapping[str, str], labelled: bool, notes: Sequence[str] = ()) -> PreparedSet:
    """Make the tables of utterances by their ids; a table that lacks lines is left out with a warning.

    Raises DataError where two recordings have one name.
    """
    segments, lengths, faults = {}, {}, []
    wavs: dict[str, str] = {}
    infos = {utt: item.info for utt, item in ids.items() if item.info is not None}
    cut = any(item.end_s is not None for item in ids.values())
    for utt, item in ids.items():
        end_s = infos[utt].duration_s if item.end_s is None else item.end_s
        recording = (clean_id(item.recording) or utt) if cut else utt
        if wavs.get(recording, item.audio) != item.audio:
            faults.append(f"{item.place}: recording {recording} is {item.audio} here and {wavs[recording]} elsewhere")
        wavs[recording], lengths[utt] = item.audio, f"{end_s - item.start_s:.4f}"
        segments[utt] = Segment(recording, item.start_s, end_s)
    if faults:
        found = f"{counted(len(faults), 'recording has', 'recordings have')} the name of another"
        raise DataError(found, faults, fix="rename them")
    utts: dict[str, dict[str, str]] = {"utt2spk": {utt: item.speaker for utt, item in ids.items()}, "utt2dur": lengths}
    if labelled:
        utts["text"] = {utt: item.text for utt, item in ids.items()}
    warnings = list(notes)
    for name in sorted({name for item in ids.values() for name in item.tables}):
        own = {utt: item.tables[name] for utt, item in ids.items() if name in item.tables}
        if _is_whole(name, own, ids, "utterances", warnings):
            utts[name] = own
    genders = {item.speaker: item.gender for item in ids.values() if item.gender}
    whole = bool(genders) and _is_whole("spk2gender", genders, set(utts["utt2spk"].values()), "speakers", warnings)
    data = DataDir(wavs, utts, {"spk2gender": genders} if whole else {}, {}, segments if cut else None)
    return PreparedSet(data, reasons, infos, warnings)


def _is_whole(name: str, table: Collection[str], keys: Collection[str], what: str, warnings: list[str]) -> bool:
    """Return whether a table has a line for every key; if not, add a warning."""
    absent = c_sorted(set(keys) - set(table))
    if absent:
        found = f"{name}: {len(absent)} of {len(keys)} {what} have no line in it, the first is {absent[0]}"
        warnings.append(f"{found}; it is left out, because a data directory has a line for all: complete it and run this again")
    return not absent


def check_filled(sets: Mapping[str, PreparedSet]) -> None:
    """Raise DataError where nothing is left of a set, before the first is written."""
    for name, made in sets.items():
        if not made.data.wavs:
            examples = shortened([f"{utt}: {reason}" for utt, reason in made.reasons.items()], 10)
            fix = "see the reasons, and whether the corpus is whole"
            raise DataError(f"nothing is left of the set {name}", examples, fix=fix)


def write_set(folder: Path, made: PreparedSet, rate_hz: int | None = None) -> None:
    """Write a data directory, `dropped.tsv` and what is known of its audio; print a line about it.

    Files that do not have the corpus's `rate_hz` (None: any) are used, and listed in `odd_rate.tsv`.
    """
    data, name = made.data, folder.name
    write_datadir(data, folder)
    rows = [{"utt": utt, "reason": " ".join(reason.split())} for utt, reason in sorted(made.reasons.items())]
    write_tsv(folder / "dropped.tsv", rows, ("utt", "reason"))
    remember(folder, made.infos.values())
    warnings = list(made.notes)
    if rate_hz is not None:
        odd = [(utt, made.infos[utt]) for utt in c_sorted(odd_rates(made.infos, rate_hz))]
        rows = [{"utt": utt, "rate_hz": str(info.rate_hz), "path": info.path} for utt, info in odd]
        write_tsv(folder / "odd_rate.tsv", rows, ("utt", "rate_hz", "path"))
        if odd:
            named = ", ".join(shortened([f"{utt} ({info.rate_hz} Hz)" for utt, info in odd], 10))
            warnings.append(
                f"{len(odd)} files do not have the corpus's {rate_hz} Hz: {named}; they are used, resampled as features need it, "
                "though a lower rate lacks the high frequencies (odd_rate.tsv)"
            )
    for warning in warnings:
        print(f"warning: {name}: {warning}", file=sys.stderr, flush=True)
    minutes = sum(map(float, data.utts["utt2dur"].values())) / 60
    held = f"{counted(len(data.utt_ids), 'utterance')} of {counted(len(data.speakers), 'speaker')}, {minutes:.1f} minutes"
    print(f"{name}: {held}; {len(made.reasons)} left out (dropped.tsv)", flush=True)
