"""Published numbers that stand beside measured ones, each with the reason why it is not comparable."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from ctaplib.config import Config
from ctaplib.errors import ConfigError

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "conf" / "paper_rows.yaml"
HOW = {
    "stated": "stated there",
    "third_party": "quoted by others",
    "measured": "measured on the authors' demo audio",
}


class PaperRow(Config):
    """One published number."""

    task: str
    """Task of the row that it stands beside."""
    system: str
    """Name of the system, with its bit rate where that matters."""
    metric: str
    """Metric of the row that it stands beside."""
    value: float
    """The number, in `unit`."""
    unit: str
    """Unit, that of the measured row."""
    how: str
    """How it is known, a key of `HOW`."""
    source: str
    """Where it stands."""
    why_not: str
    """Why it is not comparable with the measured row."""


class PaperRows(Config):
    """The file of published numbers."""

    rows: tuple[PaperRow, ...] = ()
    """The numbers."""
    missing: tuple[str, ...] = ()
    """What a reader would look for and not find, with the reason."""


def read_paper_rows(path: Path = DEFAULT_PATH) -> PaperRows:
    """Read the file; without it there are no such rows.

    Raises:
        ConfigError: the file cannot be used.
    """
    if not path.exists():
        return PaperRows(missing=(f"there is no {path.name}, so no published numbers are shown",))
    try:
        return PaperRows.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise ConfigError(f"{path} cannot be used: {error}", fix="correct the file") from error


def read_all_paper_rows(recipe: Path) -> PaperRows:
    """Read the shared file and, behind it, the recipe's own `conf/paper_rows.yaml`, if there is one.

    Raises:
        ConfigError: a file cannot be used.
    """
    shared, path = read_paper_rows(), recipe / "conf" / "paper_rows.yaml"
    if not path.exists() or path.resolve() == DEFAULT_PATH:
        return shared
    own = read_paper_rows(path)
    return PaperRows(rows=shared.rows + own.rows, missing=shared.missing + own.missing)
