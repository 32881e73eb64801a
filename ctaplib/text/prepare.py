"""The text stage: phones of every utterance, the phone list, and a SentencePiece model.

Utterances that cannot be used (empty text, symbols or words without phones, phones that training never has) are left out of
`text.phn` and listed with the reason in `data/<set>/dropped_text.tsv`. Words that stand in no dictionary and symbols that no rule
can speak are counted in `data/<set>/oov.tsv`, with the utterances that have them. The words as they are said go to
`data/<set>/text.norm`. Phones that were found before are taken from `dump/phone_cache/`.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import sentencepiece

from ctaplib.cluster.jobs import map_jobs
from ctaplib.config import save_config
from ctaplib.config_file import read_saved
from ctaplib.corpus.datadir import NORMALIZED
from ctaplib.errors import DataError, counted
from ctaplib.files import atomic_write, read_table, read_tsv, write_table, write_tsv
from ctaplib.normalize.normalizer import UnknownSymbolsError, normalizer
from ctaplib.phones import BLANK, UNKNOWN
from ctaplib.runs.log import get_logger
from ctaplib.text.cache import Entry, PhoneCache
from ctaplib.text.frontends import FrontEnd, MissingWordsError, TextConfig, check_frontend, make_frontend
from ctaplib.text.tokens import TokenList, make_phone_list, write_token_list

log = get_logger(__name__)
T = TypeVar("T")
SAMPLE, WORTH_S = 200, 20.0
"""Texts that are timed in one process, and the seconds of work left from which others are started (each loads the front end)."""
CHUNK = 5000
"""Texts after which what was found is kept, so that a run that is killed loses little."""


def phones_of(text: str, config: TextConfig) -> Entry:
    """Find the phones of one text with the front end of a config."""
    try:
        found = _frontend(config)(text)
    except DataError as error:
        unknown = error.words if isinstance(error, MissingWordsError) else ()
        unknown = error.symbols if isinstance(error, UnknownSymbolsError) else unknown
        return Entry(reason=str(error).replace("\n", " ").replace("\t", " "), unknown=unknown)
    return Entry(" ".join(found.phones), " ".join(map(str, found.words)), "", found.guessed)


@cache
def _frontend(config: TextConfig) -> FrontEnd:
    return make_frontend(config)  # once per process


def find_phones(texts: Mapping[str, str], config: TextConfig, nj: int, folder: Path | None = None) -> dict[str, Entry]:
    """Find the phones of many texts, in parallel where that pays; equal texts are looked at once.

    Args:
        texts: text of each utterance.
        config: the front end.
        nj: number of processes.
        folder: where phones that were found before are kept, for this front end and others; None keeps nothing.

    Raises:
        DependencyError: a package or data that the front end needs is missing.
        ConfigError: there is no such front end.
    """
    kept = PhoneCache(folder, config) if folder else None
    found = kept.read() if kept else {}
    missing = sorted(set(texts.values()) - found.keys())
    log.info("phones of %d texts: %d known from before", len(set(texts.values())), len(set(texts.values())) - len(missing))
    if missing:
        _frontend(config)  # faults of the front end itself are no reason to leave out every utterance
    for chunk, entries in _in_chunks(missing, partial(phones_of, config=config), nj):
        fresh = dict(zip(chunk, entries, strict=True))
        if kept:
            kept.add(fresh)
        found.update(fresh)
    return {utt: found[text] for utt, text in texts.items()}


def _in_chunks(texts: list[str], work: Callable[[str], T], nj: int) -> Iterator[tuple[list[str], list[T]]]:
    """Work on texts, a chunk at a time; in several processes where the first texts say that it is worth their start."""
    first, rest = texts[:SAMPLE], texts[SAMPLE:]
    start = time.monotonic()
    if first:
        yield first, [work(text) for text in first]
    left_s = (time.monotonic() - start) / max(1, len(first)) * len(rest)
    found = map_jobs(work, rest, nj, what="finding phones", chunk=64, at_least=2 if left_s >= WORTH_S else len(rest) + 1)
    for i in range(0, len(rest), CHUNK):
        chunk = rest[i : i + CHUNK]
        yield chunk, list(islice(found, len(chunk)))
    next(found, None)  # lets it tidy up


def _set_phones(folder: Path, config: TextConfig, nj: int, kept: Path) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Phones, word numbers and drop reasons of one data directory; words in no dictionary are listed in it."""
    utts = read_table(folder / "utt2spk")
    texts = read_table(folder / "text")
    reasons = {utt: "no line in text" for utt in utts if utt not in texts}
    reasons |= {utt: "empty text" for utt, text in texts.items() if not text.strip()}
    given = read_table(folder / "text.phn") if config.takes_given and (folder / "text.phn").exists() else {}
    if given and "sil" in {phone for value in given.values() for phone in value.split()}:
        raise DataError(f"{folder}/text.phn holds the phone sil", expected="phones without silences", fix="remove them")
    words = read_table(folder / "phn2word") if given and (folder / "phn2word").exists() else {}
    phones = {utt: value for utt, value in given.items() if utt in utts and utt not in reasons and value}
    rest = {utt: text for utt, text in texts.items() if utt in utts and utt not in phones and utt not in reasons}
    if rest and config.frontend == "given":
        reasons |= dict.fromkeys(rest, "no line in text.phn, and the front end is `given`")
    elif rest:
        entries = find_phones(rest, config, nj, kept)
        _list_unknown(folder, entries)
        for utt, entry in entries.items():
            if entry.reason:
                reasons[utt] = entry.reason
            else:
                phones[utt], words[utt] = entry.phones, entry.words
    return phones, {utt: words[utt] for utt in phones if utt in words}, reasons


def _list_unknown(folder: Path, entries: Mapping[str, Entry], fate: str = "") -> None:
    """Write `oov.tsv`: words in no dictionary and unknown symbols, how often, whether phones were guessed, and where.

    With a `fate`, the rows of that fate are replaced and all others stay.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for utt in sorted(entries):
        for word in entries[utt].unknown:
            places.setdefault((word, fate or ("dropped" if entries[utt].reason else "guessed")), []).append(utt)
    rows: list[dict[str, object]] = [
        {"word": word, "count": len(utts), "phones": kind, "utts": " ".join(dict.fromkeys(utts))}
        for (word, kind), utts in places.items()
    ]
    if fate and (folder / "oov.tsv").exists():
        rows += [dict(row) for row in read_tsv(folder / "oov.tsv") if row["phones"] != fate]
    rows.sort(key=lambda row: (-int(str(row["count"])), row["word"], row["phones"]))
    write_tsv(folder / "oov.tsv", rows, ("word", "count", "phones", "utts"))
    if places:
        log.warning(
            "%s: %s in no dictionary or symbols without a rule, %s in all (oov.tsv says where), e.g. %s; "
            "a user lexicon can have words",
            folder.name, counted(len(places), "word is", "words are"), counted(sum(map(len, places.values())), "time"),
            ", ".join([word for word, _ in places][:5]),
        )  # fmt: skip


def prepare(data: Path, dump: Path, sets: Sequence[str], train_set: str, config: TextConfig, nj: int = 1) -> TokenList:
    """Run the text stage.

    Args:
        data: folder of the data directories.
        dump: folder that gets `token_list/`.
        sets: all sets that have text.
        train_set: the set that the token lists come from; one of `sets`.
        config: front end and sizes.
        nj: number of processes.

    Returns:
        The phone list.

    Raises:
        ConfigError: there is no such front end.
        DataError: nothing is left of a set, or more than `config.max_dropped_pct` of it would be left out.
    """
    check_frontend(config)
    if train_set not in sets:
        raise DataError(f"the training set {train_set} is not among {' '.join(sets)}", fix="add it to --sets")
    found = {name: _set_phones(data / name, config, nj, dump / "phone_cache") for name in sets}
    tokens = make_phone_list(line.split() for line in found[train_set][0].values())
    faults = []
    for name, (phones, words, reasons) in found.items():
        _fit(phones, tokens, reasons, train_set, name)
        kept = {utt: line for utt, line in phones.items() if utt not in reasons}
        share = 100 * len(reasons) / max(1, len(reasons) + len(kept))
        write_tsv(
            data / name / "dropped_text.tsv", [{"utt": u, "reason": r} for u, r in sorted(reasons.items())], ("utt", "reason")
        )
        log.info("%s: phones of %d utterances; %d left out (dropped_text.tsv)", name, len(kept), len(reasons))
        if not kept or share > config.max_dropped_pct:
            example = next(iter(reasons.items()), ("", "no utterance"))
            faults.append(f"{name}: {len(reasons)} utterances ({share:.1f} %) left out, e.g. {example[0]}: {example[1]}")
            continue
        _write_phones(data / name, kept, words, config)
    if faults:
        raise DataError(
            f"too much text cannot be used in {data}", faults,
            expected=f"at most {config.max_dropped_pct} % of each set left out",
            fix="see dropped_text.tsv; correct the text, choose another front end, or raise max_dropped_pct",
        )  # fmt: skip
    write_token_list(tokens, dump / "token_list" / "phn" / "tokens.txt")
    save_config(config, dump / "token_list" / "text.yaml")
    for name in sets:
        write_normalized(data / name, config, nj)
    train_pieces(read_table(data / train_set / NORMALIZED), dump / "token_list", config)
    return tokens


def write_normalized(folder: Path, config: TextConfig, nj: int = 1) -> None:
    """Write `text.norm` of a data directory: of every utterance that has text, the words as they are said.

    Where the corpus gave the phones, no front end saw the text; symbols that no rule can speak join `oov.tsv` from here.
    """
    texts = {utt: text for utt, text in read_table(folder / "text").items() if text.strip()}
    said: dict[str, tuple[str, tuple[str, ...]]] = {}
    for chunk, found in _in_chunks(sorted(set(texts.values())), partial(_said, config=config), nj):
        said.update(zip(chunk, found, strict=True))
    write_table(folder / NORMALIZED, {utt: said[text][0] for utt, text in texts.items()})
    odd = {utt: said[text][1] for utt, text in texts.items() if said[text][1]}
    if odd or (folder / "oov.tsv").exists():
        phones = read_table(folder / "text.phn") if odd else {}
        _list_unknown(folder, {utt: Entry(phones[utt], unknown=odd[utt]) for utt in odd.keys() & phones.keys()}, "given")


def _fit(phones: dict[str, str], tokens: TokenList, reasons: dict[str, str], train_set: str, name: str) -> None:
    """Write phones that training lacks with another stress where that one is known; else note the utterance."""
    swapped: set[str] = set()
    for utt, line in phones.items():
        near = {p: tokens.nearest(p) for p in line.split()}
        unknown = sorted(p for p, known in near.items() if known is None)
        if unknown:
            reasons[utt] = f"unknown symbols {' '.join(unknown)}: phones that {train_set} does not have"
            continue
        swapped |= {f"{p} as {known}" for p, known in near.items() if p != known}
        phones[utt] = " ".join(near[p] or p for p in line.split())
    if swapped:
        log.warning("%s: phones that %s never has, written with another stress: %s", name, train_set, ", ".join(sorted(swapped)))


def _write_phones(folder: Path, phones: Mapping[str, str], words: Mapping[str, str], config: TextConfig) -> None:
    """Write `text.phn` and `phn2word`, unless they are there and say the same."""
    for name, table in (("text.phn", phones), ("phn2word", words if words.keys() >= phones.keys() else {})):
        if table and not ((folder / name).exists() and read_table(folder / name) == dict(table)):
            write_table(folder / name, {utt: table[utt] for utt in phones})


def train_pieces(texts: Mapping[str, str], folder: Path, config: TextConfig) -> Path:
    """Train a SentencePiece model on text, which is normalised if it was not; the numbers of its pieces agree with `tokens.txt`.

    Returns:
        Path of `spm<N>/bpe.model`.

    Raises:
        DataError: the text is too small for so many pieces.
    """
    lines = sorted({line for text in texts.values() if (line := _normalized(text, config))})
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=config.spm_pieces, model_type=config.spm_model,
            character_coverage=1.0, bos_id=-1, eos_id=-1, unk_id=1, pad_id=0, pad_piece=BLANK, unk_piece=UNKNOWN, num_threads=1,
            normalization_rule_name="identity", minloglevel=2,
        )  # fmt: skip
    except RuntimeError as error:
        raise DataError(
            f"no SentencePiece model of {config.spm_pieces} pieces from {len(lines)} lines: {error}",
            fix="set spm_pieces in conf/text.yaml as the message says",
        ) from error
    target = folder / f"spm{config.spm_pieces}"
    with atomic_write(target / "bpe.model", "wb") as out:
        out.write(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    write_token_list(TokenList(tuple(pieces.id_to_piece(i) for i in range(len(pieces)))), target / "tokens.txt")
    return target / "bpe.model"


def _normalized(text: str, config: TextConfig) -> str:
    """Text as word pieces see it; what cannot be normalised is left as it is (the stage lists it)."""
    return _said(text, config)[0]


def _said(text: str, config: TextConfig) -> tuple[str, tuple[str, ...]]:
    """The same, with the symbols that no rule can speak."""
    try:
        return normalizer(config.language)(text), ()
    except DataError as error:
        return " ".join(text.lower().split()), error.symbols if isinstance(error, UnknownSymbolsError) else ()


def read_text_config(token_list: str | Path) -> TextConfig:
    """Read back the config that the text stage kept in `dump/token_list/text.yaml`."""
    values = read_saved(Path(token_list) / "text.yaml", "the settings of the text stage", "run stage 2 (text)")
    return TextConfig.model_validate({k: v for k, v in values.items() if k != "config_hash"})
