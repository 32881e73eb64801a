"""Front ends: from text to phones. Each is a class in a module `ctaplib/text/frontend_<name>.py`; adding a file adds one.

front = make_frontend(TextConfig(frontend="g2p_en"))
front("Hello there")       -> Pronunciation(phones=("HH", "AH0", "L", "OW1", "DH", "EH1", "R"), words=(0, 0, 0, 0, 1, 1, 1))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from pydantic import Field

from ctaplib.config import Config
from ctaplib.errors import ConfigError, DataError
from ctaplib.find import find, names


class TextConfig(Config):
    """How text becomes phones and word pieces."""

    frontend: str = "given"
    """Front end for new text, by name: `espeak`, `g2p_en`, `gruut`, `lexicon`, `pypinyin`; `given`: there is none."""
    use_given: bool = False
    """Whether phones that the data stage made (`text.phn`) are taken as they are; always so with `given`."""
    language: Literal["en", "zh"] = "en"
    """Language, for normalisation."""
    lexicon: str = ""
    """Path of the lexicon (`WORD PH PH`), for the front end `lexicon`."""
    user_lexicon: str = ""
    """Path of the user's own words (`WORD PH PH`; Chinese words may have pinyin); they win over every front end."""
    foreign: str = "g2p_en"
    """Front end for Latin words in Mandarin text; empty: such text is left out."""
    accent: str = "en"
    """Accent of the front end `espeak`, an engine language such as `en-us`."""
    spm_pieces: int = Field(default=500, ge=8)
    """Number of SentencePiece pieces, special ones included."""
    spm_model: Literal["unigram", "bpe"] = "unigram"
    """Kind of SentencePiece model."""
    max_dropped_pct: float = Field(default=5.0, ge=0, le=100)
    """Share of utterances of a set that may be left out for their text, percent; beyond it the stage fails."""

    @property
    def takes_given(self) -> bool:
        """Whether `text.phn` is taken where it is there."""
        return self.use_given or self.frontend == "given"


@dataclass(frozen=True)
class Pronunciation:
    """Phones of a text, and the word (counted from 0) that each belongs to."""

    phones: tuple[str, ...]
    words: tuple[int, ...]
    guessed: tuple[str, ...] = ()
    """Words that stand in no dictionary, each time that they occur; their phones come from rules or a network."""


class MissingWordsError(DataError):
    """Words that a front end has no phones for.

    Args:
        words: The words, each time that they occur.
    """

    def __init__(self, found: str, *, words: tuple[str, ...], fix: str) -> None:
        self.words = words
        super().__init__(found, fix=fix)


def joined(pronunciations: Sequence[Sequence[str]], guessed: Sequence[str] = ()) -> Pronunciation:
    """Put the phones of words, one after the other, together."""
    pairs = [(phone, index) for index, phones in enumerate(pronunciations) for phone in phones]
    return Pronunciation(tuple(p for p, _ in pairs), tuple(i for _, i in pairs), tuple(guessed))


class FrontEnd(Protocol):
    """Something that turns text into phones."""

    def __init__(self, config: TextConfig) -> None: ...

    def __call__(self, text: str) -> Pronunciation:
        """Give the phones of a text.

        Raises:
            DataError: the text has symbols or words that cannot be turned into phones; all of them are named.
        """
        ...


PREFIX = "frontend_"


def frontend_names() -> list[str]:
    """All front ends."""
    return [name.removeprefix(PREFIX) for name in names("text") if name.startswith(PREFIX)]


def check_frontend(config: TextConfig) -> None:
    """Make sure that the front ends that a config names are there.

    Raises:
        ConfigError: one is not.
    """
    known = frontend_names()
    for setting, name in (("frontend", config.frontend), ("foreign", config.foreign)):
        if name not in known and (name or setting == "frontend"):
            raise ConfigError(
                f"no text front end {name!r}", expected=", ".join(known),
                fix=f"correct `{setting}` in conf/text.yaml, in --text_args or by --set",
            )  # fmt: skip


def make_frontend(config: TextConfig) -> FrontEnd:
    """Make the front end that a config names.

    Raises:
        ConfigError: there is none of that name.
        DependencyError: a package that it needs is missing.
    """
    check_frontend(config)
    return cast(type[FrontEnd], find("text", PREFIX + config.frontend, "FRONTEND"))(config)
