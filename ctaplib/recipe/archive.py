"""Earlier runs of a stage: moved to `old/` with their stamps, and brought back when their settings return.

A run that is moved aside carries the stamp it was made under, so that settings tried and given up cost no training.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctaplib.recipe.stamps import Stage, Stamp, differences

CARRIED = ".stamp.json"
"""Name of the stamp in a folder that was moved aside."""


@dataclass(frozen=True)
class Earlier:
    """A run with the settings that a stage has now.

    Attributes:
        stamp: The stamp it was made under.
        places: For each folder of the stage, where it lies now; the folder itself where it was moved back by hand.
    """

    stamp: Stamp
    places: Mapping[Path, Path]

    def __str__(self) -> str:
        return " and ".join(str(place) for place in self.places.values())


def find_earlier(stage: Stage, parts: Mapping[str, str]) -> Earlier | None:
    """The latest run that was made with the same commands, values and inputs, finished ones first; None without one."""
    stamps: dict[str, Stamp] = {}
    places: dict[str, dict[Path, Path]] = {}
    for folder in map(Path, stage.run_dirs):
        for place in [*(folder.parent / "old").glob(f"{folder.name}.*"), folder]:
            stamp = Stamp.read(place / CARRIED)
            if stamp is not None and not differences(stamp.parts, parts):
                stamps[stamp.run_id] = stamp
                places.setdefault(stamp.run_id, {})[folder] = place
    if not stamps:
        return None
    latest = max(stamps.values(), key=lambda stamp: (stamp.state == "done", stamp.started))
    return Earlier(latest, places[latest.run_id])


def move_aside(stage: Stage, stamp: Stamp | None, but: Collection[Path] = ()) -> list[str]:
    """Move the folders of a stage to `old/`, each with its stamp; tell of every one.

    Args:
        stage: The stage.
        stamp: The stamp of its last start.
        but: Folders that stay.
    """
    told = []
    for folder in map(Path, stage.run_dirs):
        if not folder.exists() or folder in but:
            continue
        if stamp is not None and not (folder / CARRIED).exists():
            stamp.write(folder / CARRIED)
        older = folder.parent / "old"
        older.mkdir(exist_ok=True)
        number = next(n for n in range(1, 10**6) if not (older / f"{folder.name}.{n}").exists())
        folder.rename(older / f"{folder.name}.{number}")
        told.append(f"Kept the earlier {folder} as {older / folder.name}.{number}.")
    return told


def bring_back(stage: Stage, earlier: Earlier) -> list[str]:
    """Make an earlier run the stage's run again; tell of every folder."""
    told = []
    for folder, place in earlier.places.items():
        if place != folder:
            place.rename(folder)
            told.append(f"Brought {place} back as {folder}, which was made with these settings (--force true begins anew).")
        else:
            told.append(f"Took {folder} as it is, which was made with these settings.")
    earlier.stamp.write(stage.stamp_path)
    drop_carried(stage)
    return told


def drop_carried(stage: Stage) -> None:
    """Remove what folders carry: from now on the stage's own stamp tells of them."""
    for folder in stage.run_dirs:
        (Path(folder) / CARRIED).unlink(missing_ok=True)
