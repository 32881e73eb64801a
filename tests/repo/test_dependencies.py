"""Every import is of a declared package; what only an extra brings is not imported by training or decoding."""

import ast
import importlib.metadata
import re
import runpy
import sys
from pathlib import Path

import pytest
import setuptools

from ctaplib.errors import DependencyError, missing_package

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "ctaplib"
MODULES = [*sorted(LIBRARY.rglob("*.py")), *sorted((ROOT / "egs").glob("*/local/*.py"))]
COVERED = {"evaluate": "eval", "report": "eval", "align/viterbi_loops": "align"}
"""Modules that are imported only where an extra was asked for."""
DISTRIBUTIONS = importlib.metadata.packages_distributions()


@pytest.fixture(scope="module")
def declared() -> dict[str, set[str]]:
    """Distributions by extra; `core` for what is always installed."""
    kept: dict = {}
    plain, setuptools.setup = setuptools.setup, kept.update
    try:
        runpy.run_path(str(ROOT / "setup.py"))
    finally:
        setuptools.setup = plain
    groups = {"core": kept["install_requires"], **kept["extras_require"]}
    return {name: {re.split(r"[^\w-]", line)[0].lower() for line in lines} for name, lines in groups.items()}


def imports(path: Path, *, late: bool) -> set[str]:
    """Full names of what a module imports when it is imported or, `late`, in its functions as well."""
    found: set[str] = set()

    def walk(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ImportFrom) and child.module:
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            elif isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif late or not isinstance(child, ast.FunctionDef):
                walk(child)

    walk(ast.parse(path.read_text(encoding="utf-8")))
    return found


def packages(path: Path, *, late: bool) -> set[str]:
    """Distributions of the third-party packages among them, in lower case."""
    local = {p.stem for p in path.parent.glob("*.py")} | {"ctaplib"} | set(sys.stdlib_module_names)
    names = {name.split(".")[0] for name in imports(path, late=late)} - local
    return {DISTRIBUTIONS.get(name, [name])[0].lower() for name in names}


def extra_of(path: Path) -> str | None:
    name = str(path.relative_to(ROOT)).removeprefix("ctaplib/").removesuffix(".py")
    return next((extra for start, extra in COVERED.items() if name == start or name.startswith(f"{start}/")), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_is_imported_is_declared(path: Path, declared: dict[str, set[str]]) -> None:
    extra = extra_of(path)
    allowed = declared["core"] | (declared[extra] if extra else set())
    undeclared = packages(path, late=False) - allowed
    assert not undeclared, f"declare {undeclared} in setup.py: in CORE, or in the extra of a module in COVERED"
    assert not packages(path, late=True) - set().union(*declared.values())


def test_only_scoring_reaches_what_an_extra_covers() -> None:
    for path in MODULES:
        if extra_of(path) is None:
            names = {name.removeprefix("ctaplib.").replace(".", "/") for name in imports(path, late=False)}
            reached = {n for n in names for start in COVERED if n == start or n.startswith(f"{start}/")}
            assert not reached or path.is_relative_to(LIBRARY / "cli"), f"{path} imports {reached}"


def test_what_is_declared_is_pinned(declared: dict[str, set[str]]) -> None:
    pins = {line.split("==")[0].lower() for line in (ROOT / "tools/constraints.txt").read_text().splitlines() if "==" in line}
    assert not {name.replace("_", "-") for group in declared.values() for name in group} - {n.replace("_", "-") for n in pins}


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1.26", 'mel-cepstral-distance; extra == "eval"', 'lhotse>=1; extra == "lhotse"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    for name, extra in (("mel_cepstral_distance.api", "eval"), ("lhotse", "lhotse")):
        found = missing_package(ModuleNotFoundError(name=name))
        assert isinstance(found, DependencyError) and f"pip install 'ctaplib[{extra}]'" in str(found)
    with pytest.raises(ModuleNotFoundError):
        missing_package(ModuleNotFoundError(name="ctaplib.nothing"))
