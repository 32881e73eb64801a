"""Links in documents lead somewhere; commands and names that they show exist."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(
    ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
).stdout.split()
DOCUMENTS = [ROOT / name for name in TRACKED if (ROOT / name).exists()]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SCRIPT = re.compile(r"(?:^|[\s`(])(\./[\w./-]+\.sh|(?:tools|tests|utils|egs)/[\w./-]+\.(?:sh|py))")
COMMAND = re.compile(r"^\s*(?:\$ )?ctap ([a-z]\w*)", re.MULTILINE)


def anchors(text):
    headings = re.findall(r"^#+\s+(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    dead = []
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = path if not name else path.parent / name
        ok = there.exists() and (not anchor or there.suffix != ".md" or anchor in anchors(there.read_text()))
        if not ok:
            dead.append(target)
    assert not dead


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_scripts_that_are_shown_exist(path):
    text = path.read_text(encoding="utf-8")
    for name in SCRIPT.findall(text):
        places = [
            ROOT / name,
            path.parent / name,
            *(r / name for r in (ROOT / "egs").iterdir() if r.is_dir()),
        ]
        assert any(place.exists() for place in places), f"{name} does not exist"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path):
    for noun in COMMAND.findall(path.read_text(encoding="utf-8")):
        assert (ROOT / "ctaplib/cli" / f"{noun}.py").exists(), f"there is no command ctap {noun}"


def defined(path):
    """Names that a module defines: of functions and classes, and of the methods of a class as `Class.method`."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    tops = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, kinds)]
    inner = {f"{top.name}.{node.name}" for top in tops for node in getattr(top, "body", ()) if isinstance(node, kinds)}
    return {top.name for top in tops} | inner


def test_the_loop_that_is_shown_is_the_one_in_the_code():
    code = (ROOT / "docs/loop.md").read_text(encoding="utf-8").split("```")[1].removeprefix("python")
    ast.parse(code)
    pointers = re.findall(r"(\w+/\w+\.py): ([\w., ]+)", code)
    assert len(pointers) > 20
    missing = {
        f"{module}: {name}"
        for module, names in pointers
        for name in names.split(", ")
        if name not in defined(ROOT / "ctaplib" / module)
    }
    assert not missing
    methods = set(re.findall(r"\btask\.([a-z_]+)\(", code))
    assert {f"Task.{name}" for name in methods} <= defined(ROOT / "ctaplib/tasks/base.py")
    called = set(re.findall(r"(?<![.\w])([a-z_]+)\(", code)) - {"resume", "set_rate", "state_of", "averaged", "nullcontext"}
    functions = {name for path in (ROOT / "ctaplib/train").glob("*.py") for name in defined(path)}
    assert called <= functions, called - functions
