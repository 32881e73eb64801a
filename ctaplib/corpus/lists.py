"""Lists of what is synthesised and converted: chosen once, kept in git, checked against the corpus and its features.

`vc_pairs.tsv` (id set source_utt target_spk prompt_utt cross_sex), `references.tsv` (set spk utt1 utt2 utt3: natural
utterances that are neither prompts nor sources) and `tts.tsv` (id set text_utt spk prompt_utt).
"""

import hashlib
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ctaplib.corpus.datadir import DataDir, c_sorted, read_datadir
from ctaplib.errors import DataError, counted, shortened
from ctaplib.files import read_table, read_tsv, write_tsv

VC_FIELDS = ("id", "set", "source_utt", "target_spk", "prompt_utt", "cross_sex")
TTS_FIELDS = ("id", "set", "text_utt", "spk", "prompt_utt")
LIST_FIELDS = {
    "vc_pairs.tsv": ("source_utt", "prompt_utt"),
    "tts.tsv": ("text_utt", "prompt_utt"),
    "references.tsv": ("utt1", "utt2", "utt3"),
}
"""Columns of each list that hold utterances."""
WITH_PHONES = ("text_utt", "source_utt")
"""Columns with utterances whose phones are needed: they are synthesised, or the output is compared with them."""
REFERENCES = 3
"""Natural utterances that stand for a speaker."""
LEAST = REFERENCES + 2
"""Fewest utterances of a speaker: references, a prompt and a sentence."""
OWN_PAIRS = 200
"""Most conversions of a corpus of one's own."""
OWN_SENTENCES = 100
"""Most sentences of a corpus of one's own that are synthesised."""
SHOWN = 50
LISTS_FIX = "take the whole corpus, or name another folder of lists with --lists (in --local_data_opts)"
Row = dict[str, str]


@dataclass(frozen=True)
class Parts:
    """What each speaker's utterances are used for."""

    sources: dict[str, list[str]]
    prompts: dict[str, list[str]]
    references: dict[str, list[str]]


def part_utterances(utts: Mapping[str, Sequence[str]]) -> Parts:
    """Take the last of each speaker's utterances as references, and a quarter of the others (at least one) as prompts.

    Raises DataError where a speaker has too few.
    """
    poor = [spk for spk in c_sorted(utts) if len(utts[spk]) < LEAST]
    if poor:
        raise DataError(f"too few utterances of {' '.join(poor)}", expected=f"at least {LEAST} a speaker")
    own = {spk: list(found)[:-REFERENCES] for spk, found in utts.items()}
    prompts = {spk: found[-max(1, len(found) // 4) :] for spk, found in own.items()}
    sources = {spk: found[: -len(prompts[spk])] for spk, found in own.items()}
    return Parts(sources, prompts, {spk: list(found)[-REFERENCES:] for spk, found in utts.items()})


def _ordered_pairs(genders: Mapping[str, str], cross_sex: bool, rng: random.Random) -> list[tuple[str, str]]:
    """List all ordered pairs of different speakers of unlike (or like) sex, shuffled."""
    speakers = c_sorted(genders)
    pairs = [(a, b) for a in speakers for b in speakers if a != b and (genders[a] != genders[b]) == cross_sex]
    rng.shuffle(pairs)
    return pairs


def _conversion(parts: Parts, pair: tuple[str, str], number: int, cross: bool, rng: random.Random) -> Row:
    source, target = pair
    utt, prompt = rng.choice(parts.sources[source]), rng.choice(parts.prompts[target])
    name = f"{utt}-to-{target}-{number:03d}"
    return {"id": name, "source_utt": utt, "target_spk": target, "prompt_utt": prompt, "cross_sex": "yes" if cross else "no"}


def _sentence(parts: Parts, spk: str, utt: str, rng: random.Random) -> Row:
    return {"id": f"{utt}-tts", "text_utt": utt, "spk": spk, "prompt_utt": rng.choice(parts.prompts[spk])}


def _write(folder: Path, sets: Sequence[str], parts: Parts, conversions: Sequence[Row], sentences: Sequence[Row]) -> None:
    """Write the three lists; each set gets the same rows."""
    names = LIST_FIELDS["references.tsv"]
    references = [{"spk": spk, **dict(zip(names, parts.references[spk]))} for spk in c_sorted(parts.references)]
    for name, rows, fields in (
        ("vc_pairs.tsv", conversions, VC_FIELDS),
        ("references.tsv", references, ("set", "spk", *names)),
        ("tts.tsv", sentences, TTS_FIELDS),
    ):
        write_tsv(folder / name, [{**row, "set": part} for part in sets for row in rows], fields)


def write_task_lists(
    folder: str | Path,
    sets: Sequence[str],
    utts: Mapping[str, Sequence[str]],
    genders: Mapping[str, str],
    *,
    pairs: int,
    tts: int,
    without: Collection[str] | None = None,
) -> None:
    """Write the three lists of a recipe; each of the `sets` (a corpus and its subset) gets the same rows.

    `utts` and `genders` (`m` or `f`) are by speaker; a speaker's last utterances become references and prompts, the first ones
    sources and texts. There are `pairs` conversions, half of them cross-sex, and `tts` sentences, each with a prompt of its
    speaker; with `without`, each sentence is taken once, and none of these utterances.
    """
    rng, speakers, parts = random.Random(1), c_sorted(utts), part_utterances(utts)
    conversions: list[Row] = []
    for cross in (True, False):
        ordered = _ordered_pairs(genders, cross, rng)
        if not ordered:
            raise DataError(f"no pairs of {'unlike' if cross else 'like'} sex", expected="at least two women and two men")
        conversions += [
            _conversion(parts, ordered[k % len(ordered)], len(conversions) + k + 1, cross, rng) for k in range(pairs // 2)
        ]
    sentences = []
    for k in range(tts if without is None else tts * len(speakers)):
        spk = speakers[k % len(speakers)]
        sentences.append(_sentence(parts, spk, parts.sources[spk][k // len(speakers) % len(parts.sources[spk])], rng))
    if without is not None:
        sentences = list({row["id"]: row for row in sentences if row["text_utt"] not in without}.values())[:tts]
        if not sentences:
            found = f"training speakers read every sentence of {' '.join(sets)}"
            raise DataError(found, expected="sentences that they do not read")
    _write(Path(folder), sets, parts, conversions, sentences)


def write_own_lists(
    folder: Path, set_: str, utts: Mapping[str, Sequence[str]], genders: Mapping[str, str], seed: int = 1
) -> dict[str, int]:
    """Write the three lists for the test set of a corpus of one's own; return the number of rows of each.

    Conversions need two speakers; half of them are cross-sex where the sex of both is known. Raises DataError where no speaker
    has enough utterances for a prompt, three references and a sentence.
    """
    rich = {spk: list(own) for spk, own in utts.items() if len(own) >= LEAST}
    if not rich:
        raise DataError(f"no speaker of {set_} has {LEAST} utterances", expected="a prompt, references and something to say")
    parts, rng = part_utterances(rich), random.Random(seed)
    known = {spk: genders.get(spk, "") for spk in rich}
    across, within = (_ordered_pairs(known, cross_sex, rng) for cross_sex in (True, False))
    conversions = []
    for k in range(min(OWN_PAIRS, 10 * (len(across) + len(within)))):
        pairs = (across, within)[k % 2] or across or within
        source, target = pair = pairs[k // 2 % len(pairs)]
        cross = bool(known[source] and known[target]) and known[source] != known[target]
        conversions.append(_conversion(parts, pair, k + 1, cross, rng))
    longest = max(map(len, parts.sources.values()))
    order = [(spk, own[k]) for k in range(longest) for spk in c_sorted(rich) if k < len(own := parts.sources[spk])]
    sentences = [_sentence(parts, spk, utt, rng) for spk, utt in order[:OWN_SENTENCES]]
    _write(folder, [set_], parts, conversions, sentences)
    return {"vc_pairs.tsv": len(conversions), "references.tsv": len(rich), "tts.tsv": len(sentences)}


def draw_lists(
    data: Path,
    unseen: Path,
    usable: Callable[[DataDir, DataDir], Collection[str]],
    *,
    long_s: float,
    pairs: int,
    sentences: int,
) -> None:
    """Write `<data>/lists` for the speakers of the list `unseen`, from the corpus and a seed alone; print their digest.

    `usable` gives the utterances of the test set that may be used, from the training set and the test set; those of `long_s`
    seconds or more come last in a speaker's order, as prompts and references. Raises DataError where a speaker is not in the test
    set, or in another set too.
    """
    listed = set(unseen.read_text(encoding="utf-8").split())
    train, test = read_datadir(data / "train"), read_datadir(data / "test")
    trained = {*train.speakers, *read_table(data / "dev" / "utt2spk").values()}
    faults = [f"{spk}: it is not in {data}/test" for spk in c_sorted(listed - set(test.speakers))]
    faults += [f"{spk}: it is in train or dev too" for spk in c_sorted(listed & trained)]
    if faults:
        found, expected = f"{len(faults)} speakers of {unseen} cannot be used", "speakers whom the test set alone has"
        raise DataError(found, faults, expected=expected, fix=LISTS_FIX)
    duration_s = {utt: float(value) for utt, value in test.utts["utt2dur"].items()}
    good = set(usable(train, test))
    own = {
        spk: sorted(good.intersection(utts), key=lambda utt: (duration_s[utt] >= long_s, utt))
        for spk, utts in test.spk2utt().items() if spk in listed
    }  # fmt: skip
    lists = data / "lists"
    write_task_lists(lists, ["test"], own, {spk: test.spks["spk2gender"][spk] for spk in own}, pairs=pairs, tts=sentences)
    digest = hashlib.sha256(b"".join((lists / f"{name}.tsv").read_bytes() for name in ("vc_pairs", "references", "tts")))
    held = f"{pairs} conversions and {sentences} sentences of {len(own)} speakers"
    print(f"lists: {held}, in {lists} (SHA-256 {digest.hexdigest()[:12]})")


def published(lists: Path, separator: str) -> DataDir:
    """Read the utterances of a corpus that are named in public (`published_utts.txt`), and the sexes of their speakers."""
    utts = (lists / "published_utts.txt").read_text(encoding="utf-8").split()
    return DataDir({}, {"utt2spk": {u: u.split(separator)[0] for u in utts}}, {"spk2gender": read_table(lists / "spk2gender")})


def check_lists(lists: Path, sets: Mapping[str, DataDir]) -> None:
    """Raise DataError with all rows of the lists that do not fit the sets: utterances, their speakers, cross-sex pairs."""
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
    foreign = [row[field] for field in fields if field != "source_utt" and owner.get(row[field], speaker) != speaker]
    faults += [f"{utt} is not of {speaker}" for utt in foreign]
    if not faults and "cross_sex" in row and genders:
        source = owner[row["source_utt"]]
        if (genders[source] != genders[speaker]) != (row["cross_sex"] == "yes"):
            faults.append(f"cross_sex is {row['cross_sex']}, but the corpus says otherwise of {source} and {speaker}")
    return faults


def check_listed(lists: Path, data: Path, sets: Sequence[str], dump: Path | None = None) -> None:
    """Raise DataError with all utterances of the lists that the stages left out, and the reasons that they recorded.

    `data` is the folder of the data directories, `dump` that of the features (None: there are none yet); lists that do not exist
    yet are skipped.
    """
    faults = [fault for name in sets for fault in _set_faults(lists, data, name, dump)]
    if faults:
        found = f"the lists in {lists} name {counted(len(faults), 'utterance that was', 'utterances that were')} left out"
        fix = "correct what the reasons name; or copy the lists without these utterances to a folder and give it as --listdir"
        raise DataError(found, shortened(faults, SHOWN), expected="lists of utterances that can be used", fix=fix)


def _set_faults(lists: Path, data: Path, name: str, dump: Path | None) -> Iterable[str]:
    phones = read_table(data / name / "text.phn")
    there = read_table(data / name / "utt2spk" if dump is None else dump / name / "feats.scp")
    reasons: dict[str, str] = {}
    for path in (data / name / "dropped.tsv", data / name / "dropped_text.tsv", (dump or data) / name / "dropped_features.tsv"):
        if path.exists():
            reasons |= {row["utt"]: f"{row['reason']} ({path})" for row in read_tsv(path)}
    faults: dict[str, None] = {}  # a set in the order of the rows: each utterance once a list and column
    for file, columns in LIST_FIELDS.items():
        path = lists / file
        for row in read_tsv(path) if path.exists() else ():
            for column in columns if row.get("set") == name else ():
                utt = row[column]
                lacks = "" if utt in there else "in the set" if dump is None else "among the features"
                lacks = lacks or ("among the phones" if column in WITH_PHONES and utt not in phones else "")
                if lacks:
                    why = reasons.get(utt, "no stage recorded why")
                    faults[f"{path}: {column} {utt} is not {lacks} ({name}): {why}"] = None
    return faults
