"""Check the tables of a data directory by themselves and against each other: every fault, with file and line.

The rules are Kaldi's (https://kaldi-asr.org/doc/data_prep.html and its validate_data_dir.sh), and ours for phones. What Kaldi
refuses and we can work with is a warning.
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ctaplib.corpus.datadir import REC_TABLES, SPK_TABLES, UTT_TABLES, c_sorted

BYTE_ORDER_MARK = "\ufeff"
KALDI_SYMBOLS = re.compile(r"(?<!\w)(?:<s>|</s>|#0)(?!\w)", re.ASCII)
"""Words that Kaldi reserves and refuses in `text`, within others too (`grep -w`: no letter or digit beside them)."""
UNPRINTABLE = frozenset({"Cc", "Cn", "Co", "Cs"})
"""Unicode categories that have no place in text."""
NUMERIC_TABLES = ("segments", "utt2dur", "reco2dur", "phn2word", "utt2num_frames", "utt2num_samples")


def number(value: str) -> float:
    """Return a number of one word, or 0."""
    try:
        return float(value)
    except ValueError:
        return 0.0


def _is_channel(value: str) -> bool:
    words = value.split()
    return len(words) == 2 and words[1] in ("A", "B", "1")


RULES: dict[str, tuple[Callable[[str], bool], str, bool]] = {
    "utt2dur": (lambda value: number(value) > 0, "one number of seconds above 0", True),
    "utt2num_frames": (lambda v: v.isascii() and v.isdigit() and int(v) > 0, "a whole number of frames above 0", True),
    "reco2dur": (lambda value: number(value) > 0, "one number of seconds above 0", False),
    "reco2file_and_channel": (_is_channel, "a file and a channel, A or B", False),
    "utt2warp": (lambda value: 0.5 < number(value) < 1.5, "a number between 0.5 and 1.5", False),
    "spk2warp": (lambda value: 0.5 < number(value) < 1.5, "a number between 0.5 and 1.5", False),
    "spk2gender": (lambda value: value in ("m", "f"), "m or f", False),
    "wav.scp": (lambda value: not value.startswith("~"), "a path without `~`, which only shells know", False),
}
"""Of each table: whether a value is good, what is expected, and whether a bad one is fatal."""


@dataclass(frozen=True)
class Fault:
    """A fault of a data directory."""

    place: str
    """file:line"""
    message: str
    """What was found, what was expected, what to do."""
    utt: str = ""
    """The utterance that `--fix` drops; empty where dropping it is no cure."""
    fatal: bool = True
    kind: str = ""
    """`kaldi` or `speaker_order` for what we can work with and Kaldi's own check refuses; `duplicate` for a second line;
    `encoding` for a table that is not UTF-8, which cannot be repaired (only spk2utt, which is made anew)."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass
class Table:
    """A table with the line of each entry."""

    path: Path
    values: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Return `file:line` of an entry."""
        return f"{self.path}:{self.lines.get(key, 1)}"

    def fault(self, key: str, message: str, *, fatal: bool = True, kind: str = "") -> Fault:
        """Return a fault of an entry; if it is fatal, `--fix` drops the utterance."""
        return Fault(self.place(key), f"{key}: {message}", key if fatal else "", fatal, kind)


def read_lines(path: Path, faults: list[Fault]) -> Table:
    """Read a table whatever is wrong with it; what is wrong goes to `faults`."""
    table = Table(path)
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        bad_line = path.read_bytes()[: error.start].count(b"\n") + 1
        kind = "" if path.name == "spk2utt" else "encoding"
        faults.append(Fault(f"{path}:{bad_line}", f"it is not UTF-8 ({error.reason}); convert it, e.g. with iconv", kind=kind))
        return table
    if text.startswith(BYTE_ORDER_MARK):
        faults.append(Fault(f"{path}:1", "the file begins with a byte order mark; expected plain UTF-8; remove it with --fix"))
    previous, lines = "", text.removeprefix(BYTE_ORDER_MARK).split("\n")
    if lines[-1]:
        faults.append(Fault(f"{path}:{len(lines)}", "the last line has no line end; add one", fatal=False, kind="kaldi"))
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        if not line.strip():
            if line or number < len(lines):
                faults.append(Fault(place, "the line is empty; remove it"))
            continue
        if line.endswith("\r"):
            faults.append(Fault(place, "the line ends in CR LF; expected LF; run dos2unix", fatal=False, kind="kaldi"))
        key, *rest = line.split(maxsplit=1)
        _check_key(key, line, place, faults)
        if key in table.values:
            what = f"duplicate id {key}, first in line {table.lines[key]}; keep one line per id"
            faults.append(Fault(place, what, kind="duplicate"))
            continue
        if previous and key.encode() < previous.encode():
            expected = "expected LC_ALL=C order, by bytes, whatever the locale; sort it with LC_ALL=C, or let --fix do it"
            faults.append(Fault(place, f"unsorted: {key} after {previous}; {expected}"))
        previous = key
        table.values[key], table.lines[key] = (rest[0].strip() if rest else ""), number
    if not table.values:
        faults.append(Fault(f"{path}:1", "the file is empty; expected one line per id"))
    return table


def _check_key(key: str, line: str, place: str, faults: list[Fault]) -> None:
    """Find ids that programs may parse differently, or that are not valid file names."""
    plain = unicodedata.normalize("NFKC", key)
    if "/" in key or key in (".", ".."):
        faults.append(Fault(place, f"{key}: an id is the name of a file, which cannot hold `/`; rename it", utt=key))
    elif plain != key and any(c.isdigit() for c in key):
        what = f"{key}: full-width digits or letters; expected {plain}; rename it in every table"
        faults.append(Fault(place, what, fatal=False))
    odd = sorted({f"U+{ord(c):04X}" for c in line if c.isspace() and c not in " \t\r"})
    if odd:
        what = f"{key}: white space {' '.join(odd)}, which some programs split at and some do not; expected plain spaces"
        faults.append(Fault(place, f"{what}; --fix puts them", fatal=False, kind="kaldi"))


def check_tables(path: Path, faults: list[Fault], *, wav_scp: bool = True) -> dict[str, Table]:
    """Check the tables of a data directory by themselves and against each other, into `faults`; return them by name."""
    names = ("wav.scp", "segments", "spk2utt", *UTT_TABLES, *SPK_TABLES, *REC_TABLES)
    tables = {name: read_lines(path / name, faults) for name in names if (path / name).exists()}
    needed = {"utt2spk", "wav.scp"} if wav_scp or "segments" in tables else {"utt2spk"}
    for name in sorted(needed - tables.keys()):
        faults.append(Fault(f"{path / name}:1", "the file is missing; make it with the data stage (1)"))
    if not needed <= tables.keys():
        return tables
    utts = tables["utt2spk"].values
    speakers = set(utts.values())
    recordings: Collection[str] = utts
    if "segments" in tables:
        recordings = {value.split()[0] for value in tables["segments"].values.values() if value}
    for name, table in tables.items():
        by_recording, by_speaker = name in ("wav.scp", *REC_TABLES), name in (*SPK_TABLES, "spk2utt")
        expected = recordings if by_recording else speakers if by_speaker else utts
        _compare(table, expected, expected is utts, faults)
    _check_text(tables, faults)
    _check_speakers(tables, faults)
    _check_values(tables, faults)
    return tables


def _compare(table: Table, expected: Collection[str], by_utt: bool, faults: list[Fault]) -> None:
    """Find ids that only this table or only the other tables have, and entries without a value."""
    for key in c_sorted(table.values.keys() - set(expected)):
        what = f"{key} is not in the other tables; remove the line or add the id there"
        faults.append(Fault(table.place(key), what, utt=key if by_utt else ""))
    for key in c_sorted(set(expected) - table.values.keys()):
        what = f"{key} has no line in {table.path.name}; add it, or drop {key} from the other tables"
        faults.append(Fault(f"{table.path}:1", what, utt=key if by_utt else ""))
    for key in (key for key, value in table.values.items() if not value):
        what = f"{key}: {'empty text' if table.path.name.startswith('text') else 'no value'}; expected `{key} ...`"
        faults.append(Fault(table.place(key), f"{what}; fill it in or drop the utterance", utt=key if by_utt else ""))


def _check_speakers(tables: Mapping[str, Table], faults: list[Fault]) -> None:
    """Check what Kaldi asks of speakers: one word each, sorted as their utterances are, `spk2utt` agrees."""
    table = tables["utt2spk"]
    for utt, spk in table.values.items():
        if len(spk.split()) > 1:
            faults.append(table.fault(utt, f"speaker {spk!r} has several words; expected one id; rename it"))
    pair = out_of_order(table.values)
    if pair:
        (first, one), (second, other) = pair
        what = f"{first} of {one} stands before {second} of {other}, but speaker {other} sorts before {one}"
        fix = "Kaldi's scripts refuse that; begin the ids with the speaker and `-`, where they are made or in every table"
        faults.append(Fault(table.place(second), f"{what}; {fix}", fatal=False, kind="speaker_order"))
    place, again = f"{table.path.with_name('spk2utt')}:1", "make it again: ctap kaldi utt2spk_to_spk2utt utt2spk > spk2utt"
    if "spk2utt" not in tables:
        fix = f"make it: ctap kaldi utt2spk_to_spk2utt {table.path} > {table.path.with_name('spk2utt')}"
        faults.append(Fault(place, f"the file is missing; expected one; {fix}", fatal=False, kind="kaldi"))
        return
    owner = {utt: spk for spk, value in tables["spk2utt"].values.items() for utt in value.split()}
    wrong = [utt for utt, spk in table.values.items() if owner.get(utt) != spk]
    if wrong or len(owner) != len(table.values):
        example = f" (e.g. {wrong[0]})" if wrong else ""
        faults.append(Fault(place, f"it does not agree with utt2spk{example}; {again}"))
    elif list(owner) != c_sorted(table.values) and pair is None:
        faults.append(Fault(place, f"utterances do not stand in the order of utt2spk; {again}", fatal=False, kind="kaldi"))


def out_of_order(utt2spk: Mapping[str, str]) -> tuple[tuple[str, str], tuple[str, str]] | None:
    """Return two utterances, each with its speaker, that are not in the order of their speakers; None where all are."""
    for first, second in itertools.pairwise(c_sorted(utt2spk)):
        if utt2spk[second].encode() < utt2spk[first].encode():
            return (first, utt2spk[first]), (second, utt2spk[second])
    return None


def _check_values(tables: Mapping[str, Table], faults: list[Fault]) -> None:
    """Find values that do not have the form of their table, and numbers in digits that Kaldi does not read."""
    for name, (is_good, expected, fatal) in RULES.items():
        table = tables.get(name, Table(Path()))
        for key, value in table.values.items():
            if value and not is_good(value) and not is_good(unicodedata.normalize("NFKC", value)):
                what = f"found {value!r}; expected {expected}; correct the line"
                faults.append(table.fault(key, what, fatal=fatal, kind="" if fatal else "kaldi"))
    for name in NUMERIC_TABLES:
        table = tables.get(name, Table(Path()))
        for key, value in table.values.items():
            plain = unicodedata.normalize("NFKC", value)
            if plain != value:
                what = f"{key}: full-width digits in {value!r}; expected {plain!r}; --fix writes it"
                faults.append(Fault(table.place(key), what))


def _check_text(tables: Mapping[str, Table], faults: list[Fault]) -> None:
    """Find unprintable and reserved symbols in text, and word numbers that do not fit the phones."""
    for name in ("text", "text.phn"):
        for utt, value in tables[name].values.items() if name in tables else ():
            bad = (c for c in value if (unicodedata.category(c) in UNPRINTABLE and c != "\t") or c == "\ufffd")
            odd = sorted({f"U+{ord(c):04X}" for c in bad}) + sorted(set(KALDI_SYMBOLS.findall(value)))
            if odd and value:
                what = f"unknown symbols {' '.join(odd)}; expected printable text; correct the line"
                faults.append(tables[name].fault(utt, what))
    if {"text.phn", "phn2word"} <= tables.keys():
        table = tables["phn2word"]
        for utt, value in table.values.items():
            phones = tables["text.phn"].values.get(utt, "").split()
            words = value.split()
            good = len(words) == len(phones) and all(w.isdigit() for w in words)
            if not good or [int(w) for w in words] != sorted(int(w) for w in words):
                found = f"expected {len(phones)} word numbers in rising order, one per phone, found {len(words)}"
                faults.append(table.fault(utt, f"{found}; correct the line, or remove the file"))


def check_tokens(tables: Mapping[str, Table], known: Collection[str], faults: list[Fault]) -> None:
    """Find phones that a token list does not have."""
    table = tables.get("text.phn", Table(Path()))
    for utt, value in table.values.items():
        unknown = sorted(set(value.split()) - set(known))
        if unknown:
            what = f"unknown symbols {' '.join(unknown)}; expected phones of the token list; correct them"
            faults.append(table.fault(utt, what))
