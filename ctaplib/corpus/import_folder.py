"""Import a folder with one text file for each audio file: the same name, another ending, beside it or in a tree of its own."""

from pathlib import Path

from ctaplib.corpus.importing import ENCODING_FIX, Found, Importer, ImportOptions, Item, audio_below, files_below
from ctaplib.errors import DataError
from ctaplib.files import read_encoded

ENDINGS = (".normalized.txt", ".txt", ".lab", ".trn")
"""Endings of text files; the first that a folder has is taken."""


def _text_ending(source: Path) -> str:
    names = [path.name for path in files_below(source)]
    audio = {path.stem for path in audio_below(source, {})}
    for ending in ENDINGS:
        if any(name.endswith(ending) and name.removesuffix(ending) in audio for name in names):
            return ending
    return ""


def _read(source: Path, options: ImportOptions) -> Found:
    found = Found()
    ending = options.text_suffix or _text_ending(source)
    if not ending:
        what = f"{source} has no text file with the name of an audio file"
        fix = "name the ending with --text_suffix, or take --kind audio for speech without text"
        raise DataError(what, expected=f"name.wav and name{ENDINGS[1]}", fix=fix)
    texts: dict[str, list[Path]] = {}
    for path in files_below(source):
        if path.name.endswith(ending):
            texts.setdefault(path.name.removesuffix(ending), []).append(path)
    used = set()
    for path in audio_below(source, found.left_out):
        beside = path.with_name(path.stem + ending)
        named = [beside] if beside.is_file() else texts.get(path.stem, [])
        if len(named) != 1:
            many = f"audio with {len(named)} text files: {' '.join(map(str, named))}"
            found.left_out[str(path)] = many if named else f"audio without text: there is no {path.stem}{ending}"
            continue
        used.add(named[0])
        try:
            text = " ".join(read_encoded(named[0], options.encoding, ENCODING_FIX).split())
        except DataError as error:
            found.faults.append(str(error))
            continue
        if not text:
            found.left_out[str(path)] = f"its text is empty: {named[0]}"
            continue
        found.items.append(Item(path.stem, str(path.absolute()), str(path), text))
    for path in (path for paths in texts.values() for path in paths if path not in used):
        found.left_out[str(path)] = "text without audio"
    return found


def _recognises(source: Path) -> bool:
    return source.is_dir() and not (source / "metadata.csv").exists() and bool(_text_ending(source))


IMPORTER = Importer("a folder with a text file (.txt, .lab) for each audio file", _recognises, _read)
