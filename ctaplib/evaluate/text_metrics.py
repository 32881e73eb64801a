"""Error rates of phones, words and characters (jiwer counts the edits), without torch.

Phones are folded before they are compared: silence, stress and position tags are dropped, Mandarin tone is
kept, repeated phones stay. Rates are micro-averages: edits of all utterances over tokens of all references.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jiwer

from ctaplib.errors import DataError, shortened
from ctaplib.evaluate.intervals import Estimate, ratio
from ctaplib.phones import BLANK, SILENCE, fold

SILENCES = frozenset({SILENCE, BLANK, "SIL", "sp", "spn", "pau", "<sil>", "<eps>"})
_TOKENS = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
_PUNCTUATION = re.compile(r"[^\w\s']|_")


@dataclass(frozen=True)
class Counts:
    """Edits and reference tokens of one utterance."""

    edits: int
    tokens: int


def fold_phones(phones: str | Sequence[str]) -> list[str]:
    """Phones as they are scored: silence left out, stress and position tags dropped, repeats kept."""
    words = phones.split() if isinstance(phones, str) else phones
    return [fold(phone) for phone in words if phone not in SILENCES]


def words_of(text: str) -> list[str]:
    """Words in lower case without punctuation; apostrophes inside words stay."""
    text = _PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return [word for word in (w.strip("'") for w in text.split()) if word]


def characters_of(text: str) -> list[str]:
    """Characters of the words; one space between words counts, except between ideographs."""
    joined = " ".join(words_of(text))
    joined = re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", joined)
    return ["<space>" if character == " " else character for character in joined]


_SPLIT = {"per": fold_phones, "wer": words_of, "cer": characters_of}


def edit_counts(references: Sequence[Sequence[str]], hypotheses: Sequence[Sequence[str]]) -> list[Counts]:
    """Edits of every pair of token sequences; an empty hypothesis is all deletions."""
    if not references:
        return []
    output = jiwer.process_words(
        [" ".join(tokens) for tokens in references],
        [" ".join(tokens) for tokens in hypotheses],
        reference_transform=_TOKENS,
        hypothesis_transform=_TOKENS,
    )
    counts = []
    for tokens, chunks in zip(references, output.alignments):
        edits = sum(max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx) for c in chunks if c.type != "equal")
        counts.append(Counts(edits, len(tokens)))
    return counts


def error_rate(metric: str, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> Estimate | str:
    """PER, WER or CER in per cent.

    Args:
        metric: "per", "wer" or "cer".
        references: Text (or phones) by id; ids are those to be scored.
        hypotheses: Recognised text by id; an empty one counts as all deleted.

    Returns:
        The estimate, or why there is none (no reference token at all).

    Raises:
        DataError: hypotheses are missing; lists their ids.
    """
    missing = sorted(set(references) - set(hypotheses))
    if missing:
        raise DataError(
            f"{len(missing)} of {len(references)} utterances have no hypothesis",
            shortened([f"{utt}: no line" for utt in missing]),
            expected="a line per utterance, empty when nothing was recognised",
            fix="run the stage decode (11) again",
        )
    split = _SPLIT[metric]
    ids = sorted(references)
    counts = edit_counts([split(references[i]) for i in ids], [split(hypotheses[i]) for i in ids])
    if not sum(c.tokens for c in counts):
        return f"the {len(ids)} references hold nothing to compare"
    return ratio([c.edits for c in counts], [c.tokens for c in counts], 100.0)
