"""Links in documents lead somewhere; commands that they show exist."""

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
