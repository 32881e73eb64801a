"""Token lists: the ids of phones and word pieces.

`tokens.txt` holds one token a line, its id being the line counted from 0: `<blank>` (0, for CTC), `<unk>` (1), `sil` (2),
then the phones in LC_ALL=C order. Lists of word pieces have the same first two.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import atomic_write
from ctaplib.phones import BLANK, SILENCE, UNKNOWN, fold


@dataclass(frozen=True)
class TokenList:
    """Tokens, in the order of their ids."""

    tokens: tuple[str, ...]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def id(self, token: str) -> int:
        """Return the id of a token.

        Raises:
            DataError: the list does not have it.
        """
        return self.ids([token])[0]

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of tokens.

        Raises:
            DataError: the list does not have some of the tokens; all of these are named.
        """
        tokens = list(tokens)
        missing = sorted({t for t in tokens if t not in self._ids})
        if missing:
            raise DataError(
                f"unknown symbols {' '.join(missing)}",
                expected=f"tokens of a list of {len(self)}",
                fix="use the phone set of the token list, or make the list from the training text again (stage 2)",
            )
        return [self._ids[t] for t in tokens]

    def nearest(self, phone: str) -> str | None:
        """Return the phone if the list has it, else the first that differs in stress or position only, else None."""
        if phone in self:
            return phone
        return self._by_fold.get(fold(phone))

    @cached_property
    def _by_fold(self) -> dict[str, str]:
        return {fold(token): token for token in reversed(self.phones)}

    @property
    def phones(self) -> tuple[str, ...]:
        """All tokens but the special ones and silence."""
        return tuple(t for t in self.tokens if not t.startswith("<") and t != SILENCE)


def make_phone_list(sequences: Iterable[Sequence[str]]) -> TokenList:
    """Return the list of all phones in some sequences."""
    found = {phone for sequence in sequences for phone in sequence} - {BLANK, UNKNOWN, SILENCE}
    return TokenList((BLANK, UNKNOWN, SILENCE, *sorted(found, key=lambda t: t.encode())))


def read_token_list(path: str | Path) -> TokenList:
    """Read `tokens.txt`.

    Raises:
        DataError: the file is missing, repeats tokens, holds spaces, or does not begin with `<blank>` and `<unk>`.
    """
    path = Path(path)
    try:
        tokens = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing", fix="run the text stage (2), which makes it") from error
    tokens = tokens[:-1] if tokens and not tokens[-1] else tokens
    faults, seen = [], set()
    for number, token in enumerate(tokens, 1):
        if not token or len(token.split()) != 1 or token != token.strip():
            faults.append(f"{path}:{number}: {token!r} is not one token without spaces")
        elif token in seen:
            faults.append(f"{path}:{number}: {token} was there before")
        seen.add(token)
    if tuple(tokens[:2]) != (BLANK, UNKNOWN):
        faults.append(f"{path}:1: found {' '.join(tokens[:2])!r}, expected {BLANK} and then {UNKNOWN}")
    if faults:
        raise DataError(f"{path} is not a token list", faults, fix="make it again with the text stage (2)")
    return TokenList(tuple(tokens))


def write_token_list(tokens: TokenList, path: str | Path) -> None:
    """Write `tokens.txt`."""
    with atomic_write(path) as out:
        out.writelines(token + "\n" for token in tokens.tokens)
