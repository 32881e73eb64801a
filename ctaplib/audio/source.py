"""Where audio comes from: a file, or what a command writes to its output (Kaldi's `sox a.flac -t wav - |`)."""

import subprocess
from functools import lru_cache
from pathlib import Path

from ctaplib.errors import AudioError

_PRINTED_LINES = 3


def is_command(source: str | Path) -> bool:
    """Whether an entry of `wav.scp` is a command, as in Kaldi: it ends in `|`."""
    return str(source).rstrip().endswith("|")


@lru_cache(maxsize=1)  # one after the other, the utterances of a recording run its command once
def command_output(source: str) -> bytes:
    """Run the command of a `wav.scp` entry and give what it writes; a fault in any part of the pipe counts.

    Raises:
        AudioError: it failed or wrote nothing; says the command, its status and what it printed.
    """
    command = source.rstrip().removesuffix("|").strip()
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, stdin=subprocess.DEVNULL)
    printed = " / ".join(done.stderr.decode(errors="replace").strip().splitlines()[-_PRINTED_LINES:]) or "nothing"
    if done.returncode:
        found = f"the command `{command}` ended with status {done.returncode} and printed: {printed}"
        raise AudioError(found, expected="audio on its output", fix="correct the command in wav.scp, or install what it calls")
    if not done.stdout:
        found = f"the command `{command}` wrote no audio and printed: {printed}"
        raise AudioError(found, expected="audio on its output", fix="correct the command in wav.scp")
    return done.stdout
