"""The languages of the synthetic corpus, by code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ctaplib.errors import ConfigError
from ctaplib.normalize.normalizer import normalize_english, normalize_mandarin
from ctaplib.phones import english_phone, mandarin_phone
from ctaplib.synthetic.labels import Labels, add_tones
from ctaplib.synthetic.sentences import Sentence, english_sentences, mandarin_sentences


def _unchanged(text: str, labels: Labels) -> Labels:
    return labels


@dataclass(frozen=True)
class Language:
    """What differs between the languages of the recipe; the functions must be picklable.

    Attributes:
        code: `en` or `zh`.
        accent: Engine language for text that is not of the corpus.
        sentences: From seed to sentences without end.
        rename: From engine mnemonic to phone.
        normalize: From text as written to the words of `text`.
        relabel: Corrects the labels, given the text; a string is the reason to drop the utterance.
    """

    code: str
    accent: str
    sentences: Callable[[int], Iterator[Sentence]]
    rename: Callable[[str], str]
    normalize: Callable[[str], str]
    relabel: Callable[[str, Labels], Labels | str] = _unchanged


def language(code: str) -> Language:
    """Return a language of the synthetic corpus.

    Raises:
        ConfigError: there is no such language.
    """
    if code == "en":
        return Language("en", "en", english_sentences, english_phone, normalize_english)
    if code == "zh":
        return Language("zh", "cmn", mandarin_sentences, mandarin_phone, normalize_mandarin, add_tones)
    raise ConfigError(f"no language {code!r}", expected="en or zh")
