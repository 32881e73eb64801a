"""What a pre-training config costs a second of speech: operations, memory, bytes of a checkpoint; the figures of docs/scale.md.

Operations are those that torch's counter sees in the forward and backward pass of a real batch, at the end of the schedule, where
every term is on. Memory is the growth of the process's peak from a small to a larger batch, in bf16.

    python tests/bench/bench_scale.py --corpus FOLDER --config egs/libritts/conf/gpu8/pretrain.yaml

FOLDER has data/ and dump/ of a recipe that ran stages 1 to 4, with sets train and dev.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ctaplib.checkpoint import save_checkpoint
from ctaplib.tasks.base import TaskPaths
from ctaplib.tasks.load import read_task_config, task_class
from ctaplib.train.distributed import World
from ctaplib.train.memory import padded_frames
from ctaplib.train.steps import Steps


def peak_mb() -> float:
    """Largest resident size since the last reset."""
    words = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    return int(words.split()[0]) / 1024


def measure(corpus: Path, config_path: Path, few: int, many: int) -> dict[str, float]:
    """The figures of one config."""
    torch.set_num_threads(1)
    config = read_task_config("vqctap", config_path, ["train.max_steps=100"])
    with tempfile.TemporaryDirectory() as folder:
        paths = TaskPaths(corpus / "data", corpus / "dump", Path(folder), "train", "dev")
        task = task_class("vqctap")(config, paths)
        steps = Steps(task, World(0, 1, torch.device("cpu")), "bf16")
        items = sorted(range(len(task.train.utts)), key=lambda i: -task.train.lengths[i])
        found: dict[str, float] = {}
        sizes = {n: padded_frames(task, items[:n]) / 100 for n in (few, many)}
        for n in (few, many):
            batch = task.load("train", items[:n], 100)
            steps.attempt(batch)
            Path("/proc/self/clear_refs").write_text("5")
            begun = time.process_time()
            steps.attempt(batch)
            found[f"cpu_s_{n}"], found[f"peak_mb_{n}"] = time.process_time() - begun, peak_mb()
            # The counter does not see what oneDNN is given outside autocast.
            with torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
                steps.attempt(batch)
            found[f"flop_{n}"] = counter.get_total_flops()
        grown = sizes[many] - sizes[few]
        parameters = sum(p.numel() for p in task.model.parameters())
        save_checkpoint(Path(folder) / "model.pt", {"model": task.model.state_dict()})
        return {
            "parameters_m": parameters / 1e6,
            "gflop_per_s": (found[f"flop_{many}"] - found[f"flop_{few}"]) / grown / 1e9,
            "memory_mb_per_s": (found[f"peak_mb_{many}"] - found[f"peak_mb_{few}"]) / grown,
            "cpu_s_per_s": (found[f"cpu_s_{many}"] - found[f"cpu_s_{few}"]) / grown,
            "weights_mb": (Path(folder) / "model.pt").stat().st_size / 1e6,
            "contrast_width": float(config.model.speech.stack.width),
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--few", type=int, default=4)
    parser.add_argument("--many", type=int, default=16)
    args = parser.parse_args()
    print(json.dumps(measure(args.corpus, args.config, args.few, args.many), indent=1))


if __name__ == "__main__":
    main()
