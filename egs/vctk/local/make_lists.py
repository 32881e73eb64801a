#!/usr/bin/env python3
"""Write the fixed lists of what is converted and synthesised in eval1: `vc_pairs.tsv`, `references.tsv`, `tts.tsv`.

    local/make_lists.py                         # the lists in git, of unseen speakers: from lists/published_utts.txt
    local/make_lists.py --from data/eval1 --out DIR    # the same choice from data directories, for another split or part

`published_utts.txt` holds utterances of the unseen speakers that are named in public lists of the corpus (the test and validation
lists of VITS, and the labels of kan-bayashi/VCTKCorpusFullContextLabel), so that lists could be fixed without the corpus.

Sentences to synthesise are none that training speakers read: where texts are at hand (--from), none of theirs; for the published
utterances, whose texts are not, none of the first 24, which all speakers read.
"""

import argparse
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from ctaplib.corpus.datadir import DataDir, read_datadir
from ctaplib.corpus.lists import published, write_task_lists

RECIPE = Path(__file__).resolve().parent.parent
READ_BY_ALL = 24
"""The sentences of these numbers, from 1 on, are read by every speaker of the corpus."""


def spoken(text: str) -> str:
    """Return the letters and digits of a sentence, by which two readings are compared."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def read_by_all(utts: Iterable[str]) -> set[str]:
    """Return the utterances of sentences that all speakers read, by their numbers: `p225_024`."""
    return {utt for utt in utts if int(utt.rpartition("_")[2]) <= READ_BY_ALL}


def read_in(texts: Iterable[str], data: DataDir) -> set[str]:
    """Return the utterances of a set whose sentences are among these."""
    known = {spoken(text) for text in texts}
    return {utt for utt, text in data.utts["text"].items() if spoken(text) in known}


def write(data: DataDir, out: Path, pairs: int, tts: int, read: Collection[str]) -> None:
    """Write the lists of a set; the sentences of the utterances `read` are not synthesised."""
    genders = {spk: data.spks["spk2gender"][spk] for spk in data.speakers}
    write_task_lists(out, ["eval1"], data.spk2utt(), genders, pairs=pairs, tts=tts, without=read)


def main() -> None:
    """Write the lists."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", type=Path, help="data directory (default: the published utterances)")
    parser.add_argument("--train", type=Path, help="data directory of training, whose sentences are left out (default: tr_no_dev "
                        "beside that of --from)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=RECIPE / "lists")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--tts", type=int, default=100)
    args = parser.parse_args()
    data = read_datadir(args.source) if args.source else published(RECIPE / "lists", "_")
    if args.source:
        train = read_datadir(args.train or args.source.parent / "tr_no_dev")
        read = read_in(train.utts["text"].values(), data)
    else:
        read = read_by_all(data.utts["utt2spk"])
    write(data, args.out, args.pairs, args.tts, read)


if __name__ == "__main__":
    main()
