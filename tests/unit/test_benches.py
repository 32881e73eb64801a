"""The benchmarks at a small size: they end, what they compare is equal, and a missing or failing part is told."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
sys.path.insert(0, str(BENCH))
import bench_contrastive  # noqa: E402
import fresh  # noqa: E402
import run_all  # noqa: E402

NOWHERE = {"CTAP_BENCH_PEERS": "/nonexistent", "CTAP_BENCH_ESPNET": "/nonexistent"}
TOLD = {"padding", "viterbi", "batches", "mas", "vq", "features"}


def started(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH / script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, **env}, check=False
    )


def test_a_form_is_measured() -> None:
    done = started("bench_contrastive.py", "--form", "tiled", "--frames", "600", "--width", "16")
    figures = json.loads(done.stdout)
    assert figures.keys() == {"cpu_s", "wall_s", "peak_extra_mb", "difference"} and figures["cpu_s"] > 0


@pytest.mark.parametrize("form", ["plain", "one_matrix", "tiled", "tiled_bf16"])
def test_forms_of_the_contrastive_loss_are_equal(form: str) -> None:
    assert bench_contrastive.difference(form, 600, 16) <= bench_contrastive.EQUAL[form]


@pytest.mark.parametrize("name", sorted(TOLD))
def test_quick_mode_without_peers_tells_what_is_left_out(name: str, tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    done = started(f"bench_{name}.py", "--quick", "--json", str(target), **NOWHERE)
    assert done.returncode == 0, done.stderr
    found = json.loads(target.read_text())
    assert found["rows"] and any("no environment" in reason for reason in found["missing"])
    assert all({"part", "of", "peer", "ratio", "goal", "met", "note"} <= row.keys() for row in found["rows"])


def test_our_loop_is_measured_without_espnet() -> None:
    done = started("bench_loop.py", "--quick", **NOWHERE)
    assert done.returncode == 0, done.stderr
    assert "ESPnet is not installed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", run_all.BENCHES)
def test_quick_mode_with_the_peers_that_are_there(name: str) -> None:
    done = started(f"bench_{name}.py", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr


def test_paths_that_differ_are_refused() -> None:
    viterbi = importlib.import_module("bench_viterbi")
    figures = {name: {"cpu_s": 1.0, "utts": 1, "paths": name} for name in ("ours", "torchaudio")}
    with pytest.raises(SystemExit, match="the paths differ"):
        viterbi.rows(figures, True)


def test_a_goal_is_met_at_most_at_its_value() -> None:
    assert fresh.row("a", 0.5, 0.5, of="", peer="")["met"] is True
    assert fresh.row("a", 0.51, 0.5, of="", peer="")["met"] is False
    assert fresh.row("a", None, 0.5, of="", peer="")["met"] is None


def test_a_goal_where_more_is_better_is_met_at_least_at_its_value() -> None:
    assert [fresh.row("a", found, 0.9, of="", peer="", least=True)["met"] for found in (0.89, 0.9, 1.0)] == [False, True, True]
    rows = [fresh.row("a", 0.8, 0.9, of="two", peer="one", least=True)]
    bench = {"rows": rows, "missing": [], "measured": "", "commit": "", "load_before": 0}
    results = {"machine": {"processor": "x", "cores": 2, "formats": []}, "versions": {}, "benches": {"a": bench}}
    assert "| a | two / one | at least 0.9 | 0.8 | **no** |" in run_all.table(results, {})


def test_medians_of_interleaved_rounds(tmp_path: Path) -> None:
    script = tmp_path / "bench.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCH)!r}); import fresh; calls = []\n"
        "def work(): calls.append(1); return {'calls': len(calls), 'name': sys.argv[2]}\n"
        "fresh.serve(work)\n"
    )
    found = fresh.compare(str(script), [fresh.Form("a"), fresh.Form("b")], [], 5)
    assert [found[name]["calls"] for name in "ab"] == [3, 3] and found["b"]["name"] == "b"
    assert len(found["a"]["rounds_cpu_s"]) == 5


def test_a_peer_that_fails_is_left_out_and_ours_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "bench.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(BENCH)!r}); import fresh\n"
        "if sys.argv[2] == 'bad': raise SystemExit('broken')\n"
        "fresh.serve(lambda: None)\n"
    )
    monkeypatch.setattr(fresh, "python_of", lambda where: sys.executable)
    assert list(fresh.compare(str(script), [fresh.Form("bad", "peers"), fresh.Form("good")], [], 2)) == ["good"]
    with pytest.raises(fresh.FormError, match="bad ended with 1"):
        fresh.compare(str(script), [fresh.Form("bad"), fresh.Form("good")], [], 2)


def test_a_table_tells_what_is_missed_and_what_was_tried() -> None:
    rows = [fresh.row("slow", 2.0, 1.0, of="ours", peer="p", note="why"), fresh.row("gone", None, 1.0, of="ours", peer="p")]
    bench = {"rows": rows, "missing": ["q: not installed"], "measured": "2026-01-01 00:00", "commit": "abc", "load_before": 0.1}
    results = {"machine": {"processor": "x", "cores": 2, "formats": ["avx2"]}, "versions": {"ours": {"torch": "2"}}}
    page = run_all.table(results | {"benches": {"vq": bench}}, {"slow": "two things"})
    assert "| slow | ours / p | 1 | 2 | **no** |" in page and "* slow: two things" in page
    assert "| gone | ours / p | 1 |  | not measured |" in page and "left out: q: not installed" in page


def test_a_failing_benchmark_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bench_bad.py").write_text("raise SystemExit('broken')")
    monkeypatch.setattr(run_all, "HERE", tmp_path)
    found = run_all.run_one("bad", True, 1)
    assert found["failed"] and found["rows"][0]["note"] == "failed: 1" and found["rows"][0]["met"] is None
