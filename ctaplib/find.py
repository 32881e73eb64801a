"""Names to objects: a slot's choices are the modules of a package, so adding a file adds a choice.

The environment variable CTAP_METHOD_PATH names folders (separated as in PATH) that are laid out like this package, for
example DIR/methods/toy.py and DIR/models/toy_model.py. Their modules are imported as if
they lay here: `ctaplib.models.toy_model`.
"""

import difflib
import importlib
import os
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ctaplib.errors import ConfigError

METHOD_PATH = "CTAP_METHOD_PATH"
_HERE = Path(__file__).parent


def names(package: str) -> list[str]:
    """List the modules in `ctaplib.<package>`."""
    check_method_path()
    root = importlib.import_module(f"ctaplib.{package}")
    return sorted(m.name for m in pkgutil.iter_modules(root.__path__))


def find(package: str, name: str, attribute: str) -> Any:
    """Return the object `attribute` of `ctaplib.<package>.<name>`.

    Raises:
        ConfigError: there is no such module, it does not offer the attribute (names the nearest), or it cannot be imported.
    """
    known = offering(package, attribute)
    if name not in known:
        lacking = f" that defines {attribute}" if name in names(package) else ""
        raise unknown_name(f"there is no {name!r} in ctaplib.{package}{lacking}", name, known)
    try:
        return getattr(importlib.import_module(f"ctaplib.{package}.{name}"), attribute)
    except (SyntaxError, NameError, TypeError, AttributeError) as error:
        # An ImportError is left to the caller: an extra may be missing.
        fix = "correct the module; it may lie in a folder of --method_path"
        raise ConfigError(f"ctaplib.{package}.{name} cannot be imported: {error!r}", fix=fix) from error


def unknown_name(found: str, name: str, known: Sequence[str]) -> ConfigError:
    """Return an error for a name that is not among the known ones, with the nearest of them."""
    near = difflib.get_close_matches(name, known, 1)
    return ConfigError(found, expected=f"one of {', '.join(known)}", fix=f"did you mean {near[0]}?" if near else "")


def offering(package: str, attribute: str) -> list[str]:
    """List the modules in `ctaplib.<package>` whose text defines an attribute; none is imported."""
    defines = re.compile(rf"^(def |class )?{attribute}\b", re.MULTILINE)
    root = importlib.import_module(f"ctaplib.{package}")
    return [name for name in names(package) if any(_has(Path(folder, f"{name}.py"), defines) for folder in root.__path__)]


def extend_packages() -> None:
    """Append the folders of CTAP_METHOD_PATH to the paths of the packages; faults are left to `check_method_path`."""
    for folder in _method_folders():
        for inner in _packages_in(folder):
            paths = importlib.import_module(f"ctaplib.{inner.name}").__path__
            if str(inner) not in paths:
                paths.append(str(inner))


def check_method_path() -> None:
    """Check the folders of CTAP_METHOD_PATH.

    Raises:
        ConfigError: a folder is missing or is not laid out like ctaplib, or has a module of the same name as another.
    """
    owners: dict[str, Path] = {}
    for folder in _method_folders():
        inner = _packages_in(folder)
        if not inner:
            raise ConfigError(
                f"{METHOD_PATH}: {folder} {'has no folder like those of ctaplib' if folder.is_dir() else 'is no folder'}",
                expected="a folder with methods/NAME.py, tasks/NAME.py, models/... as in ctaplib",
                fix="correct --method_path",
            )
        for path in (p for package in inner for p in sorted(package.glob("*.py")) if p.stem != "__init__"):
            name = f"{path.parent.name}/{path.name}"
            other = owners.setdefault(name, _HERE / name if (_HERE / name).exists() else path)
            if other != path:
                raise ConfigError(f"{path} has the name of {other}", expected="a name of its own", fix="rename the file")


def _method_folders() -> list[Path]:
    return list(dict.fromkeys(Path(word).absolute() for word in os.environ.get(METHOD_PATH, "").split(os.pathsep) if word))


def _packages_in(folder: Path) -> list[Path]:
    inner = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inner if path.is_dir() and (_HERE / path.name / "__init__.py").exists()]


def _has(path: Path, pattern: re.Pattern[str]) -> bool:
    return path.is_file() and bool(pattern.search(path.read_text(encoding="utf-8")))
