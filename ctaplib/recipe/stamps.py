"""Stamps of a recipe's stages: what a stage depends on, and whether its outputs are current.

The shell driver writes a plan: for every stage its commands, configs, inputs and outputs. The parts of a stage (commands, every
config value, digests of inputs and of files that configs name, the fingerprints of the stages that made them) are written
to a stamp when it starts, which is marked done when it ends, so that a later run can report what changed.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ctaplib.config_file import flatten, read_file
from ctaplib.errors import ConfigError, StageError
from ctaplib.files import write_json

HASHED_WHOLE_BYTES = 64 * 2**20
_LISTS = {"there": "there", "needs": "needs", "config": "configs", "makes": "makes", "run_dir": "run_dirs", "does": "commands"}


@dataclass
class Stage:
    """One stage of a recipe's plan; paths are relative to the recipe's folder."""

    number: int
    name: str
    home: Path
    """Folder of the stage's stamp."""
    kind: str
    """"train" or "eval", which --skip_train and --skip_eval skip, or "-"."""
    title: str
    origin: str
    """File, line and function that declared the stage, for log lines."""
    there: list[str] = field(default_factory=list)
    """Paths that must exist before, but are not part of the stamp."""
    needs: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)
    run_dirs: list[str] = field(default_factory=list)
    """Folders that are archived before a changed stage runs."""
    commands: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Number and name, for messages."""
        return f"stage {self.number} ({self.name})"

    @property
    def stem(self) -> str:
        """File name of stamp and log, without suffix."""
        return f"{self.number:02d}_{self.name}"

    @property
    def stamp_path(self) -> Path:
        """Path of the stamp."""
        return self.home / ".stamps" / f"{self.stem}.json"


@dataclass(frozen=True)
class Stamp:
    """Record of a stage's last start."""

    stage: int
    name: str
    state: str
    """"running" from the start on, "done" after the end."""
    fingerprint: str
    parts: Mapping[str, str]
    run_id: str
    """Id of the driver run, to find the processes that a killed one left."""
    pid: int
    started: str
    seconds: float = 0.0
    peak_mib: int = 0

    def write(self, path: Path) -> None:
        """Write the stamp atomically."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Stamp | None":
        """Read the stamp at `path`; None without one.

        Raises:
            StageError: the file is not a stamp.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError) as error:
            raise StageError(f"{path} is not a stamp: {error}", fix="delete it; its stage will run again") from error


@dataclass(frozen=True)
class Status:
    """State of a stage (current, stale, interrupted or missing) and the reasons for it."""

    state: str
    reasons: tuple[str, ...]
    parts: Mapping[str, str]
    stamp: Stamp | None

    @property
    def fingerprint(self) -> str:
        """Digest of all parts."""
        return _digest(json.dumps(dict(self.parts), sort_keys=True).encode())


def read_plan(text: str) -> list[Stage]:
    """Read the plan that utils/stage.sh writes: tab-separated lines, a `stage` line opens each stage.

    Raises:
        StageError: a line is not valid (names it), or the words of an option have an open quotation.
    """
    stages: list[Stage] = []
    for number, line in enumerate(text.splitlines(), 1):
        word, *values = line.split("\t")
        if word == "stage" and len(values) == 6:
            index, name, home, kind, title, origin = values
            stages.append(Stage(int(index), name, Path(home), kind, title, origin))
        elif word in _LISTS and len(values) == 1 and stages:
            listed = getattr(stages[-1], _LISTS[word])
            if values[0] not in listed:
                listed.append(values[0])
        elif word == "words" and len(values) == 2 and stages and stages[-1].commands:
            stages[-1].commands[-1] += f" {shlex.join(_split(*values))}"
        else:
            raise StageError(f"line {number} of the plan is not understood: {line!r}", expected="a line of utils/stage.sh")
    return stages


def _split(option: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise StageError(f"a quotation mark or backslash in {option} has no end: {text}", fix="close it") from error


class Stamps:
    """Stages of a plan with their stamps.

    Args:
        stages: The whole plan, in order.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self.stages = {stage.number: stage for stage in stages}
        self.maker = {path: stage for stage in stages for path in stage.makes}
        self._digests: dict[tuple[str, int, int], str] = {}
        self._stamps: dict[int, Stamp] = {}
        self._places: dict[Path, Path] = {}

    def assume(self, stage: Stage, stamp: Stamp, places: Mapping[Path, Path]) -> None:
        """Assume from now on that an archived run of a stage is restored: its stamp, and where its folders lie now."""
        self._stamps[stage.number] = stamp
        self._places |= places

    def rests_on(self, stage: Stage) -> list[Stage]:
        """List the stages that make the inputs of this one."""
        makers = {self.maker[path].number for path in stage.needs if path in self.maker}
        return [self.stages[n] for n in sorted(makers) if n != stage.number]

    def status(self, stage: Stage, will_run: Iterable[int] = ()) -> Status:
        """Return the state of a stage.

        Args:
            stage: The stage.
            will_run: Numbers of the stages that will run before it.
        """
        stamp = self._stamp(stage)
        upcoming = [s for s in self.rests_on(stage) if s.number in set(will_run)]
        parts = self._parts(stage)
        if stamp is None:
            return Status("missing", ("it was never run",), parts, None)
        reasons = [f"{s.label} runs again" for s in upcoming]
        again = {f"{s.label} ran again" for s in upcoming}
        reasons += [reason for reason in differences(stamp.parts, parts) if reason not in again]
        if reasons:
            return Status("stale", tuple(reasons), parts, stamp)
        if stamp.state != "done":
            return Status("interrupted", ("it did not come to its end",), parts, stamp)
        gone = [f"{path} is gone" for path in stage.makes if not self._place(path).exists()]
        return Status("missing" if gone else "current", tuple(gone), parts, stamp)

    def _parts(self, stage: Stage) -> dict[str, str]:
        parts = {f"command {n}": text for n, text in enumerate(stage.commands, 1)}
        for path in stage.configs:
            if not Path(path).exists():
                parts[f"{path}: the file"] = "absent"
                continue
            for key, value in flatten(read_values(path)).items():
                parts[f"{path}: {key}"] = json.dumps(value, ensure_ascii=False, default=str)
                if isinstance(value, str) and value and len(value) < 255 and Path(value).is_file():
                    parts[f"file {value}"] = self._file_digest(Path(value))
        for path in stage.needs:
            parts[f"file {path}"] = self._file_digest(self._place(path))
        for maker in self.rests_on(stage):
            stamp = self._stamp(maker)
            done = stamp is not None and stamp.state == "done"
            parts[maker.label] = stamp.fingerprint if stamp is not None and done else "not stamped"
        return parts

    def _stamp(self, stage: Stage) -> Stamp | None:
        return self._stamps.get(stage.number) or Stamp.read(stage.stamp_path)

    def _place(self, path: str) -> Path:
        """Return where a file lies that a restored run will have at `path`."""
        found = Path(path)
        for folder, place in self._places.items():
            if found.is_relative_to(folder):
                return place / found.relative_to(folder)
        return found

    def _file_digest(self, path: Path) -> str:
        try:
            stat = path.stat()
        except FileNotFoundError:
            return "absent"
        if path.is_dir():
            return "folder"
        if stat.st_size > HASHED_WHOLE_BYTES:
            return f"{stat.st_size} bytes of {stat.st_mtime_ns}"
        key = (str(path), stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            self._digests[key] = _digest(path.read_bytes())
        return self._digests[key]


def read_values(path: str) -> dict[str, Any]:
    """Read the values of a YAML file and its parents, unchecked by any config class.

    Raises:
        ConfigError: the file is missing or not YAML.
    """
    if not Path(path).exists():
        raise ConfigError(f"the config {path} is missing", fix="check the path, or the name of the option")
    return read_file(Path(path))[0]


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """List the parts that differ, one line each; a config file of another name with the same values is no difference."""
    old = _renamed(old, new)
    lines = []
    for key in [*new, *(k for k in old if k not in new)]:
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if key.startswith("command "):
            lines += _command_differences(before, after)
        elif key.startswith("file "):
            lines.append(f"{key.removeprefix('file ')} changed")
        elif key.startswith("stage "):
            lines.append(f"{key} ran again")
        else:
            lines.append(f"{key} {_or_unset(before)} -> {_or_unset(after)}")
    return lines


def _renamed(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Return the old parts as if their commands had named the config files of the new ones."""
    result = dict(old)
    for command in [key for key in old if key.startswith("command ") and key in new]:
        before, after = (_options(parts[command]).get("--config") for parts in (old, new))
        if not before or not after or before == after:
            continue
        words = shlex.split(old[command])
        result[command] = shlex.join(after if word == before else word for word in words)
        for key in [key for key in old if key.startswith(f"{before}: ")]:
            result.pop(key, None)
            result[after + key.removeprefix(before)] = old[key]
    return result


def _command_differences(before: str | None, after: str | None) -> list[str]:
    if before is None or after is None:
        return [f"{'new' if before is None else 'dropped'} command: {after or before}"]
    old, new = _options(before), _options(after)
    changed = [key for key in [*new, *(k for k in old if k not in new)] if old.get(key) != new.get(key)]
    return [f"option {key} {_or_unset(old.get(key))} -> {_or_unset(new.get(key))}" for key in changed]


def _options(command: str) -> dict[str, str]:
    """Return the words after each option; words before the first option are under "command"."""
    options: dict[str, str] = {}
    name = "command"
    for word in shlex.split(command):
        if word.startswith("--"):
            name = word
            options.setdefault(name, "")
        else:
            options[name] = f"{options.get(name, '')} {word}".strip()
    return options


def _or_unset(value: str | None) -> str:
    return "(unset)" if value is None else value or "''"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:12]
