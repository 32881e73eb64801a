"""A process of a training run whose gradients, losses and code book are written down; started by torchrun.

layout_run.py TASK CORPUS EXP OUT PRECISION STEPS MICRO_FRAMES [NAME=FOLDER]
"""

import sys
from pathlib import Path

import torch
from small_configs import small_task

from ctaplib.train.distributed import join_world, leave_world
from ctaplib.train.trainer import Trainer


def main(
    name: str, corpus: Path, exp: Path, out: Path, precision: str, steps: int, micro_frames: int, init: dict[str, Path]
) -> None:
    torch.set_num_threads(1)
    # Segments of the vocoder are short, and its convolutions slow in float64: 15 of them are a batch, not 60.
    words = [
        f"batch={{batch_s: {6 if name == 'vocoder' else 24}, min_items: 4}}",
        f"train.max_steps={steps}",
        f"train.valid_every_steps={steps}",
        "train.save_every_steps=1000",
    ]
    words += [f"train.precision={precision}", "optim.warmup_steps=5", "optim.grad_clip=1e6"]
    world = join_world(False)
    trainer = Trainer(small_task(name, corpus, exp, *words, **init), world, micro_frames=micro_frames)
    found: dict = {"losses": [], "gradients": {}}
    take = trainer.steps.take

    def noting(share, micros):
        found["micros"] = max(found.get("micros", 0), len(micros))
        figures = take(share, micros)
        found["losses"].append(figures)
        if share.step == 1:
            held = trainer.task.model.named_parameters()
            found["gradients"] = {n: p.grad.double().clone() for n, p in held if p.grad is not None}
        return figures

    trainer.steps.take = noting
    assert trainer.fit()
    found["buffers"] = {n: b.double() for n, b in trainer.task.model.named_buffers()}
    if world.is_main:
        torch.save(found, out)
    leave_world()


if __name__ == "__main__":
    task, corpus, exp, out, precision, steps, micro_frames, *inits = sys.argv[1:]
    named = {name: Path(folder) for name, _, folder in (word.partition("=") for word in inits)}
    main(task, Path(corpus), Path(exp), Path(out), precision, int(steps), int(micro_frames), named)
