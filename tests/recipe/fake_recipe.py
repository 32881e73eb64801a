"""A recipe whose commands are trivial, driven by the real driver."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
CONFIGS = "text features align pretrain asr_finetuned asr_supervised tts vc vocoder decode judge".split()
DATA = """#!/usr/bin/env bash
set -euo pipefail
echo data >>calls.log
for set in train dev train_speech test_seen test_unseen; do
    mkdir -p data/${set}
    for name in wav.scp utt2spk text; do echo "a ${set}" >data/${set}/${name}; done
done
"""


class FakeRecipe:
    """Folder of the recipe and what is needed to run it."""

    def __init__(self, base: Path) -> None:
        self.path = base / "egs" / "fake"
        for name in ("local", "conf", "lists"):
            (self.path / name).mkdir(parents=True)
        (base / "utils").symlink_to(ROOT / "utils")
        shutil.copy(ROOT / "egs/mini/run.sh", self.path / "run.sh")
        shutil.copy(ROOT / "egs/mini/cmd.sh", self.path / "cmd.sh")
        (self.path / "path.sh").write_text("export LC_ALL=C\n")
        self.write("local/data.sh", DATA).chmod(0o755)
        for name in CONFIGS:
            self.write(f"conf/{name}.yaml", "{}\n")
        self.write("conf/base.yaml", "optim:\n  lr: 0.001\n")
        self.write("conf/pretrain.yaml", "extends: base.yaml\n")
        for name in ("vc_pairs", "references", "tts"):
            self.write(f"lists/{name}.tsv", "id\n")
        self.bin = base / "bin"
        self.bin.mkdir()
        shutil.copy(HERE / "fake_ctap.sh", self.bin / "ctap")
        for program in self.bin.iterdir():
            program.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.write_text(text)
        return path

    def environment(self, **extra: str) -> dict[str, str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        paths = {"PATH": path, "REAL_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        return {**os.environ, **paths, **extra}

    def start(self, *options: str, **extra: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["./run.sh", *options], cwd=self.path, env=self.environment(**extra), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *options: str, **extra: str) -> tuple[int, str]:
        """Exit status and everything printed."""
        child = self.start(*options, **extra)
        output, _ = child.communicate(timeout=100)
        return child.returncode, output

    def calls(self) -> list[str]:
        """The commands called since the last look."""
        log = self.path / "calls.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def tree(self) -> dict[str, bytes]:
        """Every file with its content."""
        files = (p for p in self.path.rglob("*") if p.is_file())
        return {str(p.relative_to(self.path)): p.read_bytes() for p in files}
