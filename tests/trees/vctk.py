"""VCTK, release 0.92 or 0.80: p315 without text, p280 without mic2, s5 apart from the others, odd texts, a recording too few."""

import argparse
import os
import shutil
from pathlib import Path

from voice import Line, sentences, speak

SPEAKERS = {
    "p225": "f", "p226": "m", "p227": "m", "p228": "f", "p229": "f", "p231": "f", "p232": "m", "p243": "m", "p251": "m",
    "p280": "f", "p315": "m", "p362": "f", "s5": "f",
}  # fmt: skip
"""p225, p231, p243 and p251 are unseen in the split of VQMIVC."""
COMMENTS = {"p280": "(mic2 files unavailable)", "p315": "(Text and mic2 files unavailable)"}
ACCENTS = {"p225": "English    Southern  England", "p226": "English    Surrey", "p362": "American", "s5": "British"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--release", choices=("0.92", "0.80"), default="0.92")
    parser.add_argument("--utts", type=int, default=12, help="utterances of each speaker")
    parser.add_argument("--copies", type=int, default=0, help="so many utterances in all, by hard links to a few spoken ones")


def speaker_info(release: str) -> str:
    """`speaker-info.txt` as the release has it; that of 0.80 lacks p280 and s5, and the letter p."""
    lines = ["ID  AGE  GENDER  ACCENTS  REGION COMMENTS " if release == "0.92" else "ID  AGE  GENDER  ACCENTS  REGION  "]
    for spk, gender in SPEAKERS.items():
        if release == "0.80" and spk in ("p280", "s5"):
            continue
        name = spk if release == "0.92" else spk.removeprefix("p")
        comment = f" {COMMENTS[spk]}" if release == "0.92" and spk in COMMENTS else ""
        lines.append(f"{name}  23  {gender.upper()}    {ACCENTS.get(spk, 'English    Southern  England')}{comment}")
    return "\n".join(lines) + "\n"


def odd_text(number: int, text: str) -> bytes:
    """A text file as the corpus has them: capitals and marks; some with quotes, brackets, CR LF or several spaces."""
    written = text[0].upper() + text[1:] + "."
    odd = {3: f'"{written}"', 4: written + ")", 5: written + "\r\n", 6: written.replace(" ", "  ") + " \n\n"}
    return odd.get(number, written + "\n").encode()


def make(dest: Path, args: argparse.Namespace) -> None:
    """Speak and write the tree to `dest`."""
    if args.copies:
        make_copies(dest, args)
        return
    speakers = [spk for spk in SPEAKERS if args.release == "0.92" or spk != "s5"]
    texts = iter(sentences("en", 1, args.utts * len(speakers)))
    (dest / "txt").mkdir(parents=True)
    (dest / "speaker-info.txt").write_text(speaker_info(args.release))
    lines, copies = [], []
    for spk in speakers:
        for number in range(1, args.utts + 1):
            text, utt = next(texts), f"{spk}_{number:03d}"
            if spk != "p315":
                path = dest / "txt" / spk / f"{utt}.txt"
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(odd_text(number, text))
            if spk == "p362" and number == 7:
                continue  # a text without its recording
            first, *second = audio_paths(dest, args.release, spk, utt)
            lines.append(Line(first, text, spk, SPEAKERS[spk], 48000))
            copies += [(first, path) for path in second]
    speak(lines, args.nj)
    for source, path in copies:
        shutil.copyfile(source, path)


def audio_paths(dest: Path, release: str, spk: str, utt: str) -> list[Path]:
    """Where the audio of an utterance lies: one file in 0.80, two microphones in 0.92."""
    if release == "0.80":
        return [dest / "wav48" / spk / f"{utt}.wav"]
    folder = dest / ("wav48_silence_trimmed" if spk != "s5" else "other") / spk
    return [folder / f"{utt}_{mic}.flac" for mic in ("mic1", "mic2") if mic == "mic1" or spk not in ("p280", "p315")]


def make_copies(dest: Path, args: argparse.Namespace) -> None:
    """A tree as large as asked for: few recordings under many names, texts that are all their own."""
    speakers = [f"p{number}" for number in range(225, 335)]
    spoken = [dest / "spoken" / f"{k}.flac" for k in range(40)]
    said = sentences("en", 2, len(spoken))
    speak([Line(path, text, f"p{k % 9}", "fm"[k % 2], 48000) for k, (path, text) in enumerate(zip(spoken, said))], args.nj)
    texts = sentences("en", 3, args.copies)
    (dest / "txt").mkdir()
    info = ["ID  AGE  GENDER  ACCENTS  REGION COMMENTS "] + [
        f"{s}  23  {'FM'[k % 2]}    English    Surrey" for k, s in enumerate(speakers)
    ]
    (dest / "speaker-info.txt").write_text("\n".join(info) + "\n")
    for k, text in enumerate(texts):
        spk, number = speakers[k % len(speakers)], k // len(speakers) + 1
        utt = f"{spk}_{number:03d}"
        for folder in (dest / "txt" / spk, dest / "wav48_silence_trimmed" / spk):
            folder.mkdir(parents=True, exist_ok=True)
        (dest / "txt" / spk / f"{utt}.txt").write_bytes(odd_text(7, text))
        os.link(spoken[k % len(spoken)], dest / "wav48_silence_trimmed" / spk / f"{utt}_mic1.flac")
