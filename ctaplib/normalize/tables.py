"""Tables: `.tsv` files beside the modules that read them, with a header, rows `table, key[, value]` and comments (`# ...`)."""

from pathlib import Path

from ctaplib.errors import DataError
from ctaplib.files import read_encoded

Tables = dict[str, dict[str, str]]


def read_tables(path: Path) -> Tables:
    """Return the tables of a file by name, keys in the order of the file; a row without value has "".

    Raises:
        DataError: a line does not have two or three columns.
    """
    tables: Tables = {}
    for number, line in enumerate(read_encoded(path).splitlines()[1:], 2):
        fields = line.split("\t")
        if line.startswith("# "):
            continue
        if len(fields) not in (2, 3):
            raise DataError(f"{path}:{number}: {line!r}", expected="table, key and value, separated by tabs")
        tables.setdefault(fields[0], {})[fields[1]] = "".join(fields[2:])
    return tables
