"""The benchmarks run at a small size and print what they promise."""

import json
import subprocess
import sys
from pathlib import Path

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
