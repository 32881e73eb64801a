"""Our training loop and ESPnet2's around the same encoder on the same batches: CPU time outside the module.

Both read the same archive in the same batches, with their own data sets, and train the module below with AdamW, a warm-up,
clipping and TensorBoard, in one process. Inside is the module's forward pass and `backward`, by the clock of the thread that
runs them; outside is all else that the process does from the tenth step on: loading, loss, clipping, optimiser, records.
Validation and checkpoints, which come once in hundreds of steps, are left out.

    python tests/bench/bench_loop.py --json loop.json
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import bench_batches
import fresh

FORMS = [fresh.Form("espnet", "espnet", "espnet2"), fresh.Form("ours")]
GOAL, FIRST, LAYERS = 0.5, 10, 6


def encoder_of(quick: bool):
    """Two strided convolutions and a Transformer: (B, T, 80) and lengths to a scalar, the sum of squares of what comes out."""
    import torch

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = 32 if quick else 128
            self.front = torch.nn.Sequential(
                torch.nn.Conv1d(80, width, 5, 2, 2), torch.nn.GELU(), torch.nn.Conv1d(width, width, 5, 2, 2)
            )
            layer = torch.nn.TransformerEncoderLayer(width, 4, 4 * width, 0.0, batch_first=True, norm_first=True)
            self.blocks = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)

        def forward(self, mel: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
            x = self.front(mel.transpose(1, 2)).transpose(1, 2)
            padding = torch.arange(x.shape[1]) >= ((lengths + 3) // 4)[:, None]
            out = self.blocks(x, src_key_padding_mask=padding)
            return (out.square().mean(2) * ~padding).sum()

    torch.manual_seed(0)
    return Encoder()


class Clock:
    """Tells inside from outside: time of the process, less that of the module's passes."""

    def __init__(self, module, last: int, kind) -> None:
        import torch

        self.inside = self.optimizer = 0.0
        self.calls, self.first, self.last, self.losses = 0, min(FIRST, last // 2), last, []
        self.start, self.end = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)
        forward, backward = module.forward, torch.Tensor.backward

        def timed_forward(*args, **kwargs):
            if not module.training:
                return forward(*args, **kwargs)
            self.calls += 1
            now = (time.process_time(), self.inside, self.optimizer)
            if self.calls == self.first:
                self.start = now
            elif self.calls == self.last:
                self.end = now
            began = time.thread_time()
            loss = forward(*args, **kwargs)
            self.inside += time.thread_time() - began
            self.losses.append(loss.item())
            return loss

        def timed_backward(*args, **kwargs):
            began = time.thread_time()
            backward(*args, **kwargs)
            self.inside += time.thread_time() - began

        module.forward, torch.Tensor.backward = timed_forward, timed_backward
        step = kind.step

        def timed_step(*args, **kwargs):
            began = time.thread_time()
            step(*args, **kwargs)
            self.optimizer += time.thread_time() - began

        kind.step = timed_step
        self.undo = lambda: (setattr(torch.Tensor, "backward", backward), setattr(kind, "step", step))

    def told(self) -> dict[str, float]:
        """Milliseconds a step."""
        self.undo()
        steps = (self.last - self.first) / 1000
        whole, inside, optimizer = ((b - a) / steps for a, b in zip(self.start, self.end))
        return {
            "outside_ms": whole - inside, "inside_ms": inside, "optimizer_ms": optimizer, "first_loss": self.losses[0],
        }  # fmt: skip


def batches_of(quick: bool) -> list[list[str]]:
    """Batches of like lengths, small enough for the machine's two cores."""
    plan = [batch[:4] for batch in bench_batches.plan_of(quick) if len(batch) >= 4]
    return plan[-(13 if quick else 60) :]


def run_espnet(quick: bool) -> dict[str, float]:
    """ESPnet2's data set, iterator, reporter and trainer."""
    import torch
    from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
    from espnet2.schedulers.warmup_lr import WarmupLR
    from espnet2.train.collate_fn import CommonCollateFn
    from espnet2.train.dataset import ESPnetDataset
    from espnet2.train.distributed_utils import DistributedOption
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer, TrainerOptions
    from torch.utils.tensorboard import SummaryWriter

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder_of(quick)

        def forward(self, feats, feats_lengths, utt_id):
            loss = self.encoder(feats, feats_lengths) / feats_lengths.sum()
            return loss, {"loss": loss.detach()}, torch.tensor(float(len(feats)))

    plan, model = batches_of(quick), Model()
    clock = Clock(model.encoder, len(plan), torch.optim.AdamW)
    dataset = ESPnetDataset([(str(bench_batches.folder_of(quick) / "feats.scp"), "feats", "kaldi_ark")], preprocess=None)
    factory = SequenceIterFactory(dataset, plan, num_workers=0, collate_fn=CommonCollateFn(float_pad_value=0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    values = dict.fromkeys(TrainerOptions.__dataclass_fields__)
    values |= {
        "ngpu": 0, "resume": False, "use_amp": False, "train_dtype": "float32", "grad_noise": False, "accum_grad": 1,
        "grad_clip": 5.0, "grad_clip_type": 2.0, "log_interval": 20, "no_forward_run": False, "use_wandb": False,
        "create_graph_in_tensorboard": False, "output_dir": ".", "max_epoch": 1, "seed": 0,
    }  # fmt: skip
    reporter = Reporter()
    reporter.set_epoch(1)
    with tempfile.TemporaryDirectory() as folder, reporter.observe("train") as observed:
        Trainer.train_one_epoch(
            model=model, iterator=factory.build_iter(1, shuffle=False), optimizers=[optimizer],
            schedulers=[WarmupLR(optimizer, warmup_steps=100)], scaler=None, reporter=observed,
            summary_writer=SummaryWriter(folder), options=TrainerOptions(**values), distributed_option=DistributedOption(),
        )  # fmt: skip
    return clock.told()


def run_ours(quick: bool) -> dict[str, float]:
    """Our trainer, with a task that reads the archive as ours do."""
    from ctaplib.audio.store import FeatureStore
    from ctaplib.cli.main import _prepare_process
    from ctaplib.losses.terms import Term
    from ctaplib.tasks.base import Task, TaskPaths
    from ctaplib.tasks.settings import TaskConfig
    from ctaplib.tensors import pad_arrays
    from ctaplib.train.distributed import join_world
    from ctaplib.train.optim import AdamW
    from ctaplib.train.trainer import Trainer

    _prepare_process()  # as every command does
    plan = batches_of(quick)
    flat = [utt for batch in plan for utt in batch]

    class LoopTask(Task):
        name, Config = "loop", TaskConfig

        def __init__(self, config: TaskConfig, paths: TaskPaths) -> None:
            super().__init__(config, paths)
            self.model = encoder_of(quick)
            self.store = FeatureStore(bench_batches.folder_of(quick) / "feats.scp")

        def train_plan(self, epoch: int):
            starts = [sum(map(len, plan[:i])) for i in range(len(plan))]
            return [list(range(start, start + len(batch))) for start, batch in zip(starts, plan)]

        def valid_plan(self):
            return [[0]]

        def load(self, split: str, items, step: int):
            return pad_arrays([self.store[flat[i]] for i in items])

        def losses(self, batch, step: int, optimizer: str):
            return {"loss": Term(self.model(*batch), batch[1].sum())}

        def weights(self, step: int, optimizer: str):
            return {"loss": 1.0}

        def evaluate(self, batch):
            return self.losses(batch, 0, "model")

    with tempfile.TemporaryDirectory() as folder:
        train = {
            "max_steps": len(plan), "valid_every_steps": 10000, "save_every_steps": 10000, "log_every_steps": 20,
            "precision": "fp32",
        }  # fmt: skip
        config = TaskConfig.model_validate({"train": train})
        task = LoopTask(config, TaskPaths(Path(folder), Path(folder), Path(folder) / "exp", "", ""))
        clock = Clock(task.model, len(plan), AdamW)
        Trainer(task, join_world(False)).fit()
    return clock.told()


def prepare(form: str, quick: bool) -> Callable[[], object]:
    import logging

    logging.basicConfig(level=logging.INFO, stream=sys.stderr if form == "shown" else open("/dev/null", "w"))  # noqa: SIM115
    return lambda: (run_ours if form == "ours" else run_espnet)(quick)


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    part = "training loop: outside the module"
    if "espnet" not in figures:
        return [fresh.row(part, None, GOAL, of="ours", peer="ESPnet2's trainer", note="ESPnet is not installed")]
    ours, theirs = figures["ours"], figures["espnet"]
    if abs(ours["first_loss"] - theirs["first_loss"]) > 1e-4 * abs(theirs["first_loss"]):
        raise SystemExit("the modules or the batches differ: the first losses are not equal")
    note = (
        f"{ours['outside_ms']:.1f} and {theirs['outside_ms']:.1f} ms a step, of which the optimiser {ours['optimizer_ms']:.1f} "
        f"and {theirs['optimizer_ms']:.1f}; inside {ours['inside_ms']:.0f} and {theirs['inside_ms']:.0f}; equal first loss"
    )
    ratio = ours["outside_ms"] / theirs["outside_ms"]
    return [fresh.row(part, ratio, GOAL, of="ours", peer="ESPnet2's trainer", note=note)]


if __name__ == "__main__":
    if "--form" not in sys.argv:
        bench_batches.make("--quick" in sys.argv)
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
