"""What the tasks of the arrays in test_jobs do."""

import os
import time
from pathlib import Path

from ctaplib.errors import DataError

seen: list[str] = []


def remember(word: str) -> None:
    """A setup."""
    seen.append(word)


def square(number: int, power: int = 2) -> tuple[int, list[str]]:
    """A result that shows that the setup was called."""
    return number**power, seen[-1:]


def fail_at_five(number: int) -> int:
    """One item has a fault."""
    if number == 5:
        raise DataError("item 5 is broken", ["line 1: its fault"], fix="mend it")
    return number


def note(number: int, folder: Path) -> int:
    """Leave a line for every call; the item 0 waits as long as there is a file `wait`."""
    with open(folder / f"calls.{number}", "a") as out:
        out.write(f"{os.getpid()}\n")
    while number == 0 and (folder / "wait").exists():
        time.sleep(0.1)
    return number
