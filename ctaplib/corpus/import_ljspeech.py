"""Import LJSpeech's form: `metadata.csv` with lines `name|text|normalised text`, audio in `wavs/`.

Source: https://keithito.com/LJ-Speech-Dataset/
"""

from pathlib import Path

from ctaplib.corpus.importing import ENCODING_FIX, Found, Importer, ImportOptions, Item, audio_below, find_audio, twins_of
from ctaplib.errors import DataError
from ctaplib.files import read_encoded


def _read(source: Path, options: ImportOptions) -> Found:
    table, wavs = source / "metadata.csv", Path(options.audio_dir or source / "wavs")
    missing = [str(path) for path in (table, wavs) if not path.exists()]
    if missing:
        what = f"{source} is not LJSpeech: it lacks {' and '.join(missing)}"
        raise DataError(what, expected="metadata.csv and wavs/", fix="name its folder")
    lines = read_encoded(table, options.encoding, ENCODING_FIX).split("\n")
    found, first = Found(), dict[str, int]()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place, fields = f"{table}:{number}", [field.strip() for field in line.rstrip("\r").split("|")]
        if len(fields) not in (2, 3):
            found.faults.append(f"{place}: {len(fields)} fields, expected `name|text` or `name|text|normalised text`")
            continue
        name, text = fields[0], " ".join((fields[-1] or fields[1]).split())
        if name in first:
            found.faults.append(f"{place}: {name} was there before, in line {first[name]}")
            continue
        first[name] = number
        path = find_audio(name, wavs)
        if path is None:
            found.left_out[name] = f"{place}: text without audio: no audio file {name} in {wavs}"
        elif twins := twins_of(path, name):
            found.faults.append(f"{place}: {twins}")
        else:
            found.items.append(Item(name, str(path.absolute()), place, text))
    for path in audio_below(wavs, found.left_out):
        if path.stem not in first:
            found.left_out[str(path)] = f"audio without text: no line in {table}"
    return found


def _recognises(source: Path) -> bool:
    return (source / "metadata.csv").is_file() and (source / "wavs").is_dir()


IMPORTER = Importer("LJSpeech's metadata.csv and wavs/", _recognises, _read)
