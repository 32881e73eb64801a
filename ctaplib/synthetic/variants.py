"""Speaker variants of our own for eSpeak NG: formants, pitch and voice quality drawn at random within human ranges.

The engine brings some hundred variants, few of them women. A variant is a short text file in its data folder (format:
eSpeak NG, docs/voices.md); ours go into a copy of that folder made of links.
"""

import importlib
import os
import random
import shutil
from collections.abc import Mapping
from pathlib import Path

from ctaplib.files import atomic_write, read_tsv

# Lowest and highest base pitch (Hz) and formant scale (per cent) of each sex: our choice.
_RANGES = {"f": ((135, 215), (102, 128)), "m": ((62, 112), (88, 106))}


def draw_variant(gender: str, rng: random.Random) -> str:
    """Draw a variant, lines joined by `;`: pitch, one scale for all formants and one for each, voice quality."""
    (low, high), (short, tall) = _RANGES[gender]
    base, scale = rng.uniform(low, high), rng.uniform(short, tall)
    lines = [f"gender {'female' if gender == 'f' else 'male'}", f"pitch {base:.0f} {base * rng.uniform(1.2, 1.55):.0f}"]
    for formant in range(9):
        spread = 0.08 if 1 <= formant <= 3 else 0.04
        frequency = scale * rng.uniform(1 - spread, 1 + spread) if 1 <= formant <= 5 else rng.uniform(92, 112)
        lines.append(f"formant {formant} {frequency:.0f} {rng.uniform(60, 115):.0f} {rng.uniform(70, 170):.0f}")
    lines += [f"roughness {rng.randint(0, 4)}", f"flutter {rng.randint(0, 5)}", f"intonation {rng.randint(1, 4)}"]
    lines += [f"voicing {rng.randint(70, 140)}", f"consonants {rng.randint(70, 130)} {rng.randint(70, 130)}"]
    if rng.random() < 0.5:
        lines.append(f"tone 600 {rng.randint(120, 255)} 1200 {rng.randint(60, 160)} 2000 {rng.randint(30, 110)}")
    if rng.random() < 0.3:
        lines.append("breath 0 " + " ".join(str(rng.randint(0, 4)) for _ in range(7)))
    return ";".join(lines)


def read_variants(path: str | Path) -> dict[str, str]:
    """Read the definition of each variant of a table (columns: `variant gender definition`)."""
    return {row["variant"]: row["definition"] for row in read_tsv(path)}


def engine_data(definitions: Mapping[str, str], folder: Path) -> Path:
    """Make a data folder for the engine with its own variants and ours, and return it.

    Args:
        definitions: Definition of each variant, lines joined by `;`.
        folder: Folder to make; what it holds is removed.
    """
    package = Path(importlib.import_module("espeakng_loader").get_data_path())
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(package, folder, copy_function=os.symlink)
    for name, definition in definitions.items():
        lines = ["language variant", f"name {name}", *definition.split(";")]
        with atomic_write(folder / "voices" / "!v" / name) as handle:
            handle.write("\n".join(lines) + "\n")
    return folder
