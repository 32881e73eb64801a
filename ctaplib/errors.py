"""Errors that say what was found and where, what was expected, and what to do next."""

from collections.abc import Sequence

STOPPED = 143
"""Exit status after a request to stop (that of SIGTERM in a shell): saved, but not finished."""
KEYBOARD = 130
"""Exit status after Ctrl-C that ended a program at once (that of SIGINT in a shell)."""


def counted(number: int, what: str, many: str = "") -> str:
    """Format a number with its noun: `1 fault`, `2 faults`.

    Args:
        number: The number.
        what: The noun in singular.
        many: The noun in plural; by default with an s.
    """
    return f"{number} {what if number == 1 else many or what + 's'}"


def shortened(lines: Sequence[str], most: int = 20) -> list[str]:
    """Return the first lines, and a last one with the number of others."""
    return list(lines) if len(lines) <= most else [*lines[:most], f"... and {len(lines) - most} more"]


class CtapError(Exception):
    """A fault that a user can act on; the command line prints it without a traceback.

    Args:
        found: What was found, and where (file, line, utterance, option).
        expected: What was expected instead.
        fix: What to do now.
    """

    def __init__(self, found: str, *, expected: str = "", fix: str = "") -> None:
        self.found, self.expected, self.fix = found, expected, fix
        parts = [found]
        if expected:
            parts.append(f"expected {expected}")
        if fix:
            parts.append(f"to fix it: {fix}")
        super().__init__("; ".join(parts))


class ConfigError(CtapError):
    """A configuration file or option that cannot be used."""


class AudioError(CtapError):
    """An audio file that cannot be used."""


class CheckpointError(CtapError):
    """A checkpoint that is truncated, foreign, or does not fit."""


class StageError(CtapError):
    """A stage whose inputs are missing or whose outputs are not what they must be."""


class CollapseError(CtapError):
    """A code book that collapsed."""


class DependencyError(CtapError):
    """An optional program or package that is needed and absent."""


def missing_package(error: ModuleNotFoundError) -> DependencyError:
    """Make the error for a package that only an extra of ctaplib brings.

    Raises:
        ModuleNotFoundError: no extra brings it.
    """
    import importlib.metadata
    import re

    package = (error.name or "").split(".")[0]
    try:
        lines = importlib.metadata.requires("ctaplib") or []
    except importlib.metadata.PackageNotFoundError:
        lines = []  # used from its folder, not installed
    for line in lines:
        name, _, extra = line.partition("; extra == ")
        if extra and re.split(r"[^\w-]", name)[0].replace("-", "_").lower() == package.lower():
            extra = extra.strip("'\"")
            fix = f"pip install 'ctaplib[{extra}]', or run tools/install.sh"
            return DependencyError(f"the package {package} is not installed", expected=f"the extra `{extra}` of ctaplib", fix=fix)
    raise error


class TrainingError(CtapError):
    """Training that cannot go on: non-finite losses, no usable batch."""


class LostPeerError(TrainingError):
    """Another process of the same training is gone; the cause is in its error."""


class DataError(CtapError):
    """Faults in data, all of them at once.

    Args:
        found: One line with the data and the number of faults.
        faults: One line per fault, each with file and line.
    """

    def __init__(self, found: str, faults: Sequence[str] = (), *, expected: str = "", fix: str = "") -> None:
        self.faults = tuple(faults)
        super().__init__(found, expected=expected, fix=fix)

    def __str__(self) -> str:
        return "\n  ".join([super().__str__(), *self.faults])
