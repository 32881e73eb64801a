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
from ctaplib.corpus.fixed_lists import TTS_FIELDS, write_task_lists
from ctaplib.errors import DataError
from ctaplib.files import read_table, read_tsv, write_tsv

RECIPE = Path(__file__).resolve().parent.parent
SET = "eval1"
READ_BY_ALL = 24
"""The sentences of these numbers, from 1 on, are read by every speaker of the corpus."""


def published() -> DataDir:
    """The published utterances and the sexes of their speakers."""
    utts = (RECIPE / "lists" / "published_utts.txt").read_text(encoding="utf-8").split()
    return DataDir(
        {}, {"utt2spk": {u: u.split("_")[0] for u in utts}}, {"spk2gender": read_table(RECIPE / "lists" / "spk2gender")}
    )


def spoken(text: str) -> str:
    """A sentence as two readings of it are compared: its letters and digits."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


def read_by_all(utts: Iterable[str]) -> set[str]:
    """Utterances of sentences that all speakers read, by their numbers: `p225_024`."""
    return {utt for utt in utts if int(utt.rpartition("_")[2]) <= READ_BY_ALL}


def read_in(texts: Iterable[str], data: DataDir) -> set[str]:
    """Utterances of a set whose sentences are among these."""
    known = {spoken(text) for text in texts}
    return {utt for utt, text in data.utts["text"].items() if spoken(text) in known}


def write(data: DataDir, out: Path, pairs: int, tts: int, heard: Collection[str]) -> None:
    """Write the lists of a set; the sentences of the utterances `heard` are not synthesised.

    Raises:
        DataError: no sentence is left.
    """
    speakers = set(data.speakers)
    genders = {spk: gender for spk, gender in data.spks["spk2gender"].items() if spk in speakers}
    out.mkdir(parents=True, exist_ok=True)
    write_task_lists(out, [SET], data.spk2utt(), genders, pairs=pairs, tts=tts * len(genders))
    rows = {row["id"]: row for row in read_tsv(out / "tts.tsv") if row["text_utt"] not in heard}  # each once
    if not rows:
        raise DataError(f"training speakers read every sentence of {SET}", expected="sentences that they do not read")
    write_tsv(out / "tts.tsv", list(rows.values())[:tts], TTS_FIELDS)


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
    data = read_datadir(args.source) if args.source else published()
    if args.source:
        train = read_datadir(args.train or args.source.parent / "tr_no_dev")
        heard = read_in(train.utts["text"].values(), data)
    else:
        heard = read_by_all(data.utts["utt2spk"])
    write(data, args.out, args.pairs, args.tts, heard)


if __name__ == "__main__":
    main()
