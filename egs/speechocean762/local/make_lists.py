#!/usr/bin/env python3
"""Write the fixed lists of what is converted and synthesised, from data/test_100spk (made by local/data.sh --subset 100spk).

The lists are kept in git; this script says where they come from. Each of them holds the same rows for `test_100spk` and for
`test`, which contains it. Long utterances serve as prompts and references.
"""

import sys
from pathlib import Path

from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.lists import write_task_lists

RECIPE = Path(__file__).resolve().parent.parent
LONG_S = 4.0


def main() -> None:
    """Write the lists."""
    data = read_datadir(Path(sys.argv[1]) if len(sys.argv) > 1 else RECIPE / "data" / "test_100spk")
    duration_s = {utt: float(value) for utt, value in data.utts["utt2dur"].items()}
    utts = {spk: sorted(own, key=lambda u: (duration_s[u] >= LONG_S, u)) for spk, own in data.spk2utt().items()}
    write_task_lists(RECIPE / "lists", ["test_100spk", "test"], utts, data.spks["spk2gender"], pairs=120, tts=66)


if __name__ == "__main__":
    main()
