"""Front ends turn text into phones. Each is a class in a module `ctaplib/text/frontend_<name>.py`; adding a file adds one.

front = make_frontend(TextConfig(frontend="g2p_en"))
front("Hello there")       -> Pronunciation(phones=("HH", "AH0", "L", "OW1", "DH", "EH1", "R"), words=(0, 0, 0, 0, 1, 1, 1))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from pydantic import Field

from ctaplib.config import Config
from ctaplib.errors import ConfigError, DataError
from ctaplib.find import find, names


class TextConfig(Config):
    """Settings of the text stage."""

    frontend: str = "given"
    """Front end for text without phones: `espeak`, `g2p_en`, `gruut`, `lexicon`, `pypinyin`, or `given` for none."""
    use_given: bool = False
    """Use the phones of the data stage (`text.phn`) where there are any; always so with `given`."""
    language: Literal["en", "zh"] = "en"
    """Language of the text."""
    lexicon: str = ""
    """Lexicon (`WORD PH PH`) of the front end `lexicon`."""
    user_lexicon: str = ""
    """Lexicon of the user (`WORD PH PH`; Chinese words may have pinyin), which is asked before every front end."""
    foreign: str = "g2p_en"
    """Front end for Latin words in Mandarin text; empty: such text is dropped."""
    accent: str = "en"
    """Accent of the front end `espeak`, an engine language such as `en-us`."""
    spm_pieces: int = Field(default=500, ge=8)
    """Number of SentencePiece pieces, special ones included."""
    spm_model: Literal["unigram", "bpe"] = "unigram"
    """Kind of SentencePiece model."""
    max_dropped_pct: float = Field(default=5.0, ge=0, le=100)
    """Largest share of utterances of a set that may be dropped for their text, percent; beyond it the stage fails."""

    @property
    def takes_given(self) -> bool:
        """Whether the phones of `text.phn` are used."""
        return self.use_given or self.frontend == "given"


@dataclass(frozen=True)
class Pronunciation:
    """Phones of a text.

    Attributes:
        phones: The phones.
        words: Index of the word of each phone.
        guessed: Words in no dictionary, each time that they occur; their phones come from rules or a network.
    """

    phones: tuple[str, ...]
    words: tuple[int, ...]
    guessed: tuple[str, ...] = ()


class MissingWordsError(DataError):
    """A text with words that a front end has no phones for.

    Args:
        words: The words, each time that they occur.
    """

    def __init__(self, found: str, *, words: tuple[str, ...], fix: str) -> None:
        self.words = words
        super().__init__(found, fix=fix)


def joined(pronunciations: Sequence[Sequence[str]], guessed: Sequence[str] = ()) -> Pronunciation:
    """Join the phones of words to those of a text."""
    pairs = [(phone, index) for index, phones in enumerate(pronunciations) for phone in phones]
    return Pronunciation(tuple(p for p, _ in pairs), tuple(i for _, i in pairs), tuple(guessed))


class FrontEnd(Protocol):
    """A front end."""

    def __init__(self, config: TextConfig) -> None: ...

    def __call__(self, text: str) -> Pronunciation:
        """Return the phones of a text.

        Raises:
            DataError: the text has symbols or words without phones; all of them are named.
        """
        ...


PREFIX = "frontend_"


def frontend_names() -> list[str]:
    """List all front ends."""
    return [name.removeprefix(PREFIX) for name in names("text") if name.startswith(PREFIX)]


def check_frontend(config: TextConfig) -> None:
    """Check that the front ends of a config exist.

    Raises:
        ConfigError: one does not.
    """
    known = frontend_names()
    for setting, name in (("frontend", config.frontend), ("foreign", config.foreign)):
        if name not in known and (name or setting == "frontend"):
            raise ConfigError(
                f"no text front end {name!r}", expected=", ".join(known),
                fix=f"correct `{setting}` in conf/text.yaml, in --text_args or by --set",
            )  # fmt: skip


def make_frontend(config: TextConfig) -> FrontEnd:
    """Make the front end of a config.

    Raises:
        ConfigError: there is none of that name.
        DependencyError: a package that it needs is missing.
    """
    check_frontend(config)
    return cast(type[FrontEnd], find("text", PREFIX + config.frontend, "FRONTEND"))(config)
