"""Driver of a recipe's plan: skips current stages, reports why it runs others, keeps logs and times."""

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
from ctaplib.errors import CtapError, StageError, shortened
from ctaplib.files import make_folder
from ctaplib.recipe.archive import Earlier, archive, find_earlier, remove_carried, restore
from ctaplib.recipe.preflight import Check, find_faults, refuse
from ctaplib.recipe.processes import end_run, first_error, jobs_folder, run_logged
from ctaplib.recipe.stamps import Stage, Stamp, Stamps, Status


@dataclass(frozen=True)
class RunOptions:
    """Options of a run of the plan.

    Attributes:
        first: First stage to run.
        last: Last stage to run.
        exp: Folder of `log/`.
        command: The user's command line, to be repeated in messages.
        skip_kinds: Kinds of stages to skip.
        force: Run current stages too, from their beginning.
        resume: Resume a stage that was interrupted; False restarts it.
        values: Values of `@name` in commands: settings that do not change results.
        check: Checks commands and machine before anything starts.
    """

    first: int
    last: int
    exp: Path
    command: str
    skip_kinds: frozenset[str] = frozenset()
    force: bool = False
    resume: bool = True
    values: Mapping[str, str] = field(default_factory=dict)
    check: Check = lambda stages: []


@dataclass
class Row:
    """One line of the closing table."""

    stage: Stage
    state: str
    seconds: float = 0.0
    peak_mib: int = 0


class Forecast(NamedTuple):
    """What a run will do with a stage.

    Attributes:
        stage: The stage.
        status: Its state when its turn comes; None for a stage that is skipped.
        earlier: Archived run that will be restored.
        current: True for a stage that is current once that is restored.
    """

    stage: Stage
    status: Status | None
    earlier: Earlier | None = None
    current: bool = False


def select(stages: Sequence[Stage], options: RunOptions) -> list[Stage]:
    """List the stages between the first and the last that are asked for.

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
        StageError: a run would find faults; lists all of them.
    """
    stamps = Stamps(stages)
    will_run: list[Stage] = []
    for stage, status, earlier, current in _forecast(stamps, select(stages, options), options):
        head = f"Stage {stage.number:>2} {stage.name:<9}"
        if status is None:
            print(f"{head} skipped      as --skip_{stage.kind} says")
            continue
        if status.state == "current" and not options.force:
            print(f"{head} current      nothing to do")
            continue
        print(f"{head} {_state(status, options):<12} {_join(status.reasons)}")
        if _restarts(status, options):
            for folder in stage.run_dirs:
                if Path(folder).exists() and not (earlier and Path(folder) in earlier.places.values()):
                    print(f"    would move {folder} to {Path(folder).parent / 'old'}/")
        if earlier:
            nothing = "; nothing is left to do behind it" if current else ""
            print(f"    would bring back {earlier}, made with these settings{nothing}")
        for command in () if current else stage.commands:
            print(f"    would run: {_fill(command, options.values)}")
        will_run.append(stage)
    sys.stdout.flush()
    refuse(find_faults(stamps, will_run, options.check))


def _forecast(stamps: Stamps, chosen: Sequence[Stage], options: RunOptions) -> Iterator[Forecast]:
    """Forecast every stage in order; `stamps` assume the archived runs that will be restored."""
    will_run: set[int] = set()
    for stage in chosen:
        if stage.kind in options.skip_kinds:
            yield Forecast(stage, None)
            continue
        status = stamps.status(stage, will_run)
        earlier = _earlier(stage, status, options)
        if earlier:
            stamps.assume(stage, earlier.stamp, earlier.places)
        current = stamps.status(stage, will_run).state == "current" and not options.force
        if not current:
            will_run.add(stage.number)
        yield Forecast(stage, status, earlier, current)


def run(stages: Sequence[Stage], options: RunOptions) -> None:
    """Run the stages that are asked for, in order, and print a table of times.

    Raises:
        StageError: faults of any of them that can be found before the first starts (all of them); or a stage is being run
            elsewhere, or failed.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = select(stages, options)
    begun, rows, stamps = time.monotonic(), [], Stamps(stages)
    try:
        forecast = list(_forecast(Stamps(stages), chosen, options))
        will_run = [s for s, status, *_ in forecast if status and (status.state != "current" or options.force)]
        refuse(find_faults(stamps, will_run, options.check))
        for stage in chosen:
            rows.append(Row(stage, "skipped"))
            if stage.kind in options.skip_kinds:
                _log(stage, f"{_head(stage)} is skipped as --skip_{stage.kind} says.")
                continue
            _run_stage(stamps, rows[-1], options)
    except KeyboardInterrupt:
        if rows:
            rows[-1].state = "stopped"
        where = rows[-1].stage.label if rows else "the checks before the first stage"
        print(f"\nStopped in {where}. To go on: {_resume(rows[-1].stage, options) if rows else options.command}", file=sys.stderr)
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CtapError(
            f"no space left on the disk ({error.filename or 'while writing a log'})",
            fix=f"free some space, then: {options.command}",
        ) from error
    finally:
        _print_table(rows, time.monotonic() - begun)
    if rows and all(row.state == "current" for row in rows):
        names = f"stage {rows[0].stage.number}" if len(rows) == 1 else f"all {len(rows)} stages"
        print(f"Nothing to do: {names} asked for {'is' if len(rows) == 1 else 'are'} current.")
    print(f"Successfully finished. [elapsed={time.monotonic() - begun:.0f}s]")


def _run_stage(stamps: Stamps, row: Row, options: RunOptions) -> None:
    stage = row.stage
    status = stamps.status(stage)
    if status.state == "current" and not options.force:
        _set_current(row, status)
        return
    _check_inputs(stamps, stage, options)
    why = f" [{_state(status, options)}{': ' if status.reasons else ''}{_join(status.reasons)}]"
    _log(stage, f"{_head(stage)}: {stage.title}" + (why if status.stamp else ""))
    row.state = "failed"
    with _lock(stage):
        _end_leftovers(stage)
        if _restarts(status, options):
            if jobs := cancel_all(jobs_folder(_log_path(stage, options))):
                _log(stage, f"Cancelled job(s) {' '.join(jobs)} that an earlier start had left.")
            earlier = _earlier(stage, status, options)
            for line in archive(stage, status.stamp, earlier.places.values() if earlier else ()):
                _log(stage, line)
            if earlier:
                for line in restore(stage, earlier):
                    _log(stage, line)
                status = stamps.status(stage)
                if status.state == "current":
                    _set_current(row, status)
                    return
        _execute(stage, status, row, options)
    row.state = "done"


def _set_current(row: Row, status: Status) -> None:
    row.state = "current"
    if status.stamp is not None:
        row.seconds, row.peak_mib = status.stamp.seconds, status.stamp.peak_mib
    _log(row.stage, f"{_head(row.stage)} is current.")


def _restarts(status: Status, options: RunOptions) -> bool:
    """Return whether the outputs of an earlier start are archived."""
    return status.state == "stale" or options.force or (status.state == "interrupted" and not options.resume)


def _earlier(stage: Stage, status: Status, options: RunOptions) -> Earlier | None:
    """Find an archived run with the current settings."""
    wanted = status.state == "stale" and options.resume and not options.force
    return find_earlier(stage, status.parts) if wanted else None


def _execute(stage: Stage, status: Status, row: Row, options: RunOptions) -> None:
    run_id, now = uuid.uuid4().hex, time.strftime("%Y-%m-%dT%H:%M:%S")
    stamp = Stamp(stage.number, stage.name, "running", status.fingerprint, status.parts, run_id, os.getpid(), started=now)
    stamp.write(stage.stamp_path)
    remove_carried(stage)
    log = _log_path(stage, options)
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


def _log_path(stage: Stage, options: RunOptions) -> Path:
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
            _log(stage, f"Warning: {maker.label} is stale ({_join(status.reasons)}) and was not asked for.")


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
        _log(stage, f"Ended {len(found)} process(es) that a killed run of {stage.label} had left.")


def _fill(command: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        command = command.replace(f"@{name}", value)
    return command


def _resume(stage: Stage, options: RunOptions) -> str:
    """Return the command that goes on; after `--force`, the failed stage resumes and only those after it are forced."""
    if not options.force:
        return options.command
    alone = options.command.replace(" --force true", "") + f" --stage {stage.number} --stop_stage {stage.number}"
    return alone if stage.number >= options.last else f"{alone} && {options.command} --stage {stage.number + 1}"


def _state(status: Status, options: RunOptions) -> str:
    return "forced" if options.force and status.state == "current" else status.state


def _head(stage: Stage) -> str:
    return f"Stage {stage.number} ({stage.name})"


def _log(stage: Stage, text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} ({stage.origin}) {text}", flush=True)


def _join(reasons: Sequence[str]) -> str:
    return "; ".join(shortened(reasons, 4))


def _print_table(rows: Sequence[Row], total_s: float) -> None:
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
