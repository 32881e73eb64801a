"""The optimiser is torch's, without the import of its compiler."""

import subprocess
import sys

import torch

from ctaplib.train.optim import AdamW

PROGRAM = """
import sys, torch
from ctaplib.train.optim import AdamW
weight = torch.nn.Parameter(torch.ones(3))
optimizer = AdamW([weight], lr=0.1, fused=True)
weight.square().sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""


def test_no_compiler_is_imported() -> None:
    assert subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout == "False\n"


def test_it_steps_as_torch_does() -> None:
    made = []
    for kind in (AdamW, torch.optim.AdamW):
        torch.manual_seed(0)
        model = torch.nn.Linear(5, 4)
        optimizer = kind([{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias]}], lr=0.01, fused=True)
        for _ in range(4):
            optimizer.zero_grad(set_to_none=True)
            model(torch.ones(2, 5)).square().sum().backward()
            optimizer.step()
        made.append([*model.parameters(), *(value for state in optimizer.state.values() for value in state.values())])
    assert len(made[0]) == 8 and all(torch.equal(ours, theirs) for ours, theirs in zip(*made, strict=True))
