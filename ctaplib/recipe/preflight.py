"""What can be known to be wrong before a stage of a plan starts, all of it at once; changes nothing."""

import shlex
import shutil
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from ctaplib.errors import CtapError, StageError
from ctaplib.recipe.stamps import Stage, Stamps, read_values

Check = Callable[[Sequence[Stage]], list[str]]
"""Looks at the commands of stages; gives one line for every fault."""


def find_faults(stamps: Stamps, stages: Sequence[Stage], check: Check) -> list[str]:
    """Faults of the stages that are to run, one line each.

    Args:
        stamps: The plan.
        stages: Stages that are to run, in order; what one of them makes, later ones need not find.
        check: Further checks of their commands.
    """
    unknown = _unknown_sets(stamps, stages)
    faults = [*missing_programs(stages), *unknown.values()]
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
    """Tell of faults.

    Raises:
        StageError: there are any.
    """
    if len(faults) == 1:
        raise StageError(faults[0])
    if faults:
        raise StageError("\n  ".join([f"{len(faults)} faults were found; nothing was started or moved", *faults]))


def missing_programs(stages: Sequence[Stage]) -> list[str]:
    """One line for every program that the stages call and that is not there."""
    firsts = {shlex.split(command)[0]: stage for stage in stages for command in stage.commands}
    missing = {program: stage for program, stage in firsts.items() if shutil.which(program) is None}
    return [f"missing program: {program} ({stage.label}); to fix it: run tools/install.sh" for program, stage in missing.items()]


def _missing_inputs(stamps: Stamps, stage: Stage, earlier: Collection[int], unknown: Collection[str]) -> list[str]:
    by_maker: dict[int | None, list[str]] = {}
    faults = []
    made = {path for number in earlier for path in stamps.stages[number].makes}
    for path in [path for path in stage.there if path not in made and not Path(path).exists()]:
        maker = stamps.maker.get(path)
        fix = f"start at --stage {maker.number} ({maker.name}), or " if maker else ""
        faults.append(f"{stage.label} needs {path}, and it is not there; to fix it: {fix}say where it lies")
    for path in stage.needs:
        if path in made or Path(path).exists():
            continue
        if Path(path).parent.name in unknown:
            continue
        maker = stamps.maker.get(path)
        by_maker.setdefault(maker.number if maker else None, []).append(path)
    for number, paths in by_maker.items():
        origin = f"which {stamps.stages[number].label} makes" if number is not None else "which no stage makes"
        more = f" (and {len(paths) - 1} more)" if number is not None and len(paths) > 1 else ""
        fix = f"start at --stage {number}" if number is not None else "put it there"
        for path in paths[:1] if more else paths:
            faults.append(f"{stage.label} needs {path}, {origin}{more}; to fix it: {fix}")
    return faults


def _unknown_sets(stamps: Stamps, stages: Sequence[Stage]) -> dict[str, str]:
    """Sets that the commands name and that the data, made before, do not have; each with the words to say so."""
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
