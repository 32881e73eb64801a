"""What a run tells: log lines, progress with time left, metrics.jsonl, TensorBoard, pictures."""

import io
import json
import logging
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ctaplib.errors import LostPeerError, counted, shortened
from ctaplib.files import atomic_write, make_folder, telling_full_disk
from ctaplib.runs.state import METRICS_FILE, Running, as_record

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

T = TypeVar("T")
PLAIN_EVERY_S = 10.0
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")


class _Stream(logging.StreamHandler):
    """Standard error; lines that the live line tells as well are left to it, all others go above it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if (getattr(record, "live", False) and has_live_line()) or getattr(record, "for_file", False):
            return
        bars = sys.modules.get("tqdm")  # without it there is no live line
        with bars.tqdm.external_write_mode(file=sys.stderr) if bars else nullcontext():
            super().emit(record)


def has_live_line() -> bool:
    """Whether standard error is a terminal on which a line can be rewritten; without any rows, tqdm shows nothing."""
    if not sys.stderr.isatty():
        return False
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except OSError:  # a terminal that does not tell its size
        return True
    return size.lines > 0 and size.columns > 0


def get_logger(name: str = "ctaplib") -> logging.Logger:
    """A logger that writes to standard error once."""
    root = logging.getLogger("ctaplib")
    if not root.handlers:
        handler = _Stream()
        handler.setFormatter(_FORMAT)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
    return root if name == "ctaplib" else root.getChild(name.removeprefix("ctaplib."))


class _Kept(logging.Handler):
    """Keeps the newest lines for a file that is still to come."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=500)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self.records.append(record)


_kept = _Kept()


def keep_lines() -> None:
    """Keep log lines from now on, for `add_log_file`."""
    get_logger().addHandler(_kept)


def add_log_file(path: str | Path) -> None:
    """Append all further log lines to `path` as well, and before them those since `keep_lines`."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(_FORMAT)
    get_logger().removeHandler(_kept)
    for record in _kept.records:
        handler.handle(record)
    _kept.records.clear()
    get_logger().addHandler(handler)


def progress(items: Iterable[T], total: int | None = None, what: str = "", enabled: bool = True) -> Iterator[T]:
    """Go through items with a bar and the time left; without a terminal that has a size, a plain line every ten seconds."""
    if not enabled:
        yield from items
        return
    if has_live_line():
        from tqdm import tqdm

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


class LiveLine:
    """On a terminal, one line that is rewritten: steps, time left, and what was told last; elsewhere nothing.

    Args:
        total: Steps in all.
        done: Steps done before.
        enabled: False for a process that keeps silent.
    """

    def __init__(self, total: int, done: int, enabled: bool = True) -> None:
        self._bar: Any = None
        if enabled and has_live_line():
            from tqdm import tqdm

            form = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
            self._bar = tqdm(total=total, initial=done, bar_format=form, dynamic_ncols=True)

    def step(self) -> None:
        """One step more."""
        if self._bar is not None:
            self._bar.update()

    def tell(self, values: Mapping[str, float]) -> None:
        """Show the loss, every term whose weight is not 0, and the speed."""
        if self._bar is not None:
            width = shutil.get_terminal_size().columns - 28
            self._bar.set_postfix_str(" " + short_words(values, width))

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self._bar is not None:
            self._bar.close()


def short_words(values: Mapping[str, float], width: int) -> str:
    """Loss, terms and speed in about so many columns: names are cut to what still tells them apart.

    Args:
        values: A record of the trainer: terms, `weight/<term>`, `audio_h_per_h`, `step_s`.
        width: Columns that there are.
    """
    terms = [n.removeprefix("weight/") for n in values if n.startswith("weight/")]
    shown = ["loss", *[t for t in terms if t in values and values[f"weight/{t}"] != 0]]
    tail = f"{values['audio_h_per_h']:.0f} h/h {values['step_s']:.2g} s"
    for length in range(max(map(len, shown)), 1, -1):
        if length < max(map(len, shown)) and len({n[:length] for n in shown}) < len(shown):
            break
        line = " ".join(f"{n[:length]} {values[n]:.3g}" for n in shown if n in values)
        if len(line) + len(tail) + 1 <= width:
            break
    return f"{line} {tail}"


class RunLog:
    """The record of one run: `metrics.jsonl`, `tensorboard/`, `images/`, and how the run stands.

    As a context it notes how the run ended: with an exception it failed, behind its last step it is finished, before it was
    stopped.

    Args:
        exp: Folder of the run.
        from_step: Records after this step, left by an earlier start that went further, are dropped.
        task: What is trained.
        max_steps: Steps in all.

    Raises:
        ConfigError: another process trains in this folder.
    """

    def __init__(self, exp: str | Path, from_step: int = 0, task: str = "", max_steps: int = 0) -> None:
        self.exp = Path(exp)
        make_folder(self.exp)
        self._running = Running(self.exp, task, max_steps)
        self._step, self._max_steps = from_step, max_steps
        self._path = self.exp / METRICS_FILE
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines() if self._path.exists() else []
        rows = [(number, line, as_record(line)) for number, line in enumerate(lines, 1)]
        if foreign := [f"{number}: {line[:60]!r}" for number, line, row in rows if row is None]:
            told = "; ".join(shortened(foreign, 5))
            get_logger().warning("%s: left out %s (torn or foreign): %s", self._path, counted(len(foreign), "line"), told)
        with atomic_write(self._path) as out:
            out.writelines(f"{line}\n" for _, line, row in rows if row is not None and row["step"] <= from_step)
        self._file = self._path.open("a", encoding="utf-8")
        from torch.utils.tensorboard import SummaryWriter

        self._board_folder = self.exp / "tensorboard"
        self._board: Any = SummaryWriter(str(self._board_folder), purge_step=from_step + 1)

    @contextmanager
    def noting_faults(self) -> Iterator[None]:
        """As the context of the run itself, but the run goes on behind it if all went well."""
        with ExitStack() as stack:
            stack.push(self)
            yield
            stack.pop_all()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.end("stopped", "ended at once by the keyboard; the same command goes on from the last checkpoint")
        elif error is not None:
            lines = str(error).splitlines()
            get_logger().error("%s", error or type(error).__name__, extra={"for_file": True})  # the screen gets it at the end
            self.end("failed", lines[0] if lines else type(error).__name__, isinstance(error, LostPeerError))
        else:
            self.end("finished" if self._step >= self._max_steps else "stopped")

    def scalars(self, step: int, values: Mapping[str, float], split: str) -> None:
        """Write one record; non-finite values are written as null.

        Raises:
            CtapError: the disk is full.
        """
        self._step = max(self._step, step)
        clean = {k: (float(v) if math.isfinite(v) else None) for k, v in values.items()}
        with telling_full_disk(self._path):
            self._file.write(json.dumps({"step": step, "split": split, **clean}) + "\n")
            self._file.flush()
        with telling_full_disk(self._board_folder):
            for name, value in clean.items():
                if value is not None:
                    self._board.add_scalar(f"{split}/{name}", value, step)
            self._board.flush()  # what a killed run has told must not be missing behind its last checkpoint

    def figure(self, name: str, step: int, figure: "Figure") -> None:
        """Write a picture under `images/<name>.png` (the newest) and into TensorBoard.

        Raises:
            CtapError: the disk is full.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=80)
        with atomic_write(self.exp / "images" / f"{name}.png", "wb") as out:
            out.write(buffer.getbuffer())
        width, height = (round(80 * inches) for inches in figure.get_size_inches())
        picture = Summary.Image(encoded_image_string=buffer.getvalue(), width=width, height=height, colorspace=4)
        with telling_full_disk(self._board_folder):
            self._board.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=picture)]), step)

    def sound(self, name: str, step: int, wave: "np.ndarray", rate_hz: int) -> None:
        """Write a waveform (samples,) between -1 and 1 into TensorBoard.

        Raises:
            CtapError: the disk is full.
        """
        with telling_full_disk(self._board_folder):
            self._board.add_audio(name, wave[None], step, rate_hz)

    def end(self, state: str, note: str = "", lost_peer: bool = False) -> None:
        """Close the files and note how the run ended: finished, stopped or failed; the first word counts."""
        try:
            self._file.close()
            self._board.close()
        except OSError as error:  # what could not be written before is tried once more
            get_logger().warning("%s: the last records are not there: %s", self.exp, error)
        self._running.end(state, note, lost_peer)
