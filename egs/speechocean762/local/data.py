#!/usr/bin/env python3
"""Make data directories from speechocean762 in its own layout (OpenSLR 101): `WAVE/ train/ test/ resource/`.

The sets are the corpus's own; `dev` is made of 7 training speakers (lists/dev_speakers.txt). With `--subset 100spk` only the
speakers of lists/speakers_100spk.txt are taken, and the sets carry that name. Phones are the canonical ones of
`resource/text-phone`, with stress: a vowel without a digit gets 0, and secondary stress (a handful) is written as primary.
"""

import sys
from argparse import Namespace
from pathlib import Path

from ctaplib.corpus.build import check_filled, check_items, look, make_set, write_set
from ctaplib.corpus.importing import Item
from ctaplib.corpus.recipe import data_parser, named_folder, read_list, run_recipe
from ctaplib.errors import DataError
from ctaplib.files import atomic_write, read_table
from ctaplib.phones import strip_position

RECIPE = Path(__file__).resolve().parent.parent
RATE_HZ = 16000
LAYOUT = "the unpacked corpus of OpenSLR 101"
ABOUT_PART = "the audio of this part of the corpus was kept as Opus of about 39 kbit/s, and unpacked from it"
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())
FETCH = "give --corpus_dir DIR, or fetch it with ./run.sh --stage -1 --stop_stage -1"


def check_layout(corpus: Path) -> None:
    """Make sure that the folder is the corpus."""
    needed = ["WAVE", "resource/text-phone"]
    needed += [f"{part}/{name}" for part in ("train", "test") for name in ("wav.scp", "text", "utt2spk", "spk2gender")]
    missing = [name for name in needed if not (corpus / name).exists()]
    if missing:
        raise DataError(
            f"{corpus} is not speechocean762: it lacks {' '.join(missing)}", expected="the unpacked corpus of OpenSLR 101",
            fix=FETCH,
        )  # fmt: skip


def phone(symbol: str) -> str:
    """Return the canonical phone without position tag, with stress 0 or 1 on vowels."""
    bare = strip_position(symbol)
    if bare in VOWELS:
        return bare + "0"
    return bare[:-1] + "1" if bare.endswith("2") else bare


def read_phones(path: Path) -> dict[str, list[list[str]]]:
    """Read the phones of each word of each utterance."""
    words: dict[str, dict[int, list[str]]] = {}
    for key, value in read_table(path).items():
        utt, _, number = key.rpartition(".")
        words.setdefault(utt, {})[int(number)] = [phone(symbol) for symbol in value.split()]
    return {utt: [own[i] for i in sorted(own)] for utt, own in words.items()}


def find(corpus: Path, part: str) -> list[Item]:
    """Find the utterances of `train` or `test`, each that cannot be used with its reason."""
    folder = corpus / part
    wavs, text, genders = (read_table(folder / name) for name in ("wav.scp", "text", "spk2gender"))
    phones = read_phones(corpus / "resource" / "text-phone")
    items = []
    for utt, spk in read_table(folder / "utt2spk").items():
        words, own = text.get(utt, ""), phones.get(utt, [])
        reason = "" if utt in wavs else "no line in wav.scp"
        reason = reason or ("" if words else "empty text")
        if not reason and len(own) != len(words.split()):
            reason = f"{len(words.split())} words, but phones of {len(own)}"
        wav = str((corpus / wavs[utt]).resolve()) if utt in wavs else ""
        tables = {
            "utt2lang": "en", "text.phn": " ".join(p for word in own for p in word),
            "phn2word": " ".join(str(i) for i, word in enumerate(own) for _ in word),
        }  # fmt: skip
        items.append(Item(utt, wav, wav, words.lower(), spk, genders.get(spk, ""), tables=tables, reason=reason))
    return items


def make(args: Namespace) -> None:
    """Make all data directories."""
    corpus = named_folder(args.corpus_dir, LAYOUT, FETCH)
    check_layout(corpus)
    chosen = read_list(RECIPE / "lists", f"speakers_{args.subset}.txt") if args.subset else None
    suffix = f"_{args.subset}" if args.subset else ""
    items = {part: find(corpus, part) for part in ("train", "test")}
    everyone = {item.speaker for part in items.values() for item in part}
    wanted = chosen or everyone
    dev = read_list(RECIPE / "lists", "dev_speakers.txt")
    missing = sorted((wanted | dev) - everyone)
    if missing:
        what = "the subset or of lists/dev_speakers.txt"
        raise DataError(f"{corpus} lacks speakers of {what}: {' '.join(missing)}", fix="take the whole corpus")
    opened = {part: look([item for item in own if item.speaker in wanted], args.nj) for part, own in items.items()}
    for part, own in opened.items():
        check_items(f"{corpus / part}", own, "fetch the corpus again, or raise --max_dropped_pct", args.max_dropped_pct)
    made = {
        "train": make_set(item for item in opened["train"] if item.speaker not in dev),
        "dev": make_set(item for item in opened["train"] if item.speaker in dev),
        "test": make_set(opened["test"]),
    }
    check_filled(made)
    for name, one in made.items():
        folder = args.data / f"{name}{suffix}"
        write_set(folder, one, RATE_HZ)
        if everyone == chosen:  # not a subset of the whole corpus, whose audio is the original
            with atomic_write(folder / "about") as out:
                out.write(ABOUT_PART + "\n")


def main() -> int:
    """Read the options and make the data directories."""
    parser = data_parser(__doc__, RECIPE)
    parser.add_argument("--subset", choices=("", "100spk"), default="")
    args = parser.parse_args()
    return run_recipe(lambda: make(args))


if __name__ == "__main__":
    sys.exit(main())
