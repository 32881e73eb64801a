#!/usr/bin/env python3
"""Write the fixed lists of what is converted and synthesised in test-clean: `vc_pairs.tsv`, `references.tsv`, `tts.tsv`.

    local/make_lists.py                                    # the lists in git: from lists/published_utts.txt
    local/make_lists.py --from data/test-clean --out DIR  # the same choice from a data directory, for another part

`published_utts.txt` holds utterances of 17 speakers that are named in public places (BigVGAN's list of test-clean, and demo
pages), so that lists could be fixed without the corpus. The sexes in `spk2gender` are those of the corpus's table of readers,
`speakers.tsv`, compared with a public copy of it (nickovchinnikov/tts-framework, config/speakers.tsv); stage 1 compares again.
"""

import argparse
from pathlib import Path

from ctaplib.corpus.datadir import read_datadir
from ctaplib.corpus.lists import published, write_task_lists

RECIPE = Path(__file__).resolve().parent.parent


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="data directory (default: the published utterances)")
    parser.add_argument("--out", type=Path, default=RECIPE / "lists")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--tts", type=int, default=100)
    args = parser.parse_args()
    data = read_datadir(args.source) if args.source else published(RECIPE / "lists", "-")
    genders = {spk: data.spks["spk2gender"][spk] for spk in data.speakers}
    write_task_lists(args.out, ["test-clean"], data.spk2utt(), genders, pairs=args.pairs, tts=args.tts, without=())


if __name__ == "__main__":
    main()
