"""Audio from commands: what an entry of `wav.scp` like `sox a.flac -t wav - |` writes to its output."""

import subprocess
from functools import lru_cache
from pathlib import Path

from ctaplib.errors import AudioError

_PRINTED_LINES = 3


def is_command(source: str | Path) -> bool:
    """Return whether an entry of `wav.scp` is a command: it ends in `|`, as in Kaldi."""
    return str(source).rstrip().endswith("|")


@lru_cache(maxsize=1)  # the segments of a recording come one after the other and run its command once
def command_output(source: str) -> bytes:
    """Run the command of a `wav.scp` entry and return what it writes; a fault in any part of the pipe counts.

    Raises:
        AudioError: It failed or wrote nothing; the message has the command, its status and the end of what it printed.
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
