"""Rules for addresses of mail and of the net: `a@b.com` is `a at b dot com`; `https://` is dropped."""

import re
from re import Match

from ctaplib.normalize.english_words import DOMAINS, SPELLED_DOMAINS, WEB_SIGNS
from ctaplib.normalize.rules import Rule

_NO_VOWEL = re.compile(r"[b-df-hj-np-tv-xz]{2,5}", re.IGNORECASE)


def _web(match: Match[str]) -> str:
    text = re.sub(r"^[a-z]+://", "", match[0], flags=re.IGNORECASE)
    tail = re.search(r"[.,;:!?)/'\"]*$", text)
    words = text[: tail.start()] if tail else text
    parts = []
    for part in re.findall(r"[A-Za-z]+|\d+|.", words):
        spelled = SPELLED_DOMAINS.get(part.lower()) or (" ".join(part.lower()) if _NO_VOWEL.fullmatch(part) else "")
        parts.append(WEB_SIGNS.get(part) or spelled or part.lower())
    return f" {' '.join(parts)} {tail[0] if tail else ''}"


RULES = [
    Rule(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", _web),
    Rule(r"(?:https?://|www\.)[^\s<>]+", _web, re.IGNORECASE),
    Rule(rf"\b[A-Za-z][\w-]*(?:\.[\w-]+)*\.(?:{'|'.join(DOMAINS)})\b(?!\.\w)(?:/[^\s<>]*)?", _web),
]
"""Mail, addresses with their scheme or `www`, names that end in a domain."""
