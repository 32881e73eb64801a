"""Published numbers, shown beside measured ones, each with the reason why it is not comparable."""

from pathlib import Path

from ctaplib.config import Config, load_config

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "conf" / "paper_rows.yaml"
HOW = {
    "stated": "stated there",
    "third_party": "quoted by others",
    "measured": "measured on the authors' demo audio",
}


class PaperRow(Config):
    """A published number."""

    task: str
    """Task of the measured row beside it."""
    system: str
    """Name of the system, with its bit rate where that matters."""
    metric: str
    """Metric of the measured row beside it."""
    value: float
    """The number, in `unit`."""
    unit: str
    """Unit, that of the measured row."""
    how: str
    """Where the number comes from, a key of `HOW`."""
    source: str
    """Publication."""
    why_not: str
    """Why it is not comparable with the measured row."""


class PaperRows(Config):
    """The file of published numbers."""

    rows: tuple[PaperRow, ...] = ()
    """The numbers."""
    missing: tuple[str, ...] = ()
    """Numbers that are not available, and why."""


def read_recipe_rows(folder: Path) -> PaperRows:
    """Read the published numbers of a recipe: its own (`conf/paper_rows.yaml`), then those that all recipes show.

    Raises:
        ConfigError: a file cannot be used.
    """
    shared, path = read_paper_rows(), folder / "conf" / "paper_rows.yaml"
    if not path.exists() or path.resolve() == DEFAULT_PATH:
        return shared
    own = read_paper_rows(path)
    return PaperRows(rows=own.rows + shared.rows, missing=own.missing + shared.missing)


def read_paper_rows(path: Path = DEFAULT_PATH) -> PaperRows:
    """Read a file of published numbers; without the file there are none.

    Raises:
        ConfigError: the file cannot be used.
    """
    if not path.exists():
        return PaperRows(missing=(f"there is no {path.name}, so no published numbers are shown",))
    return load_config(PaperRows, path)
