"""Names to objects: a slot's choices are the modules of a package, so adding a file adds a choice."""

import difflib
import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

from ctaplib.errors import ConfigError


def names(package: str) -> list[str]:
    """Names of the modules in `ctaplib.<package>`."""
    root = importlib.import_module(f"ctaplib.{package}")
    return sorted(m.name for m in pkgutil.iter_modules(root.__path__))


def find(package: str, name: str, attribute: str) -> Any:
    """The object `attribute` of `ctaplib.<package>.<name>`.

    Raises:
        ConfigError: there is no such module, or it does not offer the attribute; names the nearest.
    """
    known = offering(package, attribute)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise ConfigError(
            f"there is no {name!r} in ctaplib.{package}" + (f" that defines {attribute}" if name in names(package) else ""),
            expected=f"one of {', '.join(known)}",
            fix=f"did you mean {near[0]}?" if near else "",
        )
    return getattr(importlib.import_module(f"ctaplib.{package}.{name}"), attribute)


def offering(package: str, attribute: str) -> list[str]:
    """Names of the modules in `ctaplib.<package>` that define an attribute, told from their text: none is imported."""
    defines = re.compile(rf"^(def |class )?{attribute}\b", re.MULTILINE)
    root = importlib.import_module(f"ctaplib.{package}")
    return [name for name in names(package) if any(_has(Path(folder, f"{name}.py"), defines) for folder in root.__path__)]


def _has(path: Path, pattern: re.Pattern[str]) -> bool:
    return path.is_file() and bool(pattern.search(path.read_text(encoding="utf-8")))
