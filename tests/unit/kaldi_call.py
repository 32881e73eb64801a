"""Calls the scripts of utils/ as Kaldi's users do, with a `ctap` that is this checkout's."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def call(bin_dir: Path, script: str, *words: object, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run utils/<script>; `bin_dir` gets a program `ctap`."""
    bin_dir.mkdir(exist_ok=True)
    program = bin_dir / "ctap"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m ctaplib.cli.main "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{bin_dir}:{os.environ['PATH']}", **env}
    command = [ROOT / "utils" / script, *map(str, words)]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)
