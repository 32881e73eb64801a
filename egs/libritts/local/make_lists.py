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

from ctaplib.corpus.datadir import DataDir, read_datadir
from ctaplib.corpus.fixed_lists import TTS_FIELDS, write_task_lists
from ctaplib.files import read_table, read_tsv, write_tsv

RECIPE = Path(__file__).resolve().parent.parent
SET = "test-clean"


def published() -> DataDir:
    """The published utterances and the sexes of their speakers."""
    utts = (RECIPE / "lists" / "published_utts.txt").read_text(encoding="utf-8").split()
    return DataDir(
        {}, {"utt2spk": {u: u.split("-")[0] for u in utts}}, {"spk2gender": read_table(RECIPE / "lists" / "spk2gender")}
    )


def write(data: DataDir, out: Path, pairs: int, tts: int) -> None:
    """Write the lists of a set."""
    speakers = set(data.speakers)
    genders = {spk: gender for spk, gender in data.spks["spk2gender"].items() if spk in speakers}
    out.mkdir(parents=True, exist_ok=True)
    write_task_lists(out, [SET], data.spk2utt(), genders, pairs=pairs, tts=tts * len(genders))
    rows = {row["id"]: row for row in read_tsv(out / "tts.tsv")}  # each sentence once
    write_tsv(out / "tts.tsv", list(rows.values())[:tts], TTS_FIELDS)


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="data directory (default: the published utterances)")
    parser.add_argument("--out", type=Path, default=RECIPE / "lists")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--tts", type=int, default=100)
    args = parser.parse_args()
    write(read_datadir(args.source) if args.source else published(), args.out, args.pairs, args.tts)


if __name__ == "__main__":
    main()
