"""Output of a run: log lines, progress with time left, metrics.jsonl, TensorBoard, pictures."""

import io
import json
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ctaplib.errors import LostPeerError, counted, shortened
from ctaplib.files import atomic_write, make_folder, reporting_full_disk
from ctaplib.runs.state import METRICS_FILE, Running, split_records

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

T = TypeVar("T")
PLAIN_EVERY_S = 10.0
_FORMAT = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")


class _Stream(logging.StreamHandler):
    """Handler for standard error that keeps the live line below the log lines and skips lines that it shows already."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if (getattr(record, "live", False) and has_live_line()) or getattr(record, "for_file", False):
            return
        bars = sys.modules.get("tqdm")  # without it there is no live line
        with bars.tqdm.external_write_mode(file=sys.stderr) if bars else nullcontext():
            super().emit(record)


def has_live_line() -> bool:
    """Return whether standard error is a terminal on which a line can be rewritten; tqdm shows nothing on one of no size."""
    if not sys.stderr.isatty():
        return False
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except OSError:  # a terminal of unknown size
        return True
    return size.lines > 0 and size.columns > 0


def get_logger(name: str = "ctaplib") -> logging.Logger:
    """Return a logger that writes to standard error."""
    root = logging.getLogger("ctaplib")
    if not root.handlers:
        handler = _Stream()
        handler.setFormatter(_FORMAT)
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
    return root if name == "ctaplib" else root.getChild(name.removeprefix("ctaplib."))


def keep_lines() -> None:
    """Keep log lines from now on, for `add_log_file`."""
    from logging.handlers import MemoryHandler  # here: few commands need it

    get_logger().addHandler(MemoryHandler(500, flushLevel=logging.CRITICAL + 1, flushOnClose=False))


def add_log_file(path: str | Path) -> None:
    """Append all further log lines to `path` as well, after those since `keep_lines`."""
    from logging.handlers import MemoryHandler

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path)
    handler.setFormatter(_FORMAT)
    for kept in list(get_logger().handlers):
        if isinstance(kept, MemoryHandler):
            kept.setTarget(handler)
            kept.flush()
            get_logger().removeHandler(kept)
    get_logger().addHandler(handler)


def progress(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Iterate over items with a bar and the time left; without a terminal, log a line every ten seconds."""
    if has_live_line():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, dynamic_ncols=True)
        return
    started = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - last >= PLAIN_EVERY_S:
            last = now
            left_s = (now - started) / done * (total - done)
            get_logger().info("%s: %d of %d done, about %.0f s left", what, done, total, left_s)


class LiveLine:
    """Line on a terminal that is rewritten: steps, time left, latest values; elsewhere nothing.

    Args:
        total: Number of steps in all.
        done: Number of steps done before.
        enabled: False for a process that prints nothing.
    """

    def __init__(self, total: int, done: int, enabled: bool = True) -> None:
        from tqdm import tqdm

        form = "{n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
        live = enabled and has_live_line()
        self._bar = tqdm(total=total, initial=done, bar_format=form, dynamic_ncols=True, disable=not live)

    def step(self) -> None:
        """Count one step."""
        self._bar.update()

    def show(self, values: Mapping[str, float]) -> None:
        """Show the loss, every term whose weight is not 0, and the speed."""
        if not self._bar.disable:
            self._bar.set_postfix_str(" " + short_words(values, shutil.get_terminal_size().columns - 28))

    def close(self) -> None:
        """End the line."""
        self._bar.close()


def short_words(values: Mapping[str, float], width: int) -> str:
    """Format loss, terms and speed to about `width` columns; names are abbreviated while they remain unique.

    Args:
        values: A record of the trainer: terms, `weight/<term>`, `audio_h_per_h`, `step_s`.
        width: Number of columns.
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
    """Record of one run: `metrics.jsonl`, `tensorboard/`, `images/`, and the state of the run.

    As a context it records how the run ended: failed with an exception, finished after the last step, stopped before it.

    Args:
        exp: Folder of the run.
        from_step: Records after this step, left by an earlier start, are dropped.
        task: Name of the task.
        max_steps: Number of steps in all.

    Raises:
        ConfigError: another process trains in this folder.
    """

    def __init__(self, exp: str | Path, from_step: int = 0, task: str = "", max_steps: int = 0) -> None:
        self.exp = Path(exp)
        make_folder(self.exp)
        self._running = Running(self.exp, task, max_steps)
        self._step, self._max_steps = from_step, max_steps
        self._path = self.exp / METRICS_FILE
        records, foreign = split_records(self._path)
        if foreign:
            listed = "; ".join(shortened(list(foreign.values()), 5))
            get_logger().warning("%s: dropped %s (torn or foreign): %s", self._path, counted(len(foreign), "line"), listed)
        with atomic_write(self._path) as out:
            out.writelines(f"{line}\n" for line, record in records if record["step"] <= from_step)
        self._file = self._path.open("a", encoding="utf-8")
        from torch.utils.tensorboard import SummaryWriter

        self._board_folder = self.exp / "tensorboard"
        self._board: Any = SummaryWriter(str(self._board_folder), purge_step=from_step + 1)

    @contextmanager
    def recording_errors(self) -> Iterator[None]:
        """Record an exception of the block as the end of the run, which goes on without one."""
        with ExitStack() as stack:
            stack.push(self)
            yield
            stack.pop_all()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.end("stopped", "ended at once by the keyboard; the same command resumes from the last checkpoint")
        elif error is not None:
            lines = str(error).splitlines()
            get_logger().error("%s", error or type(error).__name__, extra={"for_file": True})  # standard error gets it at the end
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
        with reporting_full_disk(self._path):
            self._file.write(json.dumps({"step": step, "split": split, **clean}) + "\n")
            self._file.flush()
        with reporting_full_disk(self._board_folder):
            for name, value in clean.items():
                if value is not None:
                    self._board.add_scalar(f"{split}/{name}", value, step)
            self._board.flush()  # records of a killed run must not be missing after its last checkpoint

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
        with reporting_full_disk(self._board_folder):
            self._board.file_writer.add_summary(Summary(value=[Summary.Value(tag=name, image=picture)]), step)

    def sound(self, name: str, step: int, wave: "np.ndarray", rate_hz: int) -> None:
        """Write a waveform (samples,) between -1 and 1 into TensorBoard.

        Raises:
            CtapError: the disk is full.
        """
        with reporting_full_disk(self._board_folder):
            self._board.add_audio(name, wave[None], step, rate_hz)

    def end(self, state: str, note: str = "", lost_peer: bool = False) -> None:
        """Close the files and record how the run ended: finished, stopped or failed; the first call counts."""
        try:
            self._file.close()
            self._board.close()
        except OSError as error:  # of what is written at the close
            get_logger().warning("%s: the last records are missing: %s", self.exp, error)
        self._running.end(state, note, lost_peer)
