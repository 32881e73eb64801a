"""Runs the stages of a recipe's plan: skips what is current, says why it runs others, keeps logs, times."""

import errno
import fcntl
import os
import shlex
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

from ctaplib.errors import CtapError, DependencyError, StageError
from ctaplib.processes import end_run, first_error, jobs_folder, run_logged
from ctaplib.slurm import cancel_all
from ctaplib.stamps import Stage, Stamp, Stamps, Status, read_values


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


@dataclass
class Row:
    """One line of the closing table."""

    stage: Stage
    state: str
    seconds: float = 0.0
    peak_mib: int = 0


def select(stages: Sequence[Stage], options: RunOptions) -> list[Stage]:
    """The stages asked for, in order."""
    return [s for s in stages if options.first <= s.number <= options.last]


def dry_run(stages: Sequence[Stage], options: RunOptions) -> None:
    """Print what a run would do; changes nothing."""
    stamps = Stamps(stages)
    will_run: set[int] = set()
    for stage in select(stages, options):
        if stage.kind in options.skip_kinds:
            print(f"Stage {stage.number:>2} {stage.name:<9} skipped      as --skip_{stage.kind} says")
            continue
        status = stamps.status(stage, will_run)
        if status.state == "current" and not options.force:
            print(f"Stage {stage.number:>2} {stage.name:<9} current      nothing to do")
            continue
        will_run.add(stage.number)
        print(f"Stage {stage.number:>2} {stage.name:<9} {status.state:<12} {_shorten(status.reasons)}")
        for command in stage.commands:
            print(f"    would run: {_fill(command, options.values)}")
        for path in stage.configs:
            if not Path(path).exists():
                print(f"    missing config: {path}")
        made = {path for n in will_run for path in stamps.stages[n].makes}
        for path in stage.needs:
            if path not in made and not Path(path).exists():
                print(f"    missing input: {path}, {_origin(stamps, path)}")
        for program in _missing_programs([stage]):
            print(f"    missing program: {program}")


def run(stages: Sequence[Stage], options: RunOptions) -> None:
    """Run the stages asked for, one after the other, and print a table of times.

    Raises:
        StageError: a stage lacks its inputs, is being run elsewhere, or failed.
        DependencyError: a program that a later stage calls is not there.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    chosen = select(stages, options)
    begun, rows, stamps = time.monotonic(), [], Stamps(stages)
    try:
        _preflight(stamps, chosen, options)
        for stage in chosen:
            rows.append(Row(stage, "skipped"))
            if stage.kind in options.skip_kinds:
                _say(stage, f"{_head(stage)} is skipped as --skip_{stage.kind} says.")
                continue
            _one_stage(stamps, rows[-1], options)
    except KeyboardInterrupt:
        where = rows[-1].stage.label if rows else "the first look around"
        print(f"\nStopped in {where}. To go on: {_resume(options)}", file=sys.stderr)
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
    if rows and all(row.state == "current" for row in rows):
        names = f"stage {rows[0].stage.number}" if len(rows) == 1 else f"all {len(rows)} stages"
        print(f"Nothing to do: {names} asked for {'is' if len(rows) == 1 else 'are'} current.")
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
    _say(
        stage,
        f"{_head(stage)}: {stage.title}" + (f" [{status.state}: {_shorten(status.reasons)}]" if status.stamp else ""),
    )
    row.state = "failed"
    with _lock(stage):
        _end_leftovers(stage)
        if status.state == "stale" or options.force or (status.state == "interrupted" and not options.resume):
            if jobs := cancel_all(jobs_folder(_log(stage, options))):
                _say(stage, f"Cancelled job(s) {' '.join(jobs)} that an earlier start had left.")
            _move_aside(stage)
        _execute(stage, status, row, options)
    row.state = "done"


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
    log = _log(stage, options)
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    for command in stage.commands:
        start = log.stat().st_size if log.exists() else 0
        code, peak_mib = run_logged(_fill(command, options.values), log, run_id)
        row.seconds, row.peak_mib = time.monotonic() - begun, max(row.peak_mib, peak_mib)
        if code:
            raise StageError(_failure(stage, code, row.seconds, log, start, options))
    absent = [path for path in stage.makes if not Path(path).exists()]
    if absent:
        raise StageError(
            f"{stage.label} ended without an error but did not make {', '.join(absent)}",
            fix=f"read {log.resolve()}, then: {_resume(options)}",
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
    lines += [f"  log: {log.resolve()}", f"  to go on: {_resume(options)}"]
    return "\n".join(lines)


def _check_inputs(stamps: Stamps, stage: Stage, options: RunOptions) -> None:
    for path in stage.needs:
        if not Path(path).exists():
            maker = stamps.maker.get(path)
            raise StageError(
                f"{stage.label} needs {path}, {_origin(stamps, path)}",
                fix=f"start at --stage {maker.number}" if maker else "put it there",
            )
    for maker in stamps.rests_on(stage):
        status = stamps.status(maker)
        if status.state == "interrupted":
            raise StageError(
                f"{stage.label} rests on {maker.label}, which did not come to its end",
                fix=f"start at --stage {maker.number}",
            )
        if status.state == "stale" and not options.first <= maker.number <= options.last:
            _say(stage, f"Warning: {maker.label} is stale ({_shorten(status.reasons)}) and was not asked for.")


def _preflight(stamps: Stamps, chosen: Sequence[Stage], options: RunOptions) -> None:
    """Look for programs, configs and foreign inputs of all stages now, not after hours of training."""
    wanted = [s for s in chosen if s.kind not in options.skip_kinds]
    missing = _missing_programs(wanted)
    if missing:
        raise DependencyError(
            f"{len(missing)} program(s) that the stages call are missing: {', '.join(missing)}",
            fix="run tools/install.sh",
        )
    for stage in wanted:
        for path in stage.configs:
            read_values(path)
        for path in stage.needs:
            if path not in stamps.maker and not Path(path).exists():
                raise StageError(f"{stage.label} needs {path}, {_origin(stamps, path)}", fix="put it there")


def _missing_programs(stages: Sequence[Stage]) -> list[str]:
    firsts = {shlex.split(command)[0]: stage for stage in stages for command in stage.commands}
    return [f"{program} ({s.label})" for program, s in firsts.items() if shutil.which(program) is None]


def _origin(stamps: Stamps, path: str) -> str:
    maker = stamps.maker.get(path)
    return f"which {maker.label} makes" if maker else "which no stage makes"


@contextmanager
def _lock(stage: Stage) -> Iterator[None]:
    path = stage.stamp_path.with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
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


def _move_aside(stage: Stage) -> None:
    for name in stage.run_dirs:
        path = Path(name)
        if path.exists():
            older = path.parent / "old"
            older.mkdir(exist_ok=True)
            number = next(n for n in range(1, 10**6) if not (older / f"{path.name}.{n}").exists())
            path.rename(older / f"{path.name}.{number}")
            _say(stage, f"Kept the earlier {path} as {older / path.name}.{number}.")


def _fill(command: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        command = command.replace(f"@{name}", value)
    return command


def _resume(options: RunOptions) -> str:
    return options.command.replace(" --force true", "")


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
    raise KeyboardInterrupt
