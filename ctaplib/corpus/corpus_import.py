"""From what an importer found to data directories: speakers, ids, checks, sets; every utterance left out has a reason."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ctaplib.audio.files import AudioInfo
from ctaplib.audio.source import is_command
from ctaplib.config import Config
from ctaplib.corpus.alignment import SILENCE, Alignment, read_ctm, read_textgrid, write_ctm
from ctaplib.corpus.datadir import DataDir, Segment, c_sorted, subset, write_datadir
from ctaplib.corpus.importing import Found, Item
from ctaplib.corpus.set_split import Split, SplitConfig, cut_dev, read_split, split_by_rule
from ctaplib.corpus.table_checks import out_of_order
from ctaplib.corpus.validate import DURATION_TOLERANCE_S, MAX_CHARACTERS_PER_S, inspect_all
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_table, write_tsv

SHOWN = 500
"""Most faults of a source that are shown at once."""


class SpeakerOptions(Config):
    """Who speaks; at most one of them. None: as the source says, or one speaker with the source's name."""

    speaker: str = ""
    """One speaker of this name."""
    speaker_file: str = ""
    """A table `utterance speaker`."""
    speaker_folder: bool = False
    """The folder that the audio lies in."""


@dataclass
class Corpus:
    """A corpus on the way to its data directories."""

    data: DataDir
    sets: Mapping[str, str]
    """Set of each utterance, as far as the source says."""
    names: Mapping[str, str]
    """What the source calls each utterance."""
    left_out: dict[str, str]
    notes: list[str] = field(default_factory=list)
    """What is to be known, though nothing was left out for it."""


def clean(name: str, more: str = "") -> str:
    """An id from a name: letters and digits of any script, `_`, `.` and `-` stay, the rest becomes `_`."""
    good = set("._-") - set(more)
    plain = unicodedata.normalize("NFKC", name)
    kept = "".join(c if c.isalnum() or c in good or unicodedata.category(c).startswith("M") else "_" for c in plain)
    return "_".join(part for part in kept.split("_") if part)


def _speakers(items: Sequence[Item], options: SpeakerOptions, source: Path, left_out: dict[str, str]) -> list[Item]:
    """Give every item its speaker; leave out those that have none where others have.

    Raises:
        DataError: more than one way is asked for, or a way does not fit the source.
    """
    asked = [name for name, value in options.model_dump().items() if value]
    if len(asked) > 1:
        raise DataError(f"{' and '.join('--' + name for name in asked)} are given", expected="one way to tell speakers")
    if options.speaker:
        return [replace(item, speaker=options.speaker) for item in items]
    if options.speaker_file:
        table = read_table(options.speaker_file)
        return _keep(
            [replace(item, speaker=table.get(item.name, "")) for item in items], left_out, f"no line in {options.speaker_file}"
        )
    if options.speaker_folder:
        named = [replace(item, speaker="" if is_command(item.audio) else Path(item.audio).parent.name) for item in items]
        return _keep(named, left_out, "its audio is a command, in no folder")
    if any(item.speaker for item in items):
        return _keep(items, left_out, "it has no speaker, others have")
    return [replace(item, speaker=source.stem if source.is_file() else source.absolute().name) for item in items]


def _leave_out(left_out: dict[str, str], item: Item, reason: str) -> None:
    left_out[f"{item.name} ({item.place})" if item.name in left_out else item.name] = reason


def _keep(items: Sequence[Item], left_out: dict[str, str], reason: str) -> list[Item]:
    for item in items:
        if not item.speaker:
            _leave_out(left_out, item, f"{item.place}: {reason}")
    return [item for item in items if item.speaker]


def _plain_id(item: Item) -> str:
    return clean(item.name)


def _speaker_id(item: Item) -> str:
    return clean(item.speaker, more="-")  # so that `-` behind it sorts before all that a longer name can go on with


def needs_speakers(items: Sequence[Item]) -> bool:
    """Whether names alone are not different, or not sorted as the speakers are (which Kaldi's scripts ask for)."""
    utt2spk = {_plain_id(item): _speaker_id(item) for item in items}
    return len(utt2spk) < len(items) or out_of_order(utt2spk) is not None


def name_items(items: Sequence[Item], faults: list[str], *, keeps_ids: bool, with_speaker: bool) -> dict[str, Item]:
    """Give every item its id, and its speaker the speaker's.

    Args:
        items: what gets an id.
        faults: gets ids that two items would have, and names of which no letter is left.
        keeps_ids: whether ids are the source's names.
        with_speaker: whether they are `<speaker>-<name>`, else `<name>`.
    """
    if keeps_ids:
        owned, plain = list(items), [item.name for item in items]
    else:
        owned, plain = [replace(item, speaker=_speaker_id(item)) for item in items], [_plain_id(item) for item in items]
        if with_speaker:
            plain = [f"{item.speaker}-{name.removeprefix(item.speaker + '-')}" for item, name in zip(owned, plain)]
    ids: dict[str, Item] = {}
    for name, item in zip(plain, owned):
        if not name or not item.speaker:
            faults.append(f"{item.place}: no id can be made of {item.name!r} of {item.speaker!r}")
        elif name in ids:
            fix = "rename one, or tell their speakers apart (--speaker_folder, --speaker_file)"
            named = "" if name == item.name else f" ({item.name} in the source)"
            faults.append(f"id {name}{named} twice: {ids[name].place} and {item.place}; {fix}")
        else:
            ids[name] = item
    return ids


def _audio_reason(item: Item, info: AudioInfo, has_text: bool) -> str:
    """Why an utterance cannot be used; empty where it can."""
    bad = [fault.message for fault in info.faults if fault.fatal]
    if bad:
        return f"{item.place}: {item.audio}: {bad[0]}"
    end_s = info.duration_s if item.end_s is None else item.end_s
    if not 0 <= item.start_s < end_s <= info.duration_s + DURATION_TOLERANCE_S:
        return f"{item.place}: {item.start_s} s to {end_s} s does not lie in the {info.duration_s:.3f} s of {item.audio}"
    if has_text and not item.text:
        return f"{item.place}: audio without text"
    if has_text and len(item.text) > MAX_CHARACTERS_PER_S * (end_s - item.start_s):
        return f"{item.place}: text far too long for its audio: {len(item.text)} letters in {end_s - item.start_s:.2f} s"
    return ""


def _rate_notes(infos: Mapping[str, AudioInfo]) -> list[str]:
    rates: dict[int, list[str]] = {}
    for info in infos.values():
        if info.rate_hz:
            rates.setdefault(info.rate_hz, []).append(info.path)
    usual = max(rates, key=lambda rate: (len(rates[rate]), rate), default=0)
    return [
        f"{path}: {rate} Hz, most others have {usual} Hz; features resample it"
        for rate, paths in sorted(rates.items()) if rate != usual for path in paths
    ]  # fmt: skip


def build(found: Found, source: Path, speakers: SpeakerOptions, *, nj: int = 1, max_dropped_pct: float = 5.0) -> Corpus:
    """Make one data directory of what was found, with every audio file looked at once.

    Args:
        found: what the importer found.
        source: where.
        speakers: who speaks.
        nj: processes that open audio.
        max_dropped_pct: largest share of utterances that may be left out, %.

    Raises:
        DataError: the source has faults, too much of it cannot be used, or ids clash; everything at once.
    """
    left_out = dict(found.left_out)
    items = _speakers(found.items, speakers, source, left_out)
    audio = {item.audio: item.audio for item in items}
    infos = inspect_all(audio, None, nj)
    reasons = {id(item): _audio_reason(item, infos[item.audio], found.has_text) for item in items}
    kept = [item for item in items if not reasons[id(item)]]
    for item in items:
        if reasons[id(item)]:
            _leave_out(left_out, item, reasons[id(item)])
    faults = list(found.faults)
    ids = name_items(kept, faults, keeps_ids=found.keeps_ids, with_speaker=needs_speakers(items))  # whatever is left out
    check_share(source, faults, left_out, len(kept), max_dropped_pct)
    notes = _rate_notes(infos)
    notes += [f"{i.path}: {f.message}" for i in infos.values() for f in i.faults if not f.fatal]
    return Corpus(
        _datadir(ids, infos, found.has_text, notes), {utt: item.set for utt, item in ids.items() if item.set},
        {utt: item.name for utt, item in ids.items()}, left_out, notes,
    )  # fmt: skip


def check_share(source: Path, faults: Sequence[str], left_out: Mapping[str, str], kept: int, max_dropped_pct: float) -> None:
    """Make sure that a source has no faults and that little of it is left out.

    Raises:
        DataError: it has, or much is; every fault and every reason at once.
    """
    total = len(left_out) + kept
    share_pct = 100 * len(left_out) / total if total else 100.0
    if not faults and kept and share_pct <= max_dropped_pct:
        return
    lines = shortened([*faults, *(f"left out: {name}: {reason}" for name, reason in sorted(left_out.items()))], SHOWN)
    unusable = f"{len(left_out)} of {counted(total, 'utterance')} ({share_pct:.1f} %) cannot be used"
    raise DataError(
        f"{source} has {counted(len(faults), 'fault')}, and {unusable}",
        lines,
        expected=f"no faults, and at most {max_dropped_pct:g} % left out",
        fix="correct what the lines name, or raise --max_dropped_pct where all that is left out may be missing "
        "(in a recipe: --local_data_opts '--max_dropped_pct P')",
    )


def _datadir(ids: Mapping[str, Item], infos: Mapping[str, AudioInfo], has_text: bool, notes: list[str]) -> DataDir:
    """The tables of what was found; `notes` gets those that are left out."""
    segments, lengths, faults = {}, {}, []
    wavs: dict[str, str] = {}
    cut = any(item.end_s is not None for item in ids.values())
    for utt, item in ids.items():
        end_s = infos[item.audio].duration_s if item.end_s is None else item.end_s
        recording = (clean(item.recording) or utt) if cut else utt
        if wavs.get(recording, item.audio) != item.audio:
            faults.append(f"{item.place}: recording {recording} is {item.audio} here and {wavs[recording]} elsewhere")
        wavs[recording], lengths[utt] = item.audio, f"{end_s - item.start_s:.4f}"
        segments[utt] = Segment(recording, item.start_s, end_s)
    if faults:
        raise DataError(
            f"{counted(len(faults), 'recording has', 'recordings have')} the name of another", faults, fix="rename them"
        )
    utts: dict[str, dict[str, str]] = {"utt2spk": {utt: item.speaker for utt, item in ids.items()}, "utt2dur": lengths}
    if has_text:
        utts["text"] = {utt: item.text for utt, item in ids.items()}
    for name in sorted({name for item in ids.values() for name in item.tables}):
        own = {utt: item.tables[name] for utt, item in ids.items() if name in item.tables}
        if _is_whole(name, own, ids, "utterances", notes):
            utts[name] = own
    genders = {item.speaker: item.gender for item in ids.values() if item.gender}
    whole = bool(genders) and _is_whole("spk2gender", genders, set(utts["utt2spk"].values()), "speakers", notes)
    return DataDir(wavs, utts, {"spk2gender": genders} if whole else {}, {}, segments if cut else None)


def _is_whole(name: str, table: Collection[str], keys: Collection[str], what: str, notes: list[str]) -> bool:
    """Whether a table has a line for all; a data directory holds no others, so one that has not is noted and left out."""
    lacking = c_sorted(set(keys) - set(table))
    if lacking:
        found = f"{name}: {len(lacking)} of {len(keys)} {what} have no line in it, the first is {lacking[0]}"
        notes.append(f"{found}; it is not taken over, for a data directory has a line for all: complete it, and import again")
    return not lacking


def read_alignments(path: Path, tier: str) -> dict[str, Alignment]:
    """Read all CTM files, or all TextGrids, of a folder; or one CTM file.

    Raises:
        DataError: there is nothing of that kind, or files are malformed.
    """
    ctms = [path] if path.is_file() else sorted(path.rglob("*.ctm"))
    found: dict[str, Alignment] = {}
    for ctm in ctms:
        found |= read_ctm(ctm)
    if not ctms:
        found = {grid.stem: read_textgrid(grid, tier) for grid in sorted(path.rglob("*.TextGrid"))}
    if not found:
        raise DataError(f"{path} holds neither CTM files nor TextGrids", fix="correct --alignments")
    return found


def take_alignments(corpus: Corpus, found: Mapping[str, Alignment]) -> tuple[Corpus, dict[str, Alignment]]:
    """Take phones from alignments of the source's names (or ids); utterances without one are left out."""
    own = {utt: found.get(corpus.names[utt], found.get(utt)) for utt in corpus.data.utt_ids}
    phones = {u: " ".join(i.phone for i in a if i.phone != SILENCE) for u, a in own.items() if a}
    kept = [utt for utt in corpus.data.utt_ids if phones.get(utt)]
    left_out = {corpus.names[utt]: "no phones of it in --alignments" for utt in corpus.data.utt_ids if not phones.get(utt)}
    if not kept:
        example = f"here: {next(iter(corpus.names.values()))}, there: {next(iter(found))}"
        raise DataError(f"none of {len(own)} utterances has an alignment; names differ ({example})", fix="rename the files")
    data = subset(corpus.data, kept)
    utts = {name: table for name, table in data.utts.items() if name != "phn2word"}
    data = replace(data, utts={**utts, "text.phn": {utt: phones[utt] for utt in kept}})
    sets = {utt: name for utt, name in corpus.sets.items() if utt in phones}
    taken = {utt: alignment for utt, alignment in own.items() if alignment and utt in phones}
    return replace(corpus, data=data, sets=sets, left_out={**corpus.left_out, **left_out}), taken


@dataclass(frozen=True)
class SetNames:
    """What the three sets are called."""

    train: str = "train"
    dev: str = "dev"
    test: str = "test"


def choose_sets(
    corpus: Corpus, names: SetNames, config: SplitConfig, lists: Path | None
) -> tuple[dict[str, list[str]], Split | None]:
    """Utterances of each set: the source's own (a missing dev set is cut off train), else the lists', else by the rule.

    Returns:
        The sets, and the split where it was made by the rule just now.

    Raises:
        DataError: lists do not fit, only some utterances have a set, or the corpus is too small.
    """
    data = corpus.data
    if corpus.sets:
        lacking = [utt for utt in data.utt_ids if utt not in corpus.sets]
        if lacking:
            raise DataError(
                f"{counted(len(lacking), 'utterance has', 'utterances have')} no set, others have",
                shortened(lacking),
                fix="fill the column in",
            )
        own: dict[str, list[str]] = {}
        for utt in data.utt_ids:
            own.setdefault(clean(corpus.sets[utt]), []).append(utt)
        if names.train in own and names.dev not in own:
            dev = own[names.dev] = cut_dev(own[names.train], data.utts.get("text", {}), config)
            own[names.train] = [utt for utt in own[names.train] if utt not in set(dev)]
        return own, None
    split = read_split(lists, data.utt_ids) if lists is not None else None
    made = None
    if split is None:
        genders = data.spks.get("spk2gender", {})
        split = made = split_by_rule(data.utts["utt2spk"], data.utts.get("text", {}), genders, config)
    return {names.train: list(split.train), names.dev: list(split.dev), names.test: list(split.test)}, made


def write_sets(
    corpus: Corpus, sets: Mapping[str, Sequence[str]], folder: Path, first: str, alignments: Mapping[str, Alignment]
) -> None:
    """Write the data directories, and what was left out into `dropped.tsv` of the first; alignments beside them."""
    for name in c_sorted(sets):
        write_datadir(subset(corpus.data, sets[name]), folder / name)
        rows = [{"utt": utt, "reason": " ".join(reason.split())} for utt, reason in sorted(corpus.left_out.items())]
        write_tsv(folder / name / "dropped.tsv", rows if name == first else [], ("utt", "reason"))
        if alignments:
            write_ctm(folder / "alignments" / f"{name}.ctm", {utt: alignments[utt] for utt in sets[name]})
