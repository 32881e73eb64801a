"""A CSV or TSV with a header line: one utterance a line, with columns for audio, text and, where there are any, more."""

import csv
import io
from pathlib import Path

from ctaplib.data.importing import Found, Importer, ImportOptions, Item, find_audio, gender_of
from ctaplib.errors import DataError

GUESSES = {
    "audio": "audio path wav file filename file_name audio_path audio_file audio_filepath wav_path wav_file wav_filename clip",
    "text": "text sentence transcript transcription normalized_text normalised_text words utterance_text",
    "speaker": "speaker spk speaker_id spk_id client_id speaker_name voice",
    "gender": "gender sex",
    "id": "id utt utt_id utterance utterance_id uid",
    "set": "set split subset partition",
}
"""Names of columns that are understood, in lower case."""
DELIMITERS = "\t,;|"


def _rows(table: Path, options: ImportOptions) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and the rows with the line that each ends in."""
    try:
        text = table.read_bytes().decode(options.encoding)
    except UnicodeDecodeError as error:
        fix = "save it as `CSV UTF-8`, or name its --encoding, such as cp1252"
        raise DataError(f"{table} is not {options.encoding}: {error}", fix=fix) from error
    head = text.split("\n", 1)[0]
    delimiter = options.delimiter.replace("\\t", "\t") or max(DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if any(value.strip() for value in row):
                rows.append((reader.line_num, [value.strip() for value in row]))
    except csv.Error as error:
        raise DataError(f"{table}:{reader.line_num}: {error}", fix="check the quotation marks, or --delimiter") from error
    if len(rows) < 2:
        raise DataError(f"{table} has {len(rows)} lines", expected="a header line and a line an utterance")
    return rows[0][1], rows[1:]


def _columns(header: list[str], table: Path, options: ImportOptions) -> dict[str, int]:
    """Place of each column that is there.

    Raises:
        DataError: one that is asked for is not there, or audio or text have none; all of them.
    """
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
            faults.append(f"none of the columns is called as {what} usually is; name it with --{what}_column")
    if faults:
        raise DataError(f"{table} has the columns {', '.join(header)}", faults, expected="a header line with audio and text")
    return places


def _table_of(source: Path) -> Path:
    if source.is_file():
        return source
    tables = sorted(path for ending in ("csv", "tsv") for path in source.glob(f"*.{ending}"))
    if len(tables) != 1:
        raise DataError(
            f"{source} holds {len(tables)} CSV or TSV files", [str(path) for path in tables], fix="name the file itself"
        )
    return tables[0]


def _read(source: Path, options: ImportOptions) -> Found:
    table = _table_of(source)
    header, rows = _rows(table, options)
    places, found = _columns(header, table, options), Found()
    folders = [Path(options.audio_dir)] if options.audio_dir else []
    folders += [table.parent, *(table.parent / name for name in ("wav", "wavs", "audio", "clips"))]
    for number, row in rows:
        place = f"{table}:{number}"
        if len(row) != len(header):
            found.faults.append(f"{place}: {len(row)} columns, the header has {len(header)}")
            continue
        value = {what: row[column] for what, column in places.items()}
        path = find_audio(value["audio"], *folders) if value["audio"] else None
        name = value.get("id") or Path(value["audio"]).stem
        if path is None:
            found.left_out[f"{name} (line {number})"] = f"{place}: text without audio: no file {value['audio']!r}"
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
    return len([path for ending in ("csv", "tsv") for path in source.glob(f"*.{ending}")]) == 1


IMPORTER = Importer("a CSV or TSV with a header line", _recognises, _read)
