"""Word tables: `.tsv` files beside the modules that read them, with a header line and rows `table, key[, value]`."""

from pathlib import Path

from ctaplib.files import read_encoded

Tables = dict[str, dict[str, str]]


def read_tables(path: Path) -> Tables:
    """Return the tables of a file by name, keys in the order of the file; a row without value has "".

    Args:
        path: File whose first line names the columns.
    """
    tables: Tables = {}
    for line in read_encoded(path).splitlines()[1:]:
        table, key, *value = line.split("\t")
        tables.setdefault(table, {})[key] = "".join(value)
    return tables
