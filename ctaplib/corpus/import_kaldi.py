"""Import a Kaldi data directory, or a folder of them (train, dev, test), which then are the sets."""

from dataclasses import replace
from pathlib import Path

from ctaplib.audio.source import is_command
from ctaplib.corpus.datadir import DataDir, read_datadir, read_spans
from ctaplib.corpus.importing import Found, Importer, ImportOptions, Item
from ctaplib.errors import DataError

CARRIED = ("utt2lang", "text.phn", "phn2word", "utt2uniq")
"""Tables that hold for an utterance in any data directory."""


def _directories(source: Path) -> list[Path]:
    if (source / "wav.scp").is_file():
        return [source]
    return sorted(path.parent for path in source.glob("*/wav.scp"))


def _read_one(folder: Path, set_: str, options: ImportOptions, found: Found) -> None:
    data, spans = read_datadir(folder), read_spans(folder)
    speakers, texts = data.utts.get("utt2spk", {}), data.utts.get("text", {})
    genders = data.spks.get("spk2gender", {})
    for utt, span in spans.items():
        audio = span.path if is_command(span.path) else _absolute(span.path, folder, options)
        speaker, place = speakers.get(utt, ""), f"{folder}/wav.scp: {utt}"
        item = Item(utt, audio, place, texts.get(utt, ""), speaker, genders.get(speaker, ""), set_, tables=_carried(data, utt))
        if data.segments is not None:
            item = replace(item, recording=data.segments[utt].recording, start_s=span.start_s, end_s=span.end_s)
        found.items.append(item)
    for utt in sorted((texts.keys() | speakers.keys()) - spans.keys()):
        found.left_out[utt] = f"{folder}: text without audio: no line in wav.scp or segments"


def _carried(data: DataDir, utt: str) -> dict[str, str]:
    return {name: data.utts[name][utt] for name in CARRIED if utt in data.utts.get(name, {})}


def _absolute(path: str, folder: Path, options: ImportOptions) -> str:
    """Resolve a relative path: from --audio_dir, the working folder, two folders up from data/<set>, or the folder above."""
    places = [Path(options.audio_dir)] if options.audio_dir else []
    for place in (*places, Path(), folder.parent.parent, folder.parent):
        if (place / path).exists():
            return str((place / path).absolute())
    return str(Path(path).absolute())


def _read(source: Path, options: ImportOptions) -> Found:
    found, folders = Found(keeps_ids=True), _directories(source)
    for folder in folders:
        try:
            _read_one(folder, folder.name if len(folders) > 1 else "", options, found)
        except DataError as error:
            found.faults.append(str(error))
    return found


IMPORTER = Importer("a Kaldi data directory, or a folder of them", lambda source: bool(_directories(source)), _read)
