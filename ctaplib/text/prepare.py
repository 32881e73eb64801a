"""The text stage: phones of every utterance, the phone list, and a SentencePiece model.

Utterances that cannot be used (empty text, symbols or words without phones, phones that training never has) are dropped from
`text.phn` and listed with the reason in `data/<set>/dropped_text.tsv`. Words that are in no dictionary and symbols without a
rule are counted in `data/<set>/oov.tsv`, with the utterances that have them. The normalised words go to
`data/<set>/text.norm`. Phones found by earlier runs are taken from `dump/phone_cache/`.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sentencepiece

from ctaplib.config import save_config
from ctaplib.corpus.datadir import NORMALIZED
from ctaplib.errors import DataError, counted
from ctaplib.files import atomic_write, read_table, read_tsv, write_table, write_tsv
from ctaplib.normalize.normalizer import UnknownTextError, normalizer
from ctaplib.phones import BLANK, SILENCE, UNKNOWN
from ctaplib.runs.log import get_logger
from ctaplib.text.cache import Entry
from ctaplib.text.frontends import TextConfig, check_frontend
from ctaplib.text.phonemize import find_phones, in_chunks
from ctaplib.text.tokens import TokenList, make_phone_list, write_token_list

log = get_logger(__name__)


@dataclass(frozen=True)
class _SetPhones:
    """Phones and word numbers of a set's utterances, as lines of `text.phn` and `phn2word`, and reasons to drop others."""

    phones: dict[str, str]
    words: dict[str, str]
    reasons: dict[str, str]


def prepare(data: Path, dump: Path, sets: Sequence[str], train_set: str, config: TextConfig, nj: int = 1) -> TokenList:
    """Run the text stage.

    Args:
        data: Folder of the data directories.
        dump: Folder that gets `token_list/`.
        sets: All sets that have text.
        train_set: The set that the token lists come from; one of `sets`.
        config: Front end and sizes.
        nj: Number of processes.

    Returns:
        The phone list.

    Raises:
        ConfigError: there is no such front end.
        DataError: no utterance of a set can be used, or more than `config.max_dropped_pct` of them cannot.
    """
    check_frontend(config)
    if train_set not in sets:
        raise DataError(f"the training set {train_set} is not among {' '.join(sets)}", fix="add it to --sets")
    found = {name: _set_phones(data / name, config, nj, dump / "phone_cache") for name in sets}
    tokens = make_phone_list(line.split() for line in found[train_set].phones.values())
    faults = []
    for name, entry in found.items():
        _fit(entry, tokens, train_set, name)
        kept = {utt: line for utt, line in entry.phones.items() if utt not in entry.reasons}
        dropped = [{"utt": u, "reason": r} for u, r in sorted(entry.reasons.items())]
        dropped_pct = 100 * len(dropped) / max(1, len(dropped) + len(kept))
        write_tsv(data / name / "dropped_text.tsv", dropped, ("utt", "reason"))
        log.info("%s: phones of %d utterances; %d dropped (dropped_text.tsv)", name, len(kept), len(dropped))
        if not kept or dropped_pct > config.max_dropped_pct:
            utt, reason = next(iter(entry.reasons.items()), ("", "no utterance"))
            faults.append(f"{name}: {len(dropped)} utterances ({dropped_pct:.1f} %) dropped, e.g. {utt}: {reason}")
            continue
        _write_phones(data / name, kept, entry.words)
    if faults:
        raise DataError(
            f"too much text cannot be used in {data}", faults,
            expected=f"at most {config.max_dropped_pct} % of each set dropped",
            fix="see dropped_text.tsv; correct the text, choose another front end, or raise max_dropped_pct",
        )  # fmt: skip
    write_token_list(tokens, dump / "token_list" / "phn" / "tokens.txt")
    save_config(config, dump / "token_list" / "text.yaml")
    for name in sets:
        write_normalized(data / name, config, nj)
    train_pieces(read_table(data / train_set / NORMALIZED), dump / "token_list", config)
    return tokens


def _set_phones(folder: Path, config: TextConfig, nj: int, cache: Path) -> _SetPhones:
    """Find the phones of one data directory; words in no dictionary are listed in it."""
    utts = read_table(folder / "utt2spk")
    texts = read_table(folder / "text")
    reasons = {utt: "no line in text" for utt in utts if utt not in texts}
    reasons |= {utt: "empty text" for utt, text in texts.items() if not text.strip()}
    given = read_table(folder / "text.phn") if config.takes_given and (folder / "text.phn").exists() else {}
    if given and SILENCE in {phone for value in given.values() for phone in value.split()}:
        raise DataError(f"{folder}/text.phn holds the phone {SILENCE}", expected="phones without silences", fix="remove them")
    words = read_table(folder / "phn2word") if given and (folder / "phn2word").exists() else {}
    phones = {utt: value for utt, value in given.items() if utt in utts and utt not in reasons and value}
    rest = {utt: text for utt, text in texts.items() if utt in utts and utt not in phones and utt not in reasons}
    if rest and config.frontend == "given":
        reasons |= dict.fromkeys(rest, "no line in text.phn, and the front end is `given`")
    elif rest:
        entries = find_phones(rest, config, nj, cache)
        _list_unknown(folder, entries)
        for utt, entry in entries.items():
            if entry.reason:
                reasons[utt] = entry.reason
            else:
                phones[utt], words[utt] = entry.phones, entry.words
    return _SetPhones(phones, {utt: words[utt] for utt in phones if utt in words}, reasons)


def _list_unknown(folder: Path, entries: Mapping[str, Entry], kind: str = "") -> None:
    """Write `oov.tsv`: words in no dictionary and unknown symbols, how often, whether phones were guessed, and where.

    With a `kind`, the rows of that kind are replaced and all others stay.
    """
    places: dict[tuple[str, str], list[str]] = {}
    for utt in sorted(entries):
        for word in entries[utt].unknown:
            places.setdefault((word, kind or ("dropped" if entries[utt].reason else "guessed")), []).append(utt)
    rows: list[dict[str, object]] = [
        {"word": word, "count": len(utts), "phones": phones, "utts": " ".join(dict.fromkeys(utts))}
        for (word, phones), utts in places.items()
    ]
    if kind and (folder / "oov.tsv").exists():
        rows += [dict(row) for row in read_tsv(folder / "oov.tsv") if row["phones"] != kind]
    rows.sort(key=lambda row: (-int(str(row["count"])), row["word"], row["phones"]))
    write_tsv(folder / "oov.tsv", rows, ("word", "count", "phones", "utts"))
    if places:
        log.warning(
            "%s: %s in no dictionary or symbols without a rule, %s in all (listed in oov.tsv), e.g. %s; "
            "words can be added to a user lexicon",
            folder.name, counted(len(places), "word is", "words are"), counted(sum(map(len, places.values())), "time"),
            ", ".join([word for word, _ in places][:5]),
        )  # fmt: skip


def _fit(entry: _SetPhones, tokens: TokenList, train_set: str, name: str) -> None:
    """Replace phones that training lacks by those of another stress; where there is none, give a reason to drop."""
    replaced: set[str] = set()
    for utt, line in entry.phones.items():
        near = {p: tokens.nearest(p) for p in line.split()}
        unknown = sorted(p for p, known in near.items() if known is None)
        if unknown:
            entry.reasons[utt] = f"unknown symbols {' '.join(unknown)}: phones that {train_set} does not have"
            continue
        replaced |= {f"{p} by {known}" for p, known in near.items() if p != known}
        entry.phones[utt] = " ".join(near[p] or p for p in line.split())
    if replaced:
        log.warning(
            "%s: phones that %s lacks, replaced by those of another stress: %s", name, train_set, ", ".join(sorted(replaced))
        )


def _write_phones(folder: Path, phones: Mapping[str, str], words: Mapping[str, str]) -> None:
    """Write `text.phn` and `phn2word`; files of the same content are left alone."""
    for name, table in (("text.phn", phones), ("phn2word", words if words.keys() >= phones.keys() else {})):
        if table and not ((folder / name).exists() and read_table(folder / name) == dict(table)):
            write_table(folder / name, {utt: table[utt] for utt in phones})


def write_normalized(folder: Path, config: TextConfig, nj: int = 1) -> None:
    """Write `text.norm` of a data directory: the normalised words of every utterance that has text.

    Where the corpus gave the phones, no front end read the text; symbols without a rule are added to `oov.tsv` here.
    """
    texts = {utt: text for utt, text in read_table(folder / "text").items() if text.strip()}
    normalized: dict[str, tuple[str, tuple[str, ...]]] = {}
    for chunk, found in in_chunks(sorted(set(texts.values())), partial(_normalize, config=config), nj):
        normalized.update(zip(chunk, found, strict=True))
    write_table(folder / NORMALIZED, {utt: normalized[text][0] for utt, text in texts.items()})
    odd = {utt: normalized[text][1] for utt, text in texts.items() if normalized[text][1]}
    if odd or (folder / "oov.tsv").exists():
        phones = read_table(folder / "text.phn") if odd else {}
        _list_unknown(folder, {utt: Entry(phones[utt], unknown=odd[utt]) for utt in odd.keys() & phones.keys()}, "given")


def _normalize(text: str, config: TextConfig) -> tuple[str, tuple[str, ...]]:
    """Return normalised text and the symbols without a rule; text with any is only put into lower case."""
    try:
        return normalizer(config.language)(text), ()
    except DataError as error:
        return " ".join(text.lower().split()), error.unknown if isinstance(error, UnknownTextError) else ()


def train_pieces(texts: Mapping[str, str], folder: Path, config: TextConfig) -> Path:
    """Train a SentencePiece model on normalised text; the ids of its pieces agree with `tokens.txt`.

    Returns:
        Path of `spm<N>/bpe.model`.

    Raises:
        DataError: the text is too small for so many pieces.
    """
    lines = sorted({line for text in texts.values() if (line := _normalize(text, config)[0])})
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
