"""The benchmark of a GPU, as far as a CPU can tell: what it works out of measurements, and all of it with `--device cpu`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_configs import SMALL, small_task

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))
import bench_gpu  # noqa: E402

from ctaplib.tasks.load import read_task_config  # noqa: E402

FOUND = {"audio_s": 20000.0, "counted_flop": 6e12, "counted_s": 200.0, "plain_wall_s": 10.0, "peak_gib": 30.0}
FOUND |= {"busy_s": 0.9, "profiled_wall_s": 1.0}
COMPARED = {"cpu_bf16": 0.02, "device_fp32": 1e-5, "device_bf16": 0.03}
SIZES = {"parameters_m": 41.4, "audio_s_per_step": 200.0}
GPU = {"gpu": "NVIDIA H200", "host": "a"}


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=20))
def test_overlaps_count_once(spans: list[tuple[int, int]]) -> None:
    marked = {at for begin, length in spans for at in range(begin, begin + length)}
    assert bench_gpu.covered((begin, begin + length) for begin, length in spans) == len(marked)


def test_peaks_are_those_of_the_name() -> None:
    names = {
        "NVIDIA H200": 989,
        "NVIDIA H100 PCIe": 756,
        "NVIDIA H100 80GB HBM3": 989,
        "NVIDIA A100-SXM4-80GB": 312,
        "Other": None,
    }
    assert {name: bench_gpu.peak_of(name) for name in names} == names


def test_figures_follow_from_what_was_measured() -> None:
    figures = bench_gpu.figures_of(FOUND, 100, 100.0)
    assert figures["audio_h_per_h"] == 2000 and figures["step_ms"] == 100 and figures["busy_of_wall"] == 0.9
    assert figures["gflop_per_audio_s"] == pytest.approx(30) and figures["tflop_s"] == pytest.approx(60)
    assert figures["share_of_peak"] == pytest.approx(0.6)
    assert "share_of_peak" not in bench_gpu.figures_of(FOUND, 100, None)


@pytest.mark.parametrize(("busy", "noise", "met"), [(0.9, 0.03, True), (0.8, 0.05, False)])
def test_rows_of_a_gpu_name_it_and_are_judged(busy: float, noise: float, met: bool) -> None:
    figures = bench_gpu.figures_of(FOUND | {"busy_s": busy}, 100, 989.0) | SIZES
    rows = {row["part"]: row for row in bench_gpu.rows_of(figures, COMPARED | {"device_bf16": noise}, GPU)}
    assert rows["pre-training: kernels over wall"]["met"] is met and rows["one step, bf16, to the CPU's own bf16"]["met"] is met
    assert rows["one step, float32, to the CPU"]["met"] is True
    assert all(row["note"].endswith("NVIDIA H200") for row in rows.values())
    unknown = bench_gpu.rows_of(bench_gpu.figures_of(FOUND, 100, None) | SIZES, COMPARED, GPU)
    assert next(row for row in unknown if "peak" in row["part"])["note"].startswith("its peak is not known: give --peak_tflops")


def test_rows_of_a_cpu_say_what_was_not_measured() -> None:
    machine = {"gpu": None, "processor": "some CPU"}
    rows = bench_gpu.rows_of(bench_gpu.figures_of(FOUND, 100, None) | SIZES, COMPARED, machine)
    unmeasured = {row["part"] for row in rows if row["ratio"] is None}
    assert len(unmeasured) == 4 and all("not measured: no GPU" in row["note"] for row in rows if row["part"] in unmeasured)
    assert all(row["met"] is None for row in rows)


def test_the_config_is_that_of_the_recipe_with_about_40_m_parameters() -> None:
    config = read_task_config("vqctap", bench_gpu.CONFIG, bench_gpu.SIZES)
    from ctaplib.models.vqctap import VQCTAP

    with torch.device("meta"):
        millions = sum(p.numel() for p in VQCTAP(config.model, 80, 45).parameters()) / 1e6
    assert 38 < millions < 43
    words = [*bench_gpu.SIZES, *bench_gpu.last_weights(config), *bench_gpu.plain_words(config)]
    plain = read_task_config("vqctap", bench_gpu.CONFIG, words)
    assert plain.model.speech.stack.dropout == 0 != config.model.speech.stack.dropout
    assert plain.schedule.contrastive(0.0) == config.schedule.contrastive(1.0) == 1.0


def test_differences_are_those_of_the_number_format(tiny: Path, tmp_path: Path) -> None:
    task = small_task("vqctap", tiny, tmp_path, "batch.batch_s=6")
    found = bench_gpu.differences(task, [0, 1], torch.device("cpu"))
    assert found["device_fp32"] == 0 and found["device_bf16"] == found["cpu_bf16"] and 1e-4 < found["cpu_bf16"] < 0.2
    assert all(p.grad is None for p in task.model.parameters())


def started(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(BENCH.parents[1])}
    return subprocess.run(
        [sys.executable, str(BENCH / "bench_gpu.py"), *words], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.slow
def test_without_a_gpu_it_says_so() -> None:
    done = started("--data", "data", "--dump", "dump")
    assert done.returncode == 1 and "error: this machine has no GPU that torch can use; --device cpu" in done.stderr


@pytest.mark.slow
def test_all_of_it_on_a_cpu(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text("batch: {batch_s: 12}\n")
    sizes = [word for size in SMALL["vqctap"] for word in ("--set", size)]
    words = ["--device", "cpu", "--data", tiny / "data", "--dump", tiny / "dump", "--config", tmp_path / "small.yaml"]
    steps = ["--warm", "1", "--steps", "3", "--profiled", "2", "--items", "2", "--json", tmp_path / "gpu.json"]
    done = started(*map(str, [*words, *steps]), *sizes)
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / "gpu.json").read_text())
    figures = told["figures"]["ours"]
    assert told["machine"]["gpu"] is None and told["machine"]["processor"]
    assert figures["audio_h_per_h"] > 0 and figures["peak_gib"] > 0.05 and figures["gflop_per_audio_s"] > 0.01
    assert 0.2 < figures["busy_of_wall"] <= 1 and figures["device_fp32"] == 0
    assert len(told["rows"]) == 6
