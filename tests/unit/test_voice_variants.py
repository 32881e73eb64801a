"""Variants of our own: the engine speaks them, each in its own voice, and the package's folder stays as it was."""

import importlib
import random
from pathlib import Path

import numpy as np

from ctaplib.synthetic.engine import Job, Voice
from ctaplib.synthetic.speaking import Speech, speak_all
from ctaplib.synthetic.variants import draw_variant, engine_data, read_variants

MINI = Path(__file__).resolve().parents[2] / "egs" / "mini"


def samples(job: Job, spoken: Speech) -> np.ndarray:
    return spoken.samples


def test_the_engine_speaks_drawn_variants_and_its_own(tmp_path: Path) -> None:
    package = Path(importlib.import_module("espeakng_loader").get_data_path()) / "voices" / "!v"
    before = {p.name: p.read_bytes() for p in package.iterdir()}
    rng = random.Random(3)
    drawn = {"one": draw_variant("f", rng), "two": draw_variant("m", rng), "f2": draw_variant("f", rng)}
    data = engine_data(drawn, tmp_path / "engine")
    data = engine_data(drawn, tmp_path / "engine")  # a second time over the first
    jobs = [Job(f"u-{v}", "nine men are here", Voice("en", v)) for v in ("one", "two", "f2", "m1")]
    ours = list(speak_all(jobs, samples, data=data))
    assert len({a.tobytes() for a in ours}) == 4
    theirs = list(speak_all(jobs[2:], samples))
    assert ours[2].tobytes() != theirs[0].tobytes(), "our f2 hides the package's"
    np.testing.assert_array_equal(ours[3], theirs[1])
    assert {p.name: p.read_bytes() for p in package.iterdir()} == before


def test_no_drawn_variant_of_the_recipe_has_the_name_of_one_of_the_engine() -> None:
    package = Path(importlib.import_module("espeakng_loader").get_data_path()) / "voices" / "!v"
    assert not set(read_variants(MINI / "lists" / "variants.tsv")) & {p.name for p in package.iterdir()}
