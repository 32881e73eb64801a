"""Import a CSV or TSV with a header line: one utterance a line, with columns for audio, text and, optionally, more."""

from collections.abc import Sequence
from pathlib import Path

from ctaplib.corpus.delimited import Delimited, read_delimited
from ctaplib.corpus.importing import AUDIO, UNREADABLE, Found, Importer, ImportOptions, Item, find_audio, gender_of, twins_of
from ctaplib.errors import DataError, counted
from ctaplib.files import read_encoded

GUESSES = {
    "audio": "audio path wav file filename file_name audio_path audio_file audio_filepath wav_path wav_file wav_filename clip",
    "text": "text sentence transcript transcription normalized_text normalised_text words utterance_text",
    "speaker": "speaker spk speaker_id spk_id client_id speaker_name voice",
    "gender": "gender sex",
    "id": "id utt utt_id utterance utterance_id uid",
    "set": "set split subset partition",
}
"""Usual names of columns, in lower case."""
DELIMITERS = "\t,;|"
QUOTES_FIX = "correct these lines; or say that quotation marks enclose nothing in this table: --quotes plain"


def _rows(table: Path, options: ImportOptions) -> tuple[Delimited, str]:
    """Read the rows of a table, the header first, and its delimiter."""
    text = read_encoded(table, options.encoding, "save it as `CSV UTF-8`, or name its --encoding, such as cp1252")
    head = text.split("\n", 1)[0]
    delimiter = options.delimiter.replace("\\t", "\t") or max(DELIMITERS, key=head.count)
    found = read_delimited(text, delimiter, quoted=options.quotes == "enclose")
    if found.faults:
        what, faults = f"{table}: quotation marks do not fit in {counted(len(found.faults), 'line')}", found.faults
        expected = 'a field that begins with " to end with one, and "" for each inside'
        raise DataError(what, [f"{table}:{fault}" for fault in faults], expected=expected, fix=QUOTES_FIX)
    if len(found.rows) < 2:
        raise DataError(f"{table} has {counted(len(found.rows), 'line')}", expected="a header line and a line an utterance")
    return found, delimiter


def _swallowed(found: Delimited, delimiter: str, column: int, folders: Sequence[Path]) -> list[str]:
    """Find lines inside a quoted field that are rows themselves, as after two stray quotation marks.

    They have all columns, and name audio that no other row names.
    """
    faults: list[str] = []
    if all(row.first == row.last for row in found.rows):
        return faults
    named = {find_audio(row.fields[column].strip(), *folders) for row in found.rows[1:] if column < len(row.fields)}
    for row in found.rows:
        for number in range(row.first + 1, row.last + 1):
            fields = found.lines[number - 1].rstrip("\r\n").split(delimiter)
            audio = fields[column].strip().strip('"') if len(fields) >= len(found.rows[0].fields) else ""  # a whole row
            if not audio:
                continue
            place = find_audio(audio, *folders)
            if place not in named if place else Path(audio).suffix.lower() in AUDIO | UNREADABLE:
                begun = f"a quotation mark in line {row.first}, where a field begins, is closed in line {row.last} or before"
                faults.append(f"{number}: this row ({audio}) lies inside a field: {begun}")
    return faults


def _columns(header: Sequence[str], table: Path, options: ImportOptions) -> dict[str, int]:
    """Return the index of each column that exists; raise DataError where one that is asked for, audio or text has none."""
    lower, places, faults = [name.lower().replace(" ", "_") for name in header], dict[str, int](), []
    for what, guesses in GUESSES.items():
        asked = getattr(options, f"{what}_column")
        if asked:
            if asked in header:
                places[what] = header.index(asked)
            else:
                faults.append(f"there is no column {asked!r} (--{what}_column)")
            continue
        known = [lower.index(name) for name in guesses.split() if name in lower]
        if known:
            places[what] = known[0]
        elif what in ("audio", "text"):
            faults.append(f"none of the columns has a usual name for {what}; name it with --{what}_column")
    if faults:
        raise DataError(f"{table} has the columns {', '.join(header)}", faults, expected="a header line with audio and text")
    return places


def _tables(source: Path) -> list[Path]:
    return [source] if source.is_file() else sorted(path for ending in ("csv", "tsv") for path in source.glob(f"*.{ending}"))


def _read(source: Path, options: ImportOptions) -> Found:
    tables = _tables(source)
    if len(tables) != 1:
        what = f"{source} holds {counted(len(tables), 'CSV or TSV file')}"
        raise DataError(what, [str(path) for path in tables], fix="name the file itself")
    table, folder = tables[0], tables[0].parent
    read, delimiter = _rows(table, options)
    header, *rows = read.rows
    places = _columns(header.fields, table, options)
    folders = [Path(options.audio_dir)] if options.audio_dir else []
    folders += [folder, *(folder / name for name in ("wav", "wavs", "audio", "clips"))]
    swallowed = _swallowed(read, delimiter, places["audio"], folders)
    if swallowed:
        what = f"{table}: quotation marks do not fit around {counted(len(swallowed), 'line')}"
        faults = [f"{table}:{fault}" for fault in swallowed]
        raise DataError(what, faults, expected="no row inside a field", fix=QUOTES_FIX)
    found = Found()
    for row in rows:
        place = f"{table}:{row.last}"
        if len(row.fields) != len(header.fields):
            found.faults.append(f"{place}: {len(row.fields)} columns, the header has {len(header.fields)}")
            continue
        value = {what: row.fields[column] for what, column in places.items()}
        path = find_audio(value["audio"], *folders) if value["audio"] else None
        name = value.get("id") or Path(value["audio"]).stem
        if path is None:
            found.left_out[f"{name} (line {row.last})"] = f"{place}: text without audio: no file {value['audio']!r}"
            continue
        if twins := twins_of(path, value["audio"]):
            found.faults.append(f"{place}: {twins}")
            continue
        text = " ".join(value["text"].split())
        speaker, gender, set_ = (value.get(key, "") for key in ("speaker", "gender", "set"))
        found.items.append(Item(name, str(path.absolute()), place, text, speaker, gender_of(gender), set_))
    return found


def _recognises(source: Path) -> bool:
    if source.is_file():
        return source.suffix.lower() in (".csv", ".tsv")
    if not source.is_dir() or ((source / "metadata.csv").exists() and (source / "wavs").is_dir()):
        return False
    return len(_tables(source)) == 1


IMPORTER = Importer("a CSV or TSV with a header line", _recognises, _read)
