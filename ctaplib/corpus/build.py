"""From a corpus as it lies on the disk to data directories: every file is opened once, in parallel, and no audio is copied.

A recipe's `local/data.py` finds the files of its corpus (`Item`s); `look_at_all` opens each audio and text file; `make_set` keeps
what can be used and gives the reason of everything else; `write_set` writes the data directory, and what was seen in the audio
beside it, so that validation need not open the same files again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctaplib.audio.files import AudioInfo, inspect
from ctaplib.cluster.jobs import map_jobs
from ctaplib.corpus.audio_cache import remember
from ctaplib.corpus.datadir import DataDir, c_sorted, write_datadir
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_tsv, write_table, write_tsv

LIST_FIELDS = {
    "vc_pairs.tsv": ("source_utt", "prompt_utt"),
    "tts.tsv": ("text_utt", "prompt_utt"),
    "references.tsv": ("utt1", "utt2", "utt3"),
}
MAX_LACKING_PCT = 2.0
"""Share of utterances that may lack their audio (or their text) before a corpus counts as incomplete, percent."""
MAX_DROPPED_PCT = 5.0
"""Default share of recordings that may be unusable (empty, cut short, silent), percent."""


_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}


@dataclass(frozen=True)
class Item:
    """Where one utterance of a corpus lies."""

    utt: str
    speaker: str
    wav: str
    """Path of its audio; empty where there is none."""
    text: str
    """Path of its text file; empty where there is none."""


@dataclass(frozen=True)
class Seen:
    """What an utterance's files hold."""

    item: Item
    text: str
    """Words as written, in one line; empty where there are none."""
    info: AudioInfo
    reason: str = ""
    """Why the utterance cannot be used; empty where it can."""


def fold_width(text: str) -> str:
    """Write letters, digits and signs of full width (１２３，％) as plain ones."""
    return text if text.isascii() else text.translate(_PLAIN)


def read_words(path: str | Path) -> str:
    """Read a text file as one line: without byte-order mark, line ends and runs of spaces, signs of full width as plain ones.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        with open(path, "rb") as handle:
            return " ".join(fold_width(handle.read().decode("utf-8-sig")).split())
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({error.reason})", fix="convert it, e.g. with iconv") from error


def read_rows(path: Path) -> list[str]:
    """Lines of a table about speakers, whatever letters their names hold: without byte-order mark, full width as plain."""
    return fold_width(path.read_text(encoding="utf-8-sig", errors="replace")).splitlines()


def look_at(item: Item) -> Seen:
    """Open the audio and the text of an utterance, each once; audio of any rate can be used."""
    if not item.wav:
        return Seen(item, "", AudioInfo(""), f"{item.text}: there is no audio for this text")
    info = inspect(item.wav)
    fatal = [fault for fault in info.faults if fault.fatal]
    reason = f"{item.wav}: {fatal[0].message}" if fatal else ""
    if not item.text:
        return Seen(item, "", info, reason)
    try:
        words = read_words(item.text)
    except (DataError, OSError) as error:
        return Seen(item, "", info, reason or str(error))
    return Seen(item, words, info, reason or ("" if words else f"{item.text}: the text is empty"))


def _look_at_some(items: Sequence[Item]) -> list[Seen]:
    return [look_at(item) for item in items]


def look_at_all(items: Sequence[Item], nj: int) -> list[Seen]:
    """Open the files of all utterances, in parallel; the order is that of `items`."""
    parts = [items[k : k + 200] for k in range(0, len(items), 200)]
    found = map_jobs(_look_at_some, parts, nj, what="opening the corpus")
    return [seen for part in found for seen in part]


def files_in(folder: str | Path, endings: tuple[str, ...]) -> dict[str, str]:
    """Files of a folder by name without the ending; hidden ones are left out.

    Raises:
        DataError: a name has several of the endings; all such files.
    """
    found: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            for ending in endings:
                if entry.name.endswith(ending) and not entry.name.startswith("."):
                    found.setdefault(entry.name[: -len(ending)], []).append(entry.path)
    twice = [f"{name}: {' and '.join(sorted(paths))}" for name, paths in sorted(found.items()) if len(paths) > 1]
    if twice:
        what = counted(len(twice), "utterance")
        raise DataError(f"{folder} has several files for {what}", shortened(twice), fix="keep one of them")
    return {name: paths[0] for name, paths in found.items()}


def named_folder(corpus_dir: str, expected: str, fix: str) -> Path:
    """The folder that --corpus_dir names.

    Args:
        corpus_dir: the value of the option.
        expected: what the folder should hold.
        fix: what to do where there is none.

    Raises:
        DataError: none is named, or it is not there.
    """
    if not corpus_dir:
        raise DataError("no corpus is named: --corpus_dir is empty, and so is its place in db.sh", expected=expected, fix=fix)
    if not Path(corpus_dir).is_dir():
        raise DataError(f"there is no folder {corpus_dir}", expected=expected, fix=fix)
    return Path(corpus_dir)


def check_unique(items: Iterable[Item]) -> None:
    """Make sure that no utterance occurs twice.

    Raises:
        DataError: some do; all of them, with both files.
    """
    first: dict[str, Item] = {}
    faults = []
    for item in items:
        before = first.setdefault(item.utt, item)
        if before is not item:
            faults.append(f"{item.utt}: {before.wav or before.text} and {item.wav or item.text}")
    if faults:
        raise DataError(
            f"{counted(len(faults), 'utterance occurs', 'utterances occur')} twice",
            shortened(faults),
            fix="remove one of the two copies of each",
        )


def check_complete(what: str, items: Sequence[Item], fix: str) -> None:
    """Make sure that texts have audio and audio has text, but for few.

    Raises:
        DataError: more than `MAX_LACKING_PCT` of the utterances lack one of them, or there is none at all.
    """
    if not items:
        raise DataError(f"{what} holds no utterance", fix=fix)
    for lacking, name, other in (
        ([i.text for i in items if not i.wav], "text", "audio"), ([i.wav for i in items if not i.text], "audio", "text"),
    ):  # fmt: skip
        if len(lacking) * 100 > MAX_LACKING_PCT * len(items):
            raise DataError(
                f"{what} is incomplete: {len(lacking)} of {len(items)} utterances have {name}, but no {other}",
                shortened(lacking, 10), expected=f"at most {MAX_LACKING_PCT:g} % without", fix=fix,
            )  # fmt: skip


def check_usable(what: str, seen: Sequence[Seen], fix: str, max_dropped_pct: float = MAX_DROPPED_PCT) -> None:
    """Make sure that what lies there can be used, but for few files; a disk that was full while unpacking shows here.

    Raises:
        DataError: more than `max_dropped_pct` of the recordings cannot be used.
    """
    there = [one for one in seen if one.item.wav]
    bad = [f"{one.item.utt}: {one.reason}" for one in there if one.reason]
    if len(bad) * 100 > max_dropped_pct * len(there):
        raise DataError(
            f"{what}: {len(bad)} of {len(there)} recordings cannot be used", shortened(bad, 10), fix=fix,
            expected=f"at most {max_dropped_pct:g} % (--max_dropped_pct)",
        )  # fmt: skip


def check_filled(sets: Mapping[str, tuple[DataDir, Mapping[str, str]]]) -> None:
    """Make sure that something is left of every set, before the first is written.

    Raises:
        DataError: nothing is left of some; the first reasons.
    """
    for name, (data, reasons) in sets.items():
        if not data.wavs:
            examples = shortened([f"{utt}: {reason}" for utt, reason in reasons.items()], 10)
            raise DataError(
                f"nothing is left of the set {name}", examples, fix="see the reasons, and whether the corpus is whole"
            )


def make_set(
    seen: Iterable[Seen], genders: Mapping[str, str], *, labelled: bool = True, language: str = "en"
) -> tuple[DataDir, dict[str, str]]:
    """Make the tables of a set; give the reason of every utterance that is left out.

    Args:
        seen: its utterances.
        genders: `m` or `f` by speaker.
        labelled: whether the set has text; without, utterances need none and get none.
        language: code for `utt2lang`.
    """
    kept: dict[str, Seen] = {}
    reasons: dict[str, str] = {}
    for one in seen:
        reason = one.reason
        if not reason and labelled and not one.text:
            reason = f"{one.item.wav}: there is no text for this audio"
        if reason:
            reasons[one.item.utt] = reason
        else:
            kept[one.item.utt] = one
    utts: dict[str, Mapping[str, str]] = {
        "utt2spk": {utt: one.item.speaker for utt, one in kept.items()},
        "utt2dur": {utt: f"{one.info.duration_s:.4f}" for utt, one in kept.items()},
        "utt2lang": dict.fromkeys(kept, language),
    }
    if labelled:
        utts["text"] = {utt: one.text for utt, one in kept.items()}
    speakers = {one.item.speaker for one in kept.values()}
    unknown = sorted(speakers - genders.keys())
    if unknown and len(unknown) < len(speakers):
        print(
            f"no spk2gender is written: nothing is known of the sex of {' '.join(shortened(unknown))}",
            file=sys.stderr,
            flush=True,
        )
    spks = {} if unknown else {"spk2gender": {spk: genders[spk] for spk in speakers}}
    return DataDir({utt: one.item.wav for utt, one in kept.items()}, utts, spks), reasons


def write_set(
    folder: Path,
    data: DataDir,
    reasons: Mapping[str, str],
    seen: Iterable[Seen],
    extra: Mapping[str, Mapping[str, str]] | None = None,
    rate_hz: int | None = None,
) -> None:
    """Write a data directory, what was left out of it, and what was seen in its audio; print a line about it.

    Args:
        folder: where it goes; its name is the set's.
        data: the set.
        reasons: why each utterance that is not in it was left out.
        seen: what was seen of its utterances (and of others).
        extra: further tables by utterance, by their names.
        rate_hz: sampling rate of the corpus, for `tell_odd_rates`; None: it has none.

    Raises:
        DataError: nothing is left; the first reasons.
    """
    check_filled({folder.name: (data, reasons)})
    write_datadir(data, folder)
    for name, table in (extra or {}).items():
        write_table(folder / name, {utt: table[utt] for utt in data.wavs})
    write_tsv(folder / "dropped.tsv", [{"utt": u, "reason": r} for u, r in sorted(reasons.items())], ("utt", "reason"))
    infos = {one.item.utt: one.info for one in seen if one.item.utt in data.wavs}
    remember(folder, infos.values())
    if rate_hz is not None:
        tell_odd_rates(folder, infos, rate_hz)
    minutes = sum(map(float, data.utts["utt2dur"].values())) / 60
    held = f"{counted(len(data.wavs), 'utterance')} of {counted(len(data.speakers), 'speaker')}, {minutes:.1f} minutes"
    print(f"{folder.name}: {held}; {len(reasons)} left out (dropped.tsv)", flush=True)


def tell_odd_rates(folder: Path, infos: Mapping[str, AudioInfo], rate_hz: int) -> None:
    """List files of another rate than the corpus's in `odd_rate.tsv`, and warn of them; they are used: features resample them.

    Args:
        folder: the data directory.
        infos: what was seen of each utterance's audio.
        rate_hz: sampling rate of the corpus.
    """
    odd = [{"utt": u, "rate_hz": infos[u].rate_hz, "path": infos[u].path} for u in c_sorted(infos) if infos[u].rate_hz != rate_hz]
    write_tsv(folder / "odd_rate.tsv", odd, ("utt", "rate_hz", "path"))
    if odd:
        named = ", ".join(f"{row['utt']} ({row['rate_hz']} Hz)" for row in odd[:10]) + (", ..." if len(odd) > 10 else "")
        print(
            f"warning: {folder.name}: {len(odd)} files do not have the corpus's {rate_hz} Hz: {named}; they are used, resampled "
            "as features need it, though a lower rate lacks what is high (odd_rate.tsv)", file=sys.stderr, flush=True,
        )  # fmt: skip


def check_lists(lists: Path, sets: Mapping[str, DataDir]) -> None:
    """Make sure that the fixed lists fit the sets: utterances are there, speakers are theirs, pairs are cross-sex as said.

    Raises:
        DataError: all rows that do not fit.
    """
    faults: list[str] = []
    for name, fields in LIST_FIELDS.items():
        if not (lists / name).exists():
            raise DataError(f"{lists / name} is missing", fix="restore it from git, or make lists with local/make_lists.py")
        for number, row in enumerate(read_tsv(lists / name), 2):
            if row["set"] in sets:
                faults += [f"{lists / name}:{number}: {fault}" for fault in _row_faults(row, fields, sets[row["set"]])]
    if faults:
        raise DataError(
            f"the fixed lists do not fit the corpus: {counted(len(faults), 'fault')}", shortened(faults),
            expected=f"the utterances that {lists} names",
            fix="restore the files that are missing; or go on with --check_lists false in --local_data_opts, make lists from "
            "the data directory (local/make_lists.py --from) and give them as --listdir",
        )  # fmt: skip


def _row_faults(row: Mapping[str, str], fields: Sequence[str], data: DataDir) -> list[str]:
    owner, genders = data.utts["utt2spk"], data.spks.get("spk2gender", {})
    faults = [f"{row[field]} is not in {row['set']}" for field in fields if row[field] not in owner]
    speaker = row.get("target_spk") or row.get("spk", "")
    own: Collection[str] = [f for f in fields if f != "source_utt" and owner.get(row[f], speaker) != speaker]
    faults += [f"{row[field]} is not of {speaker}" for field in own]
    if not faults and "cross_sex" in row and genders:
        cross = genders[owner[row["source_utt"]]] != genders[speaker]
        if cross != (row["cross_sex"] == "yes"):
            faults.append(
                f"cross_sex is {row['cross_sex']}, but the corpus says otherwise of {owner[row['source_utt']]} and {speaker}"
            )
    return faults
