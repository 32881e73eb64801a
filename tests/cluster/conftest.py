"""A Slurm cluster of two nodes on this machine, for the tests that need one."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "slurm.sh"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment in which sbatch and its like use the cluster; the reason where there can be none."""
    folder = tmp_path_factory.mktemp("slurm")
    for parent in [folder, *folder.parents][:3]:
        parent.chmod(0o755)  # munge wants its socket to be reachable
    done = subprocess.run([SCRIPT, "start", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout
    config = folder / "ctap.conf"
    config.write_text("cpus-per-task=1\nmem=1000M\ntime=20\n")
    yield {**os.environ, "SLURM_CONF": str(folder / "slurm.conf"), "CTAP_SLURM_CONFIG": str(config)}
    subprocess.run([SCRIPT, "stop", folder], check=True)
    assert not folder.exists()
