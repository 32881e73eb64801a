"""Names to objects: a slot's choices are the modules of a package, so adding a file adds a choice."""

import difflib
import importlib
import pkgutil
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
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise ConfigError(
            f"there is no {package} named {name!r}",
            expected=f"one of {', '.join(known)}",
            fix=f"did you mean {near[0]}?" if near else "",
        )
    module = importlib.import_module(f"ctaplib.{package}.{name}")
    if not hasattr(module, attribute):
        raise ConfigError(f"ctaplib.{package}.{name} cannot be used here", expected=f"a module that defines {attribute}")
    return getattr(module, attribute)
