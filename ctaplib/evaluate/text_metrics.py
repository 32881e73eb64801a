"""Error rates of phones, words and characters (rapidfuzz counts the edits), without torch.

Phones are folded before they are compared: silence, stress and position tags are dropped, Mandarin tone is
kept, repeated phones stay. Rates are micro-averages: edits of all utterances over tokens of all references.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

from rapidfuzz.distance import Levenshtein

from ctaplib.errors import DataError, shortened
from ctaplib.evaluate.intervals import Estimate, ratio
from ctaplib.phones import BLANK, SILENCE, fold

SILENCES = frozenset({SILENCE, BLANK, "SIL", "sp", "spn", "pau", "<sil>", "<eps>"})
_PUNCTUATION = re.compile(r"[^\w\s']|_")


def fold_phones(phones: str | Sequence[str]) -> list[str]:
    """Return phones as they are scored: without silence, stress and position tags; repeats stay."""
    words = phones.split() if isinstance(phones, str) else phones
    return [fold(phone) for phone in words if phone not in SILENCES]


def words_of(text: str) -> list[str]:
    """Return the words in lower case without punctuation; apostrophes inside words stay."""
    text = _PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return [word for word in (w.strip("'") for w in text.split()) if word]


def characters_of(text: str) -> list[str]:
    """Return the characters of the words; a space between words counts, except between ideographs."""
    joined = " ".join(words_of(text))
    joined = re.sub(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])", "", joined)
    return ["<space>" if character == " " else character for character in joined]


_SPLIT = {"per": fold_phones, "wer": words_of, "cer": characters_of}


def error_rate(metric: str, references: Mapping[str, str], hypotheses: Mapping[str, str]) -> Estimate | str:
    """Compute PER, WER or CER in percent.

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
    tokens = [split(references[i]) for i in ids]
    if not any(tokens):
        return f"the {len(ids)} references hold nothing to compare"
    edits = [Levenshtein.distance(each, split(hypotheses[i])) for each, i in zip(tokens, ids)]
    return ratio(edits, [len(each) for each in tokens], 100.0)
