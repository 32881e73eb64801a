"""Imports go down only, none is hidden, and the command line starts without the heavy ones."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "ctaplib"
MODULES = sorted(LIBRARY.rglob("*.py"))
MAY_IMPORT_LATE = ("cli", "find")


def part(path):
    """The package of a module, or the module itself at the top level."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def test_contract_of_layers_holds():
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_top_level_name_has_a_layer():
    contract = (ROOT / "pyproject.toml").read_text()
    missing = {part(path) for path in MODULES} - {"__init__"}
    missing = {name for name in missing if f"ctaplib.{name}" not in contract}
    assert not missing, f"no layer in pyproject.toml for {sorted(missing)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_of_the_library_stand_at_the_top(path):
    if part(path) in MAY_IMPORT_LATE:
        return
    hidden = []
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                hidden += [f"line {node.lineno}: {n}" for n in names if n.split(".")[0] == "ctaplib"]
    assert not hidden


def test_folders_are_one_deep_and_their_init_is_empty():
    for path in LIBRARY.rglob("__init__.py"):
        depth = len(path.relative_to(LIBRARY).parts)
        assert depth <= 2, f"{path} lies too deep"
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if depth == 2:
            assert all(isinstance(node, ast.Expr) for node in body), f"{path} is more than a docstring"


def test_every_package_has_an_init():
    folders = {path.parent for path in MODULES}
    assert all((folder / "__init__.py").exists() for folder in folders)


def test_help_starts_quickly_and_imports_no_torch():
    code = (
        "import sys; from ctaplib.cli.main import main; main(['--help']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pydantic')))"
    )
    command = [sys.executable, "-c", code]
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        times.append(time.monotonic() - started)
        assert done.returncode == 0, "help imported a heavy package"
    assert "  stage" in done.stdout
    assert min(times) <= 0.2


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("config_file", "pydantic numpy"),
        ("corpus.datadir", "pydantic numpy soundfile"),
        ("audio.settings", "numpy"),
        ("text.frontends", "numpy"),
        ("normalize.normalizer", "pydantic numpy"),
        ("recipe.driver", "pydantic numpy"),
        ("evaluate.results", "pydantic numpy"),
        ("cluster.jobs", "pydantic numpy tqdm concurrent.futures.process"),
    ],
)
def test_what_starts_every_command_imports_nothing_heavy(module, heavy):
    code = f"import sys, ctaplib.{module}; print(*({set(heavy.split())} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")
