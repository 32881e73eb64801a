"""What control groups leave to a process."""

import math
from pathlib import Path

import pytest

from ctaplib.train import memory
from ctaplib.train.memory import free_in_groups

GIB = 2**30


def group(folder: Path, limit: str, used: int, **pages: int) -> None:
    """A group as the second version shows it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text("".join(f"{name} {value}\n" for name, value in {"anon": 7, **pages}.items()))


def in_group(folder: Path, *lines: str) -> Path:
    """A process of these groups."""
    folder.mkdir()
    (folder / "cgroup").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_the_narrowest_group_around_the_process_counts(tmp_path: Path) -> None:
    mount, process = tmp_path / "cgroup", in_group(tmp_path / "self", "0::/slurm/job_7/step_0")
    group(mount / "slurm/job_7/step_0", "max", 2 * GIB)
    group(mount / "slurm/job_7", str(8 * GIB), 3 * GIB)
    group(mount / "slurm", str(64 * GIB), 50 * GIB)
    assert free_in_groups(process, mount) == 5 * GIB


def test_pages_of_files_count_as_free(tmp_path: Path) -> None:
    mount, process = tmp_path / "cgroup", in_group(tmp_path / "self", "0::/")
    group(mount, str(8 * GIB), 8 * GIB, active_file=2 * GIB, inactive_file=3 * GIB)
    assert free_in_groups(process, mount) == 5 * GIB


def test_the_first_version_is_read(tmp_path: Path) -> None:
    mount, process = tmp_path / "cgroup", in_group(tmp_path / "self", "8:pids:/a", "4:cpu,memory:/a/b", "0::/")
    folder = mount / "memory" / "a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{3 * GIB}\n")
    (folder / "memory.stat").write_text(f"inactive_file 5\ntotal_inactive_file {GIB}\ntotal_active_file {GIB}\n")
    assert free_in_groups(process, mount) == 3 * GIB


@pytest.mark.parametrize("lines", [["0::/"], ["0::/../outside"], ["4:memory:/gone", "0::/"], []])
def test_without_a_limit_nothing_is_bounded(tmp_path: Path, lines: list[str]) -> None:
    assert free_in_groups(in_group(tmp_path / "self", *lines), tmp_path / "cgroup") == math.inf


def test_a_trial_plans_with_what_the_group_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory._free_of_machine() > 3 * 2**20
    monkeypatch.setattr(memory, "free_in_groups", lambda: 3.0 * 2**20)
    assert memory._free_of_machine() == 3.0 * 2**20
