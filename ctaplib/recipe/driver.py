"""Runs the stages of a recipe's plan: skips what is current, says why it runs others, keeps logs, times."""

import errno
import fcntl
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ctaplib.cluster.slurm import cancel_all
from ctaplib.errors import CtapError, StageError
from ctaplib.files import make_folder
from ctaplib.recipe.archive import Earlier, bring_back, drop_carried, find_earlier, move_aside
from ctaplib.recipe.preflight import Check, find_faults, refuse
from ctaplib.recipe.processes import end_run, first_error, jobs_folder, run_logged
from ctaplib.recipe.stamps import Stage, Stamp, Stamps, Status


@dataclass(frozen=True)
class RunOptions:
    """What to run of a plan, and how."""

    first: int
    last: int
    exp: Path
    """Folder under which `log/` lies."""
    command: str
    """What the user typed, to be repeated in messages."""
    skip_kinds: frozenset[str] = frozenset()
    force: bool = False
    """Run stages that are current too, from their beginning."""
    resume: bool = True
    """Go on inside a stage that was interrupted; False begins it again."""
    values: Mapping[str, str] = field(default_factory=dict)
    """What `@name` stands for in commands: settings that do not change results."""
    check: Check = lambda stages: []
    """Looks at commands and machine before anything starts."""


@dataclass
class Row:
    """One line of the closing table."""

    stage: Stage
    state: str
    seconds: float = 0.0
    peak_mib: int = 0


def select(stages: Sequence[Stage], options: RunOptions) -> list[Stage]:
    """The stages asked for, in order.

    Raises:
        StageError: there are none.
    """
    chosen = [s for s in stages if options.first <= s.number <= options.last]
    if not chosen:
        raise StageError(
            f"no stage lies between --stage {options.first} and --stop_stage {options.last}",
            expected=f"numbers of {', '.join(str(s.number) for s in stages)}, the first not above the last",
        )
    return chosen


def dry_run(stages: Sequence[Stage], options: RunOptions) -> None:
    """Print what a run would do; changes nothing.

    Raises:
        StageError: a run would find faults; names all of them.
    """
    stamps = Stamps(stages)
    will_run: list[Stage] = []
    for stage, status, earlier, current in _outlook(stamps, select(stages, options), options):
        if stage.passed_over:
            print(f"Stage {stage.number:>2} {stage.name:<9} skipped      {_shorten(stage.lacks)}")
            continue
        if status is None:
            print(f"Stage {stage.number:>2} {stage.name:<9} skipped      as --skip_{stage.kind} says")
            continue
        if status.state == "current" and not options.force:
            print(f"Stage {stage.number:>2} {stage.name:<9} current      nothing to do")
            continue
        print(f"Stage {stage.number:>2} {stage.name:<9} {_state(status, options):<12} {_shorten(status.reasons)}")
        if _begins_anew(status, options):
            for folder in stage.run_dirs:
                if Path(folder).exists() and not (earlier and Path(folder) in earlier.places.values()):
                    print(f"    would move {folder} to {Path(folder).parent / 'old'}/")
        if earlier:
            nothing = "; nothing is left to do behind it" if current else ""
            print(f"    would bring back {earlier}, made with these settings{nothing}")
        for reason in stage.lacks:
            print(f"    would skip a part: {reason}")
        for command in () if current else stage.commands:
            print(f"    would run: {_fill(command, options.values)}")
        will_run.append(stage)
    sys.stdout.flush()
    refuse(find_faults(stamps, will_run, options.check))


class Outlook(NamedTuple):
    """What is going to be done about a stage."""

    stage: Stage
    status: Status | None
    """As it is going to be when its turn comes; None where it is skipped, or the method does not have it."""
    earlier: Earlier | None = None
    """A run that will be brought back."""
    current: bool = False
    """Whether nothing is left to do once it is back."""


def _outlook(stamps: Stamps, chosen: Sequence[Stage], options: RunOptions) -> Iterator[Outlook]:
    """Every stage asked for; `stamps` take over what is going to be brought back."""
    will_run: set[int] = set()
    for stage in chosen:
        if stage.kind in options.skip_kinds or stage.passed_over:
            yield Outlook(stage, None)
            continue
        status = stamps.status(stage, will_run)
        earlier = _earlier(stage, status, options)
        if earlier:
            stamps.assume(stage, earlier.stamp, earlier.places)
        current = stamps.status(stage, will_run).state == "current" and not options.force
        if not current:
            will_run.add(stage.number)
        yield Outlook(stage, status, earlier, current)


def run(stages: Sequence[Stage], options: RunOptions) -> None:
    """Run the stages asked for, one after the other, and print a table of times.

    Raises:
        StageError: something is wrong with any of them that can be known before the first starts (all faults); or one is
            being run elsewhere, or failed.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = select(stages, options)
    begun, rows, stamps = time.monotonic(), [], Stamps(stages)
    try:
        outlook = list(_outlook(Stamps(stages), chosen, options))
        will_run = [s for s, status, *_ in outlook if status and (status.state != "current" or options.force)]
        refuse(find_faults(stamps, will_run, options.check))
        for stage in chosen:
            rows.append(Row(stage, "skipped"))
            if stage.passed_over:
                _say(stage, f"{_head(stage)} is skipped: {_shorten(stage.lacks)}.")
                continue
            if stage.kind in options.skip_kinds:
                _say(stage, f"{_head(stage)} is skipped as --skip_{stage.kind} says.")
                continue
            _one_stage(stamps, rows[-1], options)
    except KeyboardInterrupt:
        if rows:
            rows[-1].state = "stopped"
        where = rows[-1].stage.label if rows else "the first look around"
        onward = _resume(rows[-1].stage, options) if rows else options.command
        print(f"\nStopped in {where}. To go on: {onward}", file=sys.stderr)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CtapError(
            f"no space left on the disk ({error.filename or 'while writing a log'})",
            fix=f"free some space, then: {options.command}",
        ) from error
    finally:
        _table(rows, time.monotonic() - begun)
    had = [row for row in rows if not row.stage.passed_over]
    if had and all(row.state == "current" for row in had):
        names = f"stage {had[0].stage.number}" if len(had) == 1 else f"all {len(had)} stages"
        print(f"Nothing to do: {names} asked for {'is' if len(had) == 1 else 'are'} current.")
    print(f"Successfully finished. [elapsed={time.monotonic() - begun:.0f}s]")


def _one_stage(stamps: Stamps, row: Row, options: RunOptions) -> None:
    stage = row.stage
    status = stamps.status(stage)
    if status.state == "current" and not options.force:
        row.state = "current"
        if status.stamp is not None:
            row.seconds, row.peak_mib = status.stamp.seconds, status.stamp.peak_mib
        _say(stage, f"{_head(stage)} is current.")
        return
    _check_inputs(stamps, stage, options)
    why = f" [{_state(status, options)}{': ' if status.reasons else ''}{_shorten(status.reasons)}]"
    _say(stage, f"{_head(stage)}: {stage.title}" + (why if status.stamp else ""))
    for reason in stage.lacks:
        _say(stage, f"{_head(stage)}: a part is skipped: {reason}.")
    row.state = "failed"
    with _lock(stage):
        _end_leftovers(stage)
        if _begins_anew(status, options):
            if jobs := cancel_all(jobs_folder(_log(stage, options))):
                _say(stage, f"Cancelled job(s) {' '.join(jobs)} that an earlier start had left.")
            earlier = _earlier(stage, status, options)
            for line in move_aside(stage, status.stamp, earlier.places.values() if earlier else ()):
                _say(stage, line)
            if earlier:
                for line in bring_back(stage, earlier):
                    _say(stage, line)
                status = stamps.status(stage)
                if status.state == "current":
                    row.state, row.seconds, row.peak_mib = "current", earlier.stamp.seconds, earlier.stamp.peak_mib
                    _say(stage, f"{_head(stage)} is current.")
                    return
        _execute(stage, status, row, options)
    row.state = "done"


def _begins_anew(status: Status, options: RunOptions) -> bool:
    """Whether what an earlier start has made is moved aside."""
    return status.state == "stale" or options.force or (status.state == "interrupted" and not options.resume)


def _earlier(stage: Stage, status: Status, options: RunOptions) -> Earlier | None:
    """A run that was moved aside and has the settings of now."""
    wanted = status.state == "stale" and options.resume and not options.force
    return find_earlier(stage, status.parts) if wanted else None


def _execute(stage: Stage, status: Status, row: Row, options: RunOptions) -> None:
    run_id = uuid.uuid4().hex
    now = time.strftime("%Y-%m-%dT%H:%M:%S")
    stamp = Stamp(
        stage.number,
        stage.name,
        "running",
        status.fingerprint,
        status.parts,
        run_id,
        os.getpid(),
        started=now,
    )
    stamp.write(stage.stamp_path)
    drop_carried(stage)
    log = _log(stage, options)
    make_folder(log.parent)
    begun = time.monotonic()
    for command in stage.commands:
        start = log.stat().st_size if log.exists() else 0
        try:
            code, peak_mib = run_logged(_fill(command, options.values), log, run_id)
        finally:  # also where it is stopped
            row.seconds = time.monotonic() - begun
        row.peak_mib = max(row.peak_mib, peak_mib)
        if code:
            raise StageError(_failure(stage, code, row.seconds, log, start, options))
    absent = [path for path in stage.makes if not Path(path).exists()]
    if absent:
        raise StageError(
            f"{stage.label} ended without an error but did not make {', '.join(absent)}",
            fix=f"read {log.resolve()}, then: {_resume(stage, options)}",
        )
    done = replace(stamp, state="done", seconds=round(row.seconds, 1), peak_mib=row.peak_mib)
    done.write(stage.stamp_path)


def _log(stage: Stage, options: RunOptions) -> Path:
    return options.exp / "log" / f"{stage.stem}.log"


def _failure(stage: Stage, code: int, seconds: float, log: Path, start: int, options: RunOptions) -> str:
    how = f"killed by signal {code - 128}" if code > 128 else f"exit status {code}"
    lines = [
        f"{stage.label} failed after {seconds:.0f} s ({how})",
        f"  first error: {first_error(log, start).removeprefix('error: ')}",
    ]
    if code == 137:
        lines.append("  it was killed from outside; where memory ran out, a smaller batch helps")
    lines += [f"  log: {log.resolve()}", f"  to go on: {_resume(stage, options)}"]
    return "\n".join(lines)


def _check_inputs(stamps: Stamps, stage: Stage, options: RunOptions) -> None:
    refuse(find_faults(stamps, [stage], lambda stages: []))
    for maker in stamps.rests_on(stage):
        status = stamps.status(maker)
        if status.state == "stale" and not options.first <= maker.number <= options.last:
            _say(stage, f"Warning: {maker.label} is stale ({_shorten(status.reasons)}) and was not asked for.")


@contextmanager
def _lock(stage: Stage) -> Iterator[None]:
    path = stage.stamp_path.with_suffix(".lock")
    make_folder(path.parent)
    with open(path, "w", encoding="utf-8") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stamp = Stamp.read(stage.stamp_path)
            who = f"process {stamp.pid}, started {stamp.started}" if stamp else "another process"
            raise StageError(f"{stage.label} is being run by {who}", fix="wait for it or stop it") from None
        yield


def _end_leftovers(stage: Stage) -> None:
    stamp = Stamp.read(stage.stamp_path)
    if stamp is not None and stamp.state == "running" and (found := end_run(stamp.run_id)):
        _say(stage, f"Ended {len(found)} process(es) that a killed run of {stage.label} had left.")


def _fill(command: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        command = command.replace(f"@{name}", value)
    return command


def _resume(stage: Stage, options: RunOptions) -> str:
    """The command that goes on: inside the stage that failed, and by force with those after it where all were forced."""
    if not options.force:
        return options.command
    alone = options.command.replace(" --force true", "") + f" --stage {stage.number} --stop_stage {stage.number}"
    return alone if stage.number >= options.last else f"{alone} && {options.command} --stage {stage.number + 1}"


def _state(status: Status, options: RunOptions) -> str:
    return "forced" if options.force and status.state == "current" else status.state


def _head(stage: Stage) -> str:
    return f"Stage {stage.number} ({stage.name})"


def _say(stage: Stage, text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} ({stage.origin}) {text}", flush=True)


def _shorten(reasons: Sequence[str], most: int = 4) -> str:
    more = f"; and {len(reasons) - most} more" if len(reasons) > most else ""
    return "; ".join(reasons[:most]) + more


def _table(rows: Sequence[Row], total_s: float) -> None:
    if not rows:
        return
    print("\nstage           state          time  peak memory")
    for row in rows:
        note = "  (when it ran)" if row.state == "current" else ""
        memory = f"{row.peak_mib / 1024:8.2f} GiB" if row.peak_mib else f"{'-':>8}    "
        name = f"{row.stage.number:>2} {row.stage.name}"
        print(f"{name:<15} {row.state:<9} {_clock(row.seconds):>9} {memory}{note}")
    print(f"{'this run':<25} {_clock(total_s):>9}\n", flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
