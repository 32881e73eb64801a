"""A tree as AISHELL-1 (OpenSLR 33) unpacks: data_aishell/{wav,transcript}, resource_aishell/speaker.info.

Known irregularities: recordings without a line in the transcript, one transcript for all sets, stray spaces between words, and
`wav/` as an archive of one archive per speaker (`--packed all`, or `some` for a user who stopped half way).
"""

import argparse
import shutil
import tarfile
from pathlib import Path

from voice import Line, sentences, speak

from ctaplib.files import atomic_write

RATE_HZ = 16000
SPEAKERS = {
    "train": ("S0002", "S0003", "S0004", "S0005", "S0006", "S0007"),
    "dev": ("S0724", "S0725"),
    "test": ("S0764", "S0765", "S0901", "S0902"),
}
MEN = frozenset(("S0003", "S0005", "S0007", "S0725", "S0765", "S0902"))


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of this tree."""
    parser.add_argument("--utts", type=int, default=10, help="utterances of each speaker")
    parser.add_argument("--packed", choices=("no", "some", "all"), default="no", help="leave speakers in their archives")
    parser.add_argument("--lists", type=Path, help="folder that gets the list of test speakers of this tree")


def words_of(text: str) -> str:
    """Part a text into words of two characters, with two spaces once."""
    return " ".join(text[k : k + 2] for k in range(0, len(text), 2)).replace(" ", "  ", 1)


def covered(texts: list[str], train: int, untold: int) -> list[str]:
    """The first sentences, for training (one stays untold), and behind them those that have no character which these lack."""
    known = {character for text in texts[:untold] + texts[untold + 1 : train] for character in text}
    return texts[:train] + [text for text in texts[train:] if known.issuperset(text)]


def make(dest: Path, args: argparse.Namespace) -> None:
    """Write the tree."""
    wav = dest / "data_aishell" / "wav"
    plan = [(part, spk) for part, speakers in SPEAKERS.items() for spk in speakers]
    texts = iter(covered(sentences("zh", 5, 8000), len(SPEAKERS["train"]) * args.utts, args.utts - 1))
    lines, rows = [], []
    for part, spk in plan:
        for number in range(args.utts):
            text, utt = next(texts), f"BAC009{spk}W{121 + number:04d}"
            lines.append(Line(wav / part / spk / f"{utt}.wav", text, spk, "m" if spk in MEN else "f", RATE_HZ, "zh"))
            if not (spk in ("S0002", "S0764") and number == args.utts - 1):  # two recordings without text
                rows.append(f"{utt} {words_of(text)}")
    speak(lines, args.nj)
    _write(dest / "data_aishell" / "transcript" / "aishell_transcript_v0.8.txt", rows)
    _write(dest / "resource_aishell" / "speaker.info", [f"{spk[1:]} {'M' if spk in MEN else 'F'}" for _, spk in plan])
    for number, (part, spk) in enumerate(plan):
        if args.packed == "all" or (args.packed == "some" and number % 2):
            with tarfile.open(wav / f"{spk}.tar.gz", "w:gz") as archive:
                archive.add(wav / part / spk, f"{part}/{spk}")
            shutil.rmtree(wav / part / spk)
    if args.packed == "all":
        for part in SPEAKERS:
            (wav / part).rmdir()
    if args.lists:
        _write(args.lists / "test_speakers.txt", list(SPEAKERS["test"]))


def _write(path: Path, rows: list[str]) -> None:
    with atomic_write(path) as out:
        out.writelines(row + "\n" for row in rows)
