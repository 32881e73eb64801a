"""What a run tells: log lines, progress with time left, metrics.jsonl, TensorBoard, pictures."""

import json
import logging
import math
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")
PLAIN_EVERY_S = 10.0
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")


def get_logger(name: str = "ctaplib") -> logging.Logger:
    """A logger that writes to standard error once."""
    root = logging.getLogger("ctaplib")
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(_FORMAT)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
    return root if name == "ctaplib" else root.getChild(name.removeprefix("ctaplib."))


def add_log_file(path: str | Path) -> None:
    """Append all further log lines to `path` as well."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(_FORMAT)
    get_logger().addHandler(handler)


def progress(items: Iterable[T], total: int | None = None, what: str = "", enabled: bool = True) -> Iterator[T]:
    """Go through items with a bar and the time left; without a terminal, a plain line every ten seconds."""
    if not enabled:
        yield from items
        return
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what, dynamic_ncols=True)
        return
    total = len(items) if total is None and isinstance(items, Sized) else total
    started = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= PLAIN_EVERY_S:
            last = now
            left = f", about {(now - started) / done * (total - done):.0f} s left" if total else ""
            get_logger().info("%s: %d%s done%s", what, done, f" of {total}" if total else "", left)


class RunLog:
    """The record of one run: `metrics.jsonl`, `tensorboard/`, `images/`.

    Args:
        exp: Folder of the run.
        from_step: Records after this step, left by an earlier start that went further, are dropped.
    """

    def __init__(self, exp: str | Path, from_step: int = 0) -> None:
        self.exp = Path(exp)
        self.exp.mkdir(parents=True, exist_ok=True)
        self._path = self.exp / "metrics.jsonl"
        kept = []
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue  # the last line of a killed run may be half written
                if row["step"] <= from_step:
                    kept.append(line + "\n")
        self._path.write_text("".join(kept), encoding="utf-8")
        self._file = self._path.open("a", encoding="utf-8")
        from torch.utils.tensorboard import SummaryWriter

        self._board: Any = SummaryWriter(str(self.exp / "tensorboard"), purge_step=from_step + 1)

    def scalars(self, step: int, values: Mapping[str, float], split: str) -> None:
        """Write one record; non-finite values are written as null."""
        clean = {k: (float(v) if math.isfinite(v) else None) for k, v in values.items()}
        self._file.write(json.dumps({"step": step, "split": split, **clean}) + "\n")
        self._file.flush()
        for name, value in clean.items():
            if value is not None:
                self._board.add_scalar(f"{split}/{name}", value, step)

    def figure(self, name: str, step: int, figure: "Figure") -> None:
        """Write a picture under `images/<name>.png` (the newest) and into TensorBoard."""
        path = self.exp / "images" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        figure.savefig(path, dpi=80)
        self._board.add_figure(name, figure, step, close=False)

    def close(self) -> None:
        """Flush and close the files."""
        self._file.close()
        self._board.close()
