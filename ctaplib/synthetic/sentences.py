"""Sentences for synthetic corpora, from small grammars and word lists: `sentences_en.tsv` and `sentences_zh.tsv`.

Their columns are slot and phrase; the phrases of `frame` are sentences of slots and literal words. The words are chosen so
that every phoneme of the language is frequent, and drawn like cards: each list is shuffled and used up before it is shuffled
again, so that no word, and hence no phoneme, is rare. The same seed gives the same sentences on every machine; no two
sentences are equal.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ctaplib.normalize.tables import read_tables


@dataclass(frozen=True)
class Sentence:
    """A sentence as spoken, and the words of `text`.

    Attributes:
        spoken: With capitals and punctuation, for the speech engine.
        text: Words as normalised text has them.
    """

    spoken: str
    text: str


class _Deck:
    """Items drawn in random order without repetition until none is left, then shuffled again."""

    def __init__(self, items: Iterable[str], rng: random.Random) -> None:
        self._items, self._rng = sorted(items), rng
        self._left: list[str] = []

    def draw(self) -> str:
        if not self._left:
            self._left = list(self._items)
            self._rng.shuffle(self._left)
        return self._left.pop()


def _fill_frames(language: str, seed: int) -> Iterator[list[str]]:
    """Yield the words of one sentence after the other, with slots filled from the lists of a language."""
    rng = random.Random(seed)
    lists = read_tables(Path(__file__).with_name(f"sentences_{language}.tsv"))
    decks = {slot: _Deck(phrases, rng) for slot, phrases in lists.items()}
    frames = decks.pop("frame")
    while True:
        yield [word for slot in frames.draw().split() for word in (decks[slot].draw().split() if slot in decks else [slot])]


def _with_articles(words: list[str]) -> list[str]:
    """Turn `a` into `an` before a vowel sound."""
    silent_h, y_sound = {"hour", "hourly"}, ("eu", "uni", "usu", "use", "you")
    out = list(words)
    for i, (word, following) in enumerate(zip(words, words[1:])):
        after = following.lower()
        vowel = after in silent_h or (after[:1] in "aeiou" and not after.startswith(y_sound)) or after.startswith("unusual")
        if word == "a" and vowel:
            out[i] = "an"
    return out


def english_sentences(seed: int) -> Iterator[Sentence]:
    """Yield English sentences of 4 to 15 words without end, about 1.5 to 6 seconds when spoken."""
    seen: set[str] = set()
    for filled in _fill_frames("en", seed):
        words = _with_articles(filled)
        text = " ".join(w.lower() for w in words if w[0].isalpha())
        if text not in seen:
            seen.add(text)
            spoken = " ".join(words).replace(" ,", ",").replace(" .", ".").replace(" ?", "?")
            yield Sentence(spoken[0].upper() + spoken[1:], text)


def mandarin_sentences(seed: int) -> Iterator[Sentence]:
    """Yield distinct Mandarin sentences endlessly, 6 to 20 characters each; their `text` has no spaces or punctuation."""
    seen: set[str] = set()
    for words in _fill_frames("zh", seed):
        text = "".join(w for w in words if w not in "。，？")
        if text not in seen and 6 <= len(text) <= 20:
            seen.add(text)
            yield Sentence("".join(words), text)
