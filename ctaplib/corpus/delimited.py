"""Read a delimited table (CSV, TSV): its rows, each with the lines of the file that it stands in.

The form is RFC 4180's, for every delimiter: a field that begins with a quotation mark ends with one directly before a delimiter
or the end of a line, and two inside stand for one; anywhere else a quotation mark is an ordinary character.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SHOWN = 20
"""Number of faults after which reading stops."""


@dataclass(frozen=True)
class Row:
    """A row: its first and last line (from 1), and its fields without white space around them."""

    first: int
    last: int
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Delimited:
    """Content of a table."""

    lines: tuple[str, ...]
    """The lines of the file, unchanged."""
    rows: tuple[Row, ...]
    """Rows that are not empty; every line is in one of them, empty, or in `faults`."""
    faults: tuple[str, ...]
    """Lines with unbalanced quotation marks: `number: what is wrong`."""


def read_delimited(text: str, delimiter: str, *, quoted: bool = True) -> Delimited:
    """Split the text of a whole file into rows; unless `quoted`, quotation marks are ordinary characters."""
    lines = tuple(io.StringIO(text, newline=""))
    rows: list[Row] = []
    faults: list[str] = []
    at = 0
    while at < len(lines) and len(faults) < SHOWN:
        for row in _rows(lines, at, delimiter, quoted):
            if isinstance(row, str):
                faults.append(row)
                break
            at = row.last
            if any(row.fields):
                rows.append(row)
        else:
            break
        at += 1  # behind the line that does not fit
    return Delimited(lines, tuple(rows), tuple(faults))


def _rows(lines: Sequence[str], start: int, delimiter: str, quoted: bool) -> Iterator[Row | str]:
    """Yield the rows from a line on; a string at the end says what is wrong with the line after the last row."""
    rest = (lines[k] for k in range(start, len(lines)))
    reader = csv.reader(rest, delimiter=delimiter, strict=True, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    last = start
    try:
        for fields in reader:
            first, last = last + 1, start + reader.line_num
            yield Row(first, last, tuple(field.strip() for field in fields))
    except csv.Error as error:
        reached = start + reader.line_num
        ended = reached == len(lines) and "unexpected end" in str(error)
        where = "the end of the file" if ended else f"line {reached}" if reached > last + 1 else "the end of the field"
        yield f"{last + 1}: a quotation mark at the beginning of a field is not closed as it should be before {where} ({error})"
