"""Faults of a plan that can be found before a stage starts, all at once; changes nothing."""

import shlex
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from ctaplib.errors import CtapError, StageError
from ctaplib.recipe.stamps import Stage, Stamps, read_values

Check = Callable[[Sequence[Stage]], list[str]]
"""Checks the commands of stages; returns one line for every fault."""


def find_faults(stamps: Stamps, stages: Sequence[Stage], check: Check) -> list[str]:
    """List the faults of the stages that are to run, one line each.

    Args:
        stamps: The plan.
        stages: Stages that are to run, in order; the outputs of one need not exist for those after it.
        check: Further checks of their commands.
    """
    unknown = _unknown_sets(stamps, stages)
    programs = {shlex.split(command)[0]: stage.label for stage in stages for command in stage.commands}
    faults = [
        f"missing program: {program} ({label}); to fix it: run tools/install.sh"
        for program, label in programs.items()
        if shutil.which(program) is None
    ]
    faults += unknown.values()
    numbers = [stage.number for stage in stages]
    for place, stage in enumerate(stages):
        for path in stage.configs:
            try:
                read_values(path)
            except CtapError as error:
                faults.append(f"{stage.label}: {error}")
        faults += _missing_inputs(stamps, stage, numbers[:place], unknown)
        for maker in stamps.rests_on(stage):
            if maker.number not in numbers and stamps.status(maker).state == "interrupted":
                why = f"{stage.label} rests on {maker.label}, which did not come to its end"
                faults.append(f"{why}; to fix it: start at --stage {maker.number}")
    return list(dict.fromkeys(faults + check([s for s in stages if all(Path(path).exists() for path in s.configs)])))


def refuse(faults: Sequence[str]) -> None:
    """Raise the faults as one error.

    Raises:
        StageError: there are any.
    """
    if len(faults) == 1:
        raise StageError(faults[0])
    if faults:
        raise StageError("\n  ".join([f"{len(faults)} faults were found; nothing was started or moved", *faults]))


def _missing_inputs(stamps: Stamps, stage: Stage, earlier: Collection[int], unknown: Collection[str]) -> Iterator[str]:
    made = {path for number in earlier for path in stamps.stages[number].makes}
    for path in stage.there:
        if path not in made and not Path(path).exists():
            maker = stamps.maker.get(path)
            fix = f"start at --stage {maker.number} ({maker.name}), or " if maker else ""
            yield f"{stage.label} needs {path}, which does not exist; to fix it: {fix}name the path where it is"
    by_maker: dict[int, list[str]] = {}
    for path in stage.needs:
        if path in made or Path(path).exists() or Path(path).parent.name in unknown:
            continue
        if path in stamps.maker:
            by_maker.setdefault(stamps.maker[path].number, []).append(path)
        else:
            yield f"{stage.label} needs {path}, which no stage makes; to fix it: put it there"
    for number, (path, *others) in by_maker.items():
        more = f" (and {len(others)} more)" if others else ""
        yield f"{stage.label} needs {path}, which {stamps.stages[number].label} makes{more}; to fix it: start at --stage {number}"


def _unknown_sets(stamps: Stamps, stages: Sequence[Stage]) -> dict[str, str]:
    """Return a message for each set that the commands name and that the data, made before, lack."""
    data = next((stage for stage in stamps.stages.values() if stage.name == "data"), None)
    if data is None or data in stages:
        return {}
    named = {word for stage in stages for command in stage.commands for text in shlex.split(command) for word in text.split()}
    folders = sorted({Path(path).parent for path in data.makes})
    there = [folder for folder in folders if folder.is_dir()]
    return {
        folder.name: f"there is no set {folder.name} in {folder.parent}/, which has {', '.join(f.name for f in there)}"
        for folder in folders
        if folder.name in named and not folder.is_dir() and any(f.parent == folder.parent for f in there)
    }
