"""Make data directories from what an importer found: speakers, ids, alignments, sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ctaplib.audio.source import is_command
from ctaplib.config import Config
from ctaplib.corpus.alignment import SILENCE, Alignment, read_ctm, read_textgrid, write_ctm
from ctaplib.corpus.build import MAX_DROPPED_PCT, PreparedSet, check_share, lacking, open_all, prepare, write_set
from ctaplib.corpus.datadir import c_sorted, subset
from ctaplib.corpus.importing import Found, Item, clean_id
from ctaplib.corpus.inspection import odd_rates
from ctaplib.corpus.set_split import Split, SplitConfig, cut_dev, read_split, split_by_rule
from ctaplib.corpus.table_checks import out_of_order
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_table

SHARE_FIX = (
    "correct what the lines name, or raise --max_dropped_pct where all that is left out may be missing "
    "(in a recipe: --local_data_opts '--max_dropped_pct P')"
)


class SpeakerOptions(Config):
    """Source of the speakers, at most one option; without any, those of the source, or one speaker with the source's name."""

    speaker: str = ""
    speaker_file: str = ""
    """A table `utterance speaker`."""
    speaker_folder: bool = False


@dataclass(frozen=True, kw_only=True)
class Corpus(PreparedSet):
    """An imported corpus, not yet split into sets; `reasons` are by the names in the source."""

    sets: Mapping[str, str]
    """Set of each utterance, as far as the source has sets."""
    names: Mapping[str, str]
    """Name of each utterance in the source."""


def _speakers(items: Sequence[Item], options: SpeakerOptions, source: Path) -> list[Item]:
    """Set the speaker of every item; an item left without one is rejected, with a reason."""
    asked = [name for name, value in options.model_dump().items() if value]
    if len(asked) > 1:
        raise DataError(f"{' and '.join('--' + name for name in asked)} are given", expected="one of these options")
    why = "it has no speaker, others have"
    if options.speaker_file:
        table, why = read_table(options.speaker_file), f"no line in {options.speaker_file}"
        items = [replace(item, speaker=table.get(item.name, "")) for item in items]
    elif options.speaker_folder:
        why = "its audio is a command, in no folder"
        items = [replace(item, speaker="" if is_command(item.audio) else Path(item.audio).parent.name) for item in items]
    elif options.speaker or not any(item.speaker for item in items):
        name = options.speaker or (source.stem if source.is_file() else source.absolute().name)
        items = [replace(item, speaker=name) for item in items]
    return [item if item.speaker else replace(item, reason=f"{item.place}: {why}") for item in items]


def _speaker_id(item: Item) -> str:
    return clean_id(item.speaker, more="-")  # so that `-` behind it sorts before all that a longer name can go on with


def needs_speakers(items: Sequence[Item]) -> bool:
    """Return whether names alone clash, or are not sorted as the speakers are (which Kaldi's scripts ask for)."""
    utt2spk = {clean_id(item.name): _speaker_id(item) for item in items}
    return len(utt2spk) < len(items) or out_of_order(utt2spk) is not None


def name_items(items: Sequence[Item], faults: list[str], *, keeps_ids: bool, with_speaker: bool) -> dict[str, Item]:
    """Make the ids of items, `<speaker>-<name>` or `<name>`, and of their speakers; with `keeps_ids` they are the source's.

    Ids that two items would have, and names of which no letter is left, are added to `faults`.
    """
    if keeps_ids:
        owned, plain = list(items), [item.name for item in items]
    else:
        owned, plain = [replace(item, speaker=_speaker_id(item)) for item in items], [clean_id(item.name) for item in items]
        if with_speaker:
            plain = [f"{item.speaker}-{name.removeprefix(item.speaker + '-')}" for item, name in zip(owned, plain)]
    ids: dict[str, Item] = {}
    for name, item in zip(plain, owned):
        if not name or not item.speaker:
            faults.append(f"{item.place}: no id can be made of {item.name!r} of {item.speaker!r}")
        elif name in ids:
            fix = "rename one, or give their speakers (--speaker_folder, --speaker_file)"
            named = "" if name == item.name else f" ({item.name} in the source)"
            faults.append(f"id {name}{named} twice: {ids[name].place} and {item.place}; {fix}")
        else:
            ids[name] = item
    return ids


def import_corpus(
    found: Found, source: Path, speakers: SpeakerOptions, *, nj: int = 1, max_dropped_pct: float = MAX_DROPPED_PCT
) -> Corpus:
    """Make one data directory of what an importer found in `source`, with every audio file opened once.

    Raises DataError, with everything at once, where the source has faults, too much of it cannot be used, or ids clash.
    """
    items = lacking(open_all(_speakers(found.items, speakers, source), nj), labelled=found.has_text)
    left_out = dict(found.left_out)
    for item in (item for item in items if item.reason):
        left_out[f"{item.name} ({item.place})" if item.name in left_out else item.name] = item.reason
    kept, faults = [item for item in items if not item.reason], list(found.faults)
    with_speaker = needs_speakers([item for item in items if item.speaker])  # the same whatever is left out
    ids = name_items(kept, faults, keeps_ids=found.keeps_ids, with_speaker=with_speaker)
    check_share(str(source), left_out, len(kept), max_dropped_pct, SHARE_FIX, faults=faults)
    infos = {item.audio: item.info for item in items if item.info is not None}
    odd = odd_rates(infos)
    notes = [f"{p}: {infos[p].rate_hz} Hz, most others have {usual} Hz; features resample it" for p, usual in odd.items()]
    notes += [f"{i.path}: {f.message}" for i in infos.values() for f in i.faults if not f.fatal]
    sets = {utt: item.set for utt, item in ids.items() if item.set}
    names = {utt: item.name for utt, item in ids.items()}
    return Corpus(**vars(prepare(ids, left_out, found.has_text, notes)), sets=sets, names=names)


def read_alignments(path: Path, tier: str) -> dict[str, Alignment]:
    """Read one CTM file, or all CTM files of a folder, or else all its TextGrids."""
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
    """Take phones from alignments by the source's names (or ids); utterances without one are left out."""
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
    return replace(corpus, data=data, sets=sets, reasons={**corpus.reasons, **left_out}), taken


def choose_sets(
    corpus: Corpus, names: tuple[str, str, str], config: SplitConfig, lists: Path | None
) -> tuple[dict[str, list[str]], Split | None]:
    """Choose the utterances of each set: the source's own (a missing dev set is cut off train), the lists', or by the rule.

    Returns the sets, and the split if it was made by the rule just now. Raises DataError where lists do not fit, only some
    utterances have a set, or the corpus is too small.
    """
    data, (train, dev, test) = corpus.data, names
    if corpus.sets:
        without = [utt for utt in data.utt_ids if utt not in corpus.sets]
        if without:
            found = f"{counted(len(without), 'utterance has', 'utterances have')} no set, others have"
            raise DataError(found, shortened(without), fix="fill the column in")
        own: dict[str, list[str]] = {}
        for utt in data.utt_ids:
            own.setdefault(clean_id(corpus.sets[utt]), []).append(utt)
        if train in own and dev not in own:
            own[dev] = cut_dev(own[train], data.utts.get("text", {}), config)
            own[train] = [utt for utt in own[train] if utt not in set(own[dev])]
        return own, None
    split = read_split(lists, data.utt_ids) if lists is not None else None
    made = None
    if split is None:
        genders = data.spks.get("spk2gender", {})
        split = made = split_by_rule(data.utts["utt2spk"], data.utts.get("text", {}), genders, config)
    return {train: list(split.train), dev: list(split.dev), test: list(split.test)}, made


def write_sets(
    corpus: Corpus, sets: Mapping[str, Sequence[str]], folder: Path, first: str, alignments: Mapping[str, Alignment]
) -> None:
    """Write the data directories, and what was left out into `dropped.tsv` of the first; alignments beside them."""
    for name in c_sorted(sets):
        infos = {utt: corpus.infos[utt] for utt in sets[name]}
        write_set(folder / name, PreparedSet(subset(corpus.data, sets[name]), corpus.reasons if name == first else {}, infos))
        if alignments:
            write_ctm(folder / "alignments" / f"{name}.ctm", {utt: alignments[utt] for utt in sets[name]})
