"""Archive of earlier runs of a stage: moved to `old/` with their stamps, and restored when their settings return.

Settings that were tried and given up cost no training.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from ctaplib.recipe.stamps import Stage, Stamp, differences

CARRIED = ".stamp.json"
"""Name of the stamp inside an archived folder."""


@dataclass(frozen=True)
class Earlier:
    """An archived run with the current settings of its stage.

    Attributes:
        stamp: The stamp of the run.
        places: Where each folder of the stage lies now; the folder itself where it was moved back by hand.
    """

    stamp: Stamp
    places: Mapping[Path, Path]

    def __str__(self) -> str:
        return " and ".join(str(place) for place in self.places.values())


def find_earlier(stage: Stage, parts: Mapping[str, str]) -> Earlier | None:
    """Find the latest archived run with the same commands, values and inputs, finished ones first."""
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


def archive(stage: Stage, stamp: Stamp | None, but: Collection[Path] = ()) -> list[str]:
    """Move the folders of a stage to `old/`, each with its stamp, and return a message for each.

    Args:
        stage: The stage.
        stamp: The stamp of its last start.
        but: Folders that stay.
    """
    messages = []
    for folder in map(Path, stage.run_dirs):
        if not folder.exists() or folder in but:
            continue
        if stamp is not None and not (folder / CARRIED).exists():
            stamp.write(folder / CARRIED)
        older = folder.parent / "old"
        older.mkdir(exist_ok=True)
        number = next(n for n in range(1, 10**6) if not (older / f"{folder.name}.{n}").exists())
        folder.rename(older / f"{folder.name}.{number}")
        messages.append(f"Kept the earlier {folder} as {older / folder.name}.{number}.")
    return messages


def restore(stage: Stage, earlier: Earlier) -> list[str]:
    """Make an archived run the run of its stage again, and return a message for each folder."""
    messages = []
    for folder, place in earlier.places.items():
        if place != folder:
            place.rename(folder)
            messages.append(f"Brought {place} back as {folder}, which was made with these settings (--force true begins anew).")
        else:
            messages.append(f"Took {folder} as it is, which was made with these settings.")
    earlier.stamp.write(stage.stamp_path)
    remove_carried(stage)
    return messages


def remove_carried(stage: Stage) -> None:
    """Remove the stamps inside the folders of a stage, which its own stamp replaces."""
    for folder in stage.run_dirs:
        (Path(folder) / CARRIED).unlink(missing_ok=True)
