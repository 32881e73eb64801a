"""Names of phones: those of the speech engine, those of ctaplib, and how scoring folds them.

In `text.phn`, in CTM files and in token lists a phone is a short ASCII word. Stress is kept, in the manner of the
source: eSpeak NG puts `'` (primary) or `,` (secondary) before a vowel, ARPAbet puts 1, 2 or 0 after it. Position tags
(`_B _I _E _S`) may come with a corpus. Mandarin tone (the digit after a final) is a part of the phone.
"""

import re

SILENCE = "sil"
BLANK = "<blank>"
UNKNOWN = "<unk>"

_ARPABET = re.compile(r"^[A-Z]{2}[0-2]$")
_POSITION = re.compile(r"_[BIES]$")

# The engine names reduced or allophonic forms of one phoneme separately, and not the same ones in every accent.
# They are written as the phoneme that they belong to, so that one inventory serves all accents.
_ENGLISH_FORMS = {
    "@2": "@", "@-": "@", "I2": "I", "I#": "I", "t#": "t", "t2": "t", "?": "t", "r-": "r", "n-": "n", "w#": "w",
    ";": "j", "aI2": "aI", "aI3": "aI@", "i@3": "i@", "o@": "O@", "O2": "O:", "IR": "3:", "VR": "3:", "t[": "T",
    "a#": "a-", "A#": "a-", "0#": "0", "E2": "E", "e": "E", "u": "u:", "U2": "U", "x": "k", "z/2": "z",
}  # fmt: skip


def fold(phone: str) -> str:
    """Drop stress and position tags; keep Mandarin tone.

    Args:
        phone: A phone as in `text.phn`, e.g. `'aI`, `AY1`, `AY1_B`, `iang4`.

    Returns:
        The phone as it is scored: `aI`, `AY`, `AY`, `iang4`.
    """
    phone = strip_position(phone)
    if _ARPABET.match(phone):
        return phone[:-1]
    return phone.lstrip("',") or phone


def strip_position(phone: str) -> str:
    """Drop the tag of the position in the word: `AY1_B` is `AY1`."""
    return _POSITION.sub("", phone)


def is_pause(mnemonic: str) -> bool:
    """Return whether the engine's mnemonic is a pause (`_:`, `_|`, `_`, nothing) or a language switch `(en)`."""
    return mnemonic.startswith(("_", "(")) or mnemonic in {"", "|", "||"}


def english_phone(mnemonic: str) -> str:
    """Convert an engine mnemonic of an English voice to our phone; stress marks stay, pauses become `sil`."""
    if is_pause(mnemonic):
        return SILENCE
    bare = mnemonic.lstrip("',")
    if not bare:
        return SILENCE
    stress = mnemonic[: len(mnemonic) - len(bare)][:1]
    bare = _ENGLISH_FORMS.get(bare, bare).replace("#", "^").replace(" ", "")
    return stress + bare


def mandarin_phone(mnemonic: str) -> str:
    """Convert an engine mnemonic of a Mandarin voice to our phone without tone; stress marks go, pauses become `sil`."""
    bare = mnemonic.lstrip("',")
    return SILENCE if is_pause(mnemonic) or not bare else bare.replace("#", "^").replace(" ", "")
