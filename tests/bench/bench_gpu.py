"""Pre-training on one GPU: bf16, about 40 M parameters, the prepared speech of a recipe, by the recipe's own trainer.

    cd egs/libritts && . ./path.sh && ./run.sh --config conf/clean100.sh --stop_stage 4
    python ../../tests/bench/bench_gpu.py --data data --dump dump --train_set train-clean-100 --valid_set dev-clean \\
        --json gpu.json

The names of the sets are those of the recipe; any other that is prepared up to stage 4 will do. All terms of the loss have their
last weights from the first step on. Three things are measured, and written with the name of the machine:

* the same batch and weights on the GPU and on the CPU: gradients in float32 (without TF32), and in bf16 held to what bf16
  itself changes on the CPU;
* speed of plain steps: hours of audio an hour, memory, operations (products and convolutions, counted by torch while a step
  runs) over seconds, as a share of what the GPU can do in bf16;
* from torch's profiler, the share of further steps in which some kernel runs.

`--device cpu` measures a run on the CPU: speed and memory, with the operators of torch in place of kernels, and nothing to
compare with. It is what the tests do. **No figure of a GPU has been made with this script yet.**
"""

import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import fresh

CONFIG = fresh.ROOT / "egs/libritts/conf/pretrain.yaml"
SIZES = ("model.speech.stack.layers=5", "model.phoneme.stack.layers=3", "model.phoneme_decoder.stack.layers=3",
         "model.mel_decoder.slow.layers=3", "model.mel_decoder.fast.layers=3")  # fmt: skip
GOAL_BUSY, GOAL_FP32, GOAL_BF16 = 0.85, 1e-3, 2.0
PEAK_TFLOPS = {"H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362, "A10": 125, "RTX 4090": 165}
"""Products in bf16 without sparsity, as the makers' data sheets say, by a part of the name; the first that fits counts."""


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """Length of the union of spans (begin, end)."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def peak_of(name: str) -> float | None:
    """Peak in TFLOP/s of a GPU, where it is known."""
    return next((float(peak) for part, peak in PEAK_TFLOPS.items() if part in name), None)


def machine_of(device: Any) -> dict[str, Any]:
    """What the figures hold for."""
    import torch

    facts: dict[str, Any] = {"host": platform.node(), "torch": torch.__version__, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        found = torch.cuda.get_device_properties(device)
        return facts | {"gpu": found.name, "memory_gib": found.total_memory / 2**30, "cuda": torch.version.cuda}
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in info if line.startswith("model name")]
    return facts | {"gpu": None, "processor": names[0] if names else platform.processor()}


def plain_words(config: Any) -> list[str]:
    """Overrides that set every dropout of a config to 0: masks differ between devices."""

    def names(values: dict[str, Any], above: str) -> list[str]:
        found = [f"{above}{name}" for name in values if name == "dropout"]
        return found + [n for name, value in values.items() if isinstance(value, dict) for n in names(value, f"{above}{name}.")]

    return [f"{name}=0.0" for name in names(config.model_dump(mode="json"), "")]


def last_weights(config: Any) -> list[str]:
    """Overrides that give every term of the loss the weight of the end from the first step on."""
    return [f"schedule.{term}={{points: [[0.0, {ramp(1.0)}]]}}" for term, ramp in config.schedule.ramps().items()]


def gradient(task: Any, items: Sequence[int], device: Any, precision: str) -> Any:
    """Gradient of one batch with the task's weights, as one float64 vector on the CPU."""
    import torch

    from ctaplib.train.accumulate import Accumulator
    from ctaplib.train.distributed import World
    from ctaplib.train.precision import autocast
    from ctaplib.train.reducer import Reducer
    from ctaplib.train.steps import on_device

    step, world = task.trial_step(), World(0, 1, device)
    task.model.to(device).train()
    batch = on_device(task.load("train", items, step), device)
    passes = Accumulator(task, world, partial(autocast, device, precision), [batch], step)
    passes.run(task.optimizers[0], Reducer([], world))
    found = [torch.zeros_like(p) if p.grad is None else p.grad for p in task.model.parameters()]
    flat = torch.cat([g.detach().double().cpu().flatten() for g in found])
    task.model.zero_grad(set_to_none=True)
    task.discard_pending()
    return flat


def differences(task: Any, items: Sequence[int], device: Any) -> dict[str, float]:
    """Relative differences of gradients from that of the CPU in float32: float32 and bf16 on the device, bf16 on the CPU."""
    import torch

    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    cpu = torch.device("cpu")
    base = gradient(task, items, cpu, "fp32")
    found = {"cpu_bf16": gradient(task, items, cpu, "bf16")}
    found |= {f"device_{precision}": gradient(task, items, device, precision) for precision in ("fp32", "bf16")}
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    return {name: float((each - base).norm() / base.norm()) for name, each in found.items()}


class Meter:
    """Measures the steps of a trainer: a few to warm up, one whose operations are counted, plain ones, profiled ones.

    Args:
        trainer: A `ctaplib.train.trainer.Trainer` that has not begun.
        warm, plain, profiled: Steps of each kind; one counted step stands between the first two.
    """

    def __init__(self, trainer: Any, warm: int, plain: int, profiled: int) -> None:
        import torch

        self.trainer, self.device, self.take = trainer, trainer.world.device, trainer.steps.take
        self.counted, self.first = warm + 1, warm + 2
        self.last_plain, self.last = warm + 1 + plain, warm + 1 + plain + profiled
        self.found: dict[str, float] = {"audio_s": 0.0}
        kinds = [torch.profiler.ProfilerActivity.CPU]
        kinds += [torch.profiler.ProfilerActivity.CUDA] * (self.device.type == "cuda")
        self.profiler = torch.profiler.profile(activities=kinds)
        trainer.steps.take = self.step

    def step(self, share: Any, micros: Sequence[Any]) -> dict[str, float]:
        """Take a step of the trainer; clocks stand before the first of a kind and behind the last."""
        from torch.utils.flop_counter import FlopCounterMode

        number = share.step
        if number == self.counted:
            with FlopCounterMode(display=False) as counter:
                figures = self.take(share, micros)
            self.found["counted_flop"] = float(counter.get_total_flops())
            self.found["counted_s"] = self._audio_s(micros)
            return figures
        if number == self.first:
            self._forget_peak()
        if number in (self.first, self.last_plain + 1):
            self.began = self._now()
        if number == self.last_plain + 1:
            self.profiler.start()
            self.began = self._now()
        figures = self.take(share, micros)
        if self.first <= number <= self.last_plain:
            self.found["audio_s"] += self._audio_s(micros)
        if number == self.last_plain:
            self.found["plain_wall_s"] = self._now() - self.began
            self.found["peak_gib"] = self._peak_gib()
        if number == self.last:
            self.found["profiled_wall_s"] = self._now() - self.began
            self.profiler.stop()
            self.found["busy_s"] = self._busy_s()
        return figures

    def _audio_s(self, micros: Sequence[Any]) -> float:
        return sum(self.trainer.task.batch_stats(batch).audio_s for batch in micros)

    def _now(self) -> float:
        import torch

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    def _forget_peak(self) -> None:
        import torch

        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            fresh.forget_peak()

    def _peak_gib(self) -> float:
        import torch

        on_gpu = self.device.type == "cuda"
        return (torch.cuda.max_memory_allocated(self.device) if on_gpu else fresh.peak_bytes()) / 2**30

    def _busy_s(self) -> float:
        """Seconds in which a kernel ran; on the CPU, an operator."""
        from torch.autograd import DeviceType

        kind = DeviceType.CUDA if self.device.type == "cuda" else DeviceType.CPU
        events = [event for event in self.profiler.events() if event.device_type == kind and not event.is_user_annotation]
        kernels = [event.time_range for event in events if not event.name.startswith(("Memcpy", "Memset"))]
        return covered((each.start, each.end) for each in kernels) / 1e6


def figures_of(found: dict[str, float], plain: int, peak_tflops: float | None) -> dict[str, float]:
    """What follows from the measurements of a `Meter`; operations of plain steps are those of the counted one, by its audio."""
    flop_s = found["counted_flop"] / found["counted_s"] * found["audio_s"] / found["plain_wall_s"]
    figures = {
        "audio_h_per_h": found["audio_s"] / found["plain_wall_s"], "step_ms": 1000 * found["plain_wall_s"] / plain,
        "peak_gib": found["peak_gib"], "tflop_s": flop_s / 1e12,
        "gflop_per_audio_s": found["counted_flop"] / found["counted_s"] / 1e9,
        "busy_of_wall": found["busy_s"] / found["profiled_wall_s"],
    }  # fmt: skip
    return figures | ({"share_of_peak": figures["tflop_s"] / peak_tflops} if peak_tflops else {})


def rows_of(figures: dict[str, float], compared: dict[str, float], machine: dict[str, Any]) -> list[fresh.Row]:
    """Rows of the table; on a CPU only what means something there."""
    name, gpu = machine["gpu"] or machine["processor"], bool(machine["gpu"])
    none, what = "not measured: no GPU", "bf16" if gpu else "on the CPU"

    def row(part: str, value: float | None, goal: float | None, unit: str = "", note: str = "", least: bool = False) -> fresh.Row:
        note = "; ".join([note] * bool(note) + [name if value is not None else none])
        return fresh.row(part, value, goal, of=f"ours, {what}", peer="", unit=unit, note=note, least=least)

    busy = figures["busy_of_wall"]
    share = figures.get("share_of_peak") if gpu else None
    unknown = "its peak is not known: give --peak_tflops" if gpu and share is None else ""
    noise = compared["device_bf16"] / compared["cpu_bf16"] if gpu else None
    told = (
        f"float32 {compared['device_fp32']:.2g}, bf16 {compared['device_bf16']:.2g}, bf16 of the CPU {compared['cpu_bf16']:.2g}"
    )
    return [
        row("pre-training: audio", figures["audio_h_per_h"], None, " h/h", f"{figures['parameters_m']:.1f} M parameters"),
        row("pre-training: memory", figures["peak_gib"], None, " GiB", f"{figures['audio_s_per_step']:.0f} s of audio a step"),
        row("pre-training: kernels over wall", busy if gpu else None, GOAL_BUSY, least=True),
        row("pre-training: share of peak", share, None, note=unknown or f"{figures['tflop_s']:.3g} TFLOP/s"),
        row("one step, float32, to the CPU", compared["device_fp32"] if gpu else None, GOAL_FP32, note=told),
        row("one step, bf16, to the CPU's own bf16", noise, GOAL_BF16, note=told),
    ]  # fmt: skip


def main() -> None:
    parser = fresh.parser_of(__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data directories of a recipe")
    parser.add_argument("--dump", type=Path, required=True, help="folder of its features")
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--valid_set", default="dev")
    parser.add_argument("--config", type=Path, help="config of a pre-training; egs/libritts's, made smaller, without one")
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c", dest="overrides", help="override a value")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--warm", type=int, default=20, help="steps before those that are measured")
    parser.add_argument("--steps", type=int, default=100, help="steps whose speed is measured")
    parser.add_argument("--profiled", type=int, default=10, help="steps under the profiler")
    parser.add_argument("--items", type=int, default=8, help="utterances of the step that is compared")
    parser.add_argument("--peak_tflops", type=float, help="what the GPU can do in bf16, where it is not known here")
    arguments = parser.parse_args()

    import torch

    from ctaplib.tasks.base import TaskPaths
    from ctaplib.tasks.load import read_task_config, task_class
    from ctaplib.train.distributed import World
    from ctaplib.train.trainer import Trainer

    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("error: this machine has no GPU that torch can use; --device cpu measures what can be on a CPU")
    device = torch.device("cuda", 0) if arguments.device == "cuda" else torch.device("cpu")
    last = arguments.warm + 1 + arguments.steps + arguments.profiled
    words = [*([] if arguments.config else SIZES), "train.precision=bf16", "alarm_after=2", *arguments.overrides]
    words += [f"train.max_steps={last}", f"train.valid_every_steps={last}", f"train.save_every_steps={last}"]
    words += last_weights(read_task_config("vqctap", arguments.config or CONFIG, words))
    config = read_task_config("vqctap", arguments.config or CONFIG, words)
    with tempfile.TemporaryDirectory() as folder:
        paths = TaskPaths(arguments.data, arguments.dump, Path(folder) / "exp", arguments.train_set, arguments.valid_set)
        still = read_task_config("vqctap", arguments.config or CONFIG, [*words, *plain_words(config)])
        task = task_class("vqctap")(still, paths)
        compared = differences(task, task.train_plan(0)[0][: arguments.items], device)
        del task  # its weights are on the device
        trainer = Trainer(task_class("vqctap")(config, paths), World(0, 1, device))
        meter = Meter(trainer, arguments.warm, arguments.steps, arguments.profiled)
        trainer.fit()
    machine = machine_of(device)
    peak = arguments.peak_tflops or peak_of(machine["gpu"] or "")
    figures = figures_of(meter.found, arguments.steps, peak)
    figures["parameters_m"] = sum(p.numel() for p in trainer.task.model.parameters()) / 1e6
    figures["audio_s_per_step"] = meter.found["audio_s"] / arguments.steps
    fresh.report({"ours": figures | compared}, rows_of(figures, compared, machine), [], arguments)
    if arguments.json:
        told = json.loads(arguments.json.read_text(encoding="utf-8"))
        arguments.json.write_text(json.dumps({"machine": machine} | told, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
