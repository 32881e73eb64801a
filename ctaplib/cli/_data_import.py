"""Import a corpus of any form into data directories with train, dev and test.

SOURCE is a folder with one text file for each audio file, a CSV or TSV with a header line, LJSpeech's metadata.csv with wavs/, a
Kaldi data directory or a folder of them, lhotse's recordings and supervisions, or (--kind audio) a folder of audio alone. It is
only read: audio stays where it is. Utterances that cannot be used are left out and listed, with the reason, in dropped.tsv of the
training set. Sets are those of the source if it has any; else those of the lists dev.txt and test.txt in --lists. Missing lists
are made by a rule with a fixed seed, together with the lists of what is converted and synthesised.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctaplib.corpus.datadir import DataDir
    from ctaplib.corpus.set_split import Split

HELP = "import a corpus of your own: folder, CSV, TSV, LJSpeech, Kaldi, lhotse, audio alone"
COLUMNS = ("id", "audio", "text", "speaker", "gender", "set")


def configure(verb: argparse.ArgumentParser) -> None:
    """Declare the options."""
    verb.formatter_class = argparse.RawDescriptionHelpFormatter
    verb.add_argument("source", type=Path, metavar="SOURCE")
    verb.add_argument("--data", type=Path, default=Path("data"), help="folder of the data directories")
    verb.add_argument("--kind", help="form of SOURCE, where it cannot be guessed")
    group = verb.add_argument_group("layout")
    group.add_argument("--audio_dir", default="", help="folder of the audio, if another")
    group.add_argument("--text_suffix", default="", help="folder: ending of the text files (.txt, .lab, .normalized.txt)")
    for name in COLUMNS:
        group.add_argument(f"--{name}_column", default="", metavar="NAME", help="table: guessed from usual names")
    group.add_argument("--delimiter", default="", help="table: character between columns; guessed")
    text = "table: whether quotation marks enclose fields, as in CSV"
    group.add_argument("--quotes", choices=("enclose", "plain"), default="enclose", help=text)
    group.add_argument("--encoding", default="utf-8-sig", help="of text and tables")
    group = verb.add_argument_group("speakers (default: as the source says, else one with the name of SOURCE)")
    group.add_argument("--speaker", default="", help="one speaker of this name")
    group.add_argument("--speaker_file", default="", help="a table `utterance speaker`")
    group.add_argument("--speaker_folder", action="store_true", help="named by the folder of the audio")
    group = verb.add_argument_group("sets")
    group.add_argument("--set", default="", metavar="NAME", help="put all into one set, e.g. audio alone into train_speech")
    group.add_argument("--train_set", default="train")
    group.add_argument("--valid_set", default="dev")
    group.add_argument("--test_set", default="test")
    group.add_argument("--lists", type=Path, help="folder of the fixed lists; missing ones are made there")
    group.add_argument("--test_pct", type=float, default=10.0, help="share of speakers or utterances for test, %%")
    group.add_argument("--dev_pct", type=float, default=5.0, help="share of the others for dev, %%")
    group.add_argument("--seed", type=int, default=1)
    group = verb.add_argument_group("phones of the source")
    group.add_argument(
        "--alignments", type=Path, help="CTM files or TextGrids, by the source's names; for --alignment_dir DATA/alignments"
    )
    group.add_argument("--tier", default="phones", help="phone tier of the TextGrids")
    verb.add_argument("--max_dropped_pct", type=float, default=5.0, help="largest share of utterances left out, %%")
    verb.add_argument("--nj", type=int, default=os.cpu_count() or 1)


def run(args: argparse.Namespace) -> None:
    """Import."""
    from ctaplib.corpus.build import check_share
    from ctaplib.corpus.corpus_import import (
        SHARE_FIX,
        SpeakerOptions,
        choose_sets,
        import_corpus,
        read_alignments,
        take_alignments,
        write_sets,
    )  # fmt: skip
    from ctaplib.corpus.importing import ImportOptions, guess_kind, kinds
    from ctaplib.corpus.set_split import SplitConfig
    from ctaplib.errors import ConfigError, DataError

    known = kinds()
    if args.kind is not None and args.kind not in known:
        raise ConfigError(f"there is no kind {args.kind!r}", expected=", ".join(known), fix="correct --kind")
    if not args.source.exists():
        raise DataError(f"there is no {args.source}", expected="the folder or table of a corpus", fix="correct the path")
    kind = args.kind or ("folder" if args.text_suffix else guess_kind(args.source))
    options = ImportOptions(**{name: getattr(args, name) for name in ImportOptions.model_fields})
    found = known[kind].read(args.source, options)
    speakers = SpeakerOptions(**{name: getattr(args, name) for name in SpeakerOptions.model_fields})
    corpus = import_corpus(found, args.source, speakers, nj=args.nj, max_dropped_pct=args.max_dropped_pct)
    alignments: dict = {}
    if args.alignments:
        corpus, alignments = take_alignments(corpus, read_alignments(args.alignments, args.tier))
        check_share(str(args.source), corpus.reasons, len(corpus.data.utt_ids), args.max_dropped_pct, SHARE_FIX)
    split = None
    if args.set or not found.has_text:
        sets = {args.set or "train_speech": corpus.data.utt_ids}
    else:
        config = SplitConfig(test_pct=args.test_pct, dev_pct=args.dev_pct, seed=args.seed)
        sets, split = choose_sets(corpus, (args.train_set, args.valid_set, args.test_set), config, args.lists)
    for note in corpus.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(f"{args.source} is {known[kind].what}")
    write_sets(corpus, sets, args.data, args.train_set if args.train_set in sets else next(iter(sets)), alignments)
    if args.lists is not None and not args.set and found.has_text:
        _lists(args, corpus.data, sets, split)


def _lists(args: argparse.Namespace, data: "DataDir", sets: dict[str, list[str]], split: "Split | None") -> None:
    """Write the lists that are missing."""
    from ctaplib.corpus.lists import write_own_lists
    from ctaplib.corpus.set_split import write_split
    from ctaplib.errors import counted

    if split is not None:
        write_split(args.lists, split)
        print(f"{args.lists}/dev.txt and test.txt: made by the rule with seed {args.seed}; keep them in git")
    elif (args.lists / "test.txt").exists():
        print(f"{args.lists}/dev.txt and test.txt: kept as they are; remove them to make new ones")
    if args.test_set not in sets:
        return
    if (args.lists / "vc_pairs.tsv").exists():
        print(f"{args.lists}/vc_pairs.tsv, tts.tsv and references.tsv: kept as they are; remove them to make new ones")
        return
    owned: dict[str, list[str]] = {}
    for utt in sets[args.test_set]:
        owned.setdefault(data.utts["utt2spk"][utt], []).append(utt)
    counts = write_own_lists(args.lists, args.test_set, owned, data.spks.get("spk2gender", {}), args.seed)
    print(f"{args.lists}: {', '.join(f'{name} ({rows} rows)' for name, rows in counts.items())}")
    if not counts["vc_pairs.tsv"]:
        able = counted(len(owned), "speaker")
        print(f"vc_pairs.tsv is empty: {args.test_set} has {able}, and a conversion needs two of five utterances or more")
