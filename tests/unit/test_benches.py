"""The benchmarks run at a small size and print what they promise."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


def started(script: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, str(BENCH / script), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tiled_contrast_is_measured_and_equal(tmp_path: Path) -> None:
    figures = json.loads(started("bench_contrastive.py", "--form", "tiled", "--frames", "600", "--width", "16"))
    assert figures.keys() == {"cpu_s", "wall_s", "peak_extra_mb"} and figures["cpu_s"] > 0
    sys.path.insert(0, str(BENCH))
    import bench_contrastive as bench
    import torch

    results = {}
    for form in ("tiled", "one_matrix", "reference"):
        pair = bench.inputs(600, 16, torch.float64 if form == "reference" else torch.float32)
        total = bench.form_of(form)(*pair)
        results[form] = [total, *torch.autograd.grad(total, pair)]
    for form in ("tiled", "one_matrix"):
        for mine, want in zip(results[form], results["reference"], strict=True):
            assert (mine.double() - want).norm() <= 1e-5 * want.norm()


def test_a_quantiser_step_is_measured() -> None:
    figures = json.loads(started("bench_vq.py", "--form", "ours", "--steps", "1"))
    assert 0 < figures["cpu_s"] < 60 and figures["peak_extra_mb"] < 400


@pytest.mark.slow
def test_tiled_contrast_is_smaller_and_quicker_than_the_matrix(tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    printed = started("bench_contrastive.py", "--frames", "6144", "--width", "256", "--rounds", "1", "--json", str(target))
    assert "memory by frames" in printed
    found = json.loads(target.read_text())
    assert found["ratios"]["equality"] <= 1e-5
    assert found["ratios"]["memory"] <= 0.1
    assert found["ratios"]["time"] <= 0.9
    small, _, large = (each["peak_extra_mb"] for each in found["growth"])
    assert large <= 5 * small + 16
