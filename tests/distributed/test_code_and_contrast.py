"""Two processes with parts of a batch do what one process does with all of it."""

import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from ctaplib.collective import gather_rows, rank, sum_over_ranks, world_size
from ctaplib.errors import TrainingError
from ctaplib.losses.contrastive import ContrastiveConfig, contrastive_loss
from ctaplib.losses.quantization import quantization_loss
from ctaplib.nn.quantize import QuantizerSlot

PARTS = ([0, 3], [1, 2, 4])
SAME = ("keep", "mask", "soft")


def batch(dim: int = 12):
    generator = torch.Generator().manual_seed(0)
    speech, phonemes = (torch.randn(5, 30, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    mask = torch.arange(30) < torch.tensor([30, 11, 4, 22, 17])[:, None]
    return speech, phonemes, mask, torch.randint(0, 6, (5, 30), generator=generator)


def contrast(items: list[int], same: str, scale: float) -> dict[str, torch.Tensor]:
    speech, phonemes, mask, labels = batch()
    speech.requires_grad_()
    phonemes.requires_grad_()
    tau = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
    term = contrastive_loss(
        speech[items],
        phonemes[items],
        mask[items],
        tau,
        ContrastiveConfig(same_phone=same),
        labels=labels[items],
    )
    term.total.backward()
    count = torch.as_tensor(term.count, dtype=torch.float64)
    every = (term.total.detach(), count, tau.grad, speech.grad, phonemes.grad)
    return {f"{i}": sum_over_ranks(value) for i, value in enumerate(every)}


def quantise(items: list[int], name: str) -> dict[str, torch.Tensor]:
    speech, _, mask, _ = batch()
    torch.manual_seed(1)
    options = {} if name == "fsq" else {"codebook_size": 24, "code_dim": 4}
    if name in ("ema", "normalized", "residual"):
        options |= {"restart_every_steps": 1, "restart_threshold": 0.5, "decay": 0.8}
    quantizer = QuantizerSlot(name=name, options=options).build(12).double().train()
    total = torch.zeros((), dtype=torch.float64)
    for step in range(6):
        out = quantizer(speech[items] * (1 + 0.2 * step) + step, mask[items])
        total += sum_over_ranks(quantization_loss(out).total)
        quantizer.after_step(step)
    return {**quantizer.state_dict(), "loss": total}


def work(place: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=place, world_size=2)
    assert (rank(), world_size()) == (place, 2)
    rows = gather_rows(torch.full((place * 3, 2), float(place)))
    assert rows.tolist() == [[1.0, 1.0]] * 3
    found = {f"contrast {same} {scale}": contrast(PARTS[place], same, scale) for same in SAME for scale in (9.0, 90.0)}
    found["empty rank"] = contrast([[0, 1, 2, 3, 4], []][place], "keep", 9.0)
    found |= {f"quantise {name}": quantise(PARTS[place], name) for name in ("ema", "fsq", "normalized", "residual", "sim")}
    speech, phonemes, mask, _ = batch()
    speech.requires_grad_()
    uneven = contrastive_loss(speech, phonemes, mask, 1.0).total * (place + 1)
    with pytest.raises(TrainingError, match="has the factors"):
        uneven.backward()
    torch.save(found, Path(folder) / f"{place}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(work, args=(port, str(folder)), nprocs=2)
    return [torch.load(folder / f"{place}.pt", weights_only=True) for place in range(2)]


def same_values(mine: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> None:
    assert mine.keys() == want.keys()
    for key, value in want.items():
        difference = (mine[key].double() - value.double()).norm()
        assert difference <= 1e-9 * value.double().norm().clamp_min(1e-300), key


@pytest.mark.parametrize("same", SAME)
@pytest.mark.parametrize("scale", [9.0, 90.0])
def test_contrast_over_ranks_is_that_of_one_process(found: list[dict], same: str, scale: float) -> None:
    want = contrast([0, 1, 2, 3, 4], same, scale)
    for one in found:
        same_values(one[f"contrast {same} {scale}"], want)


def test_a_rank_without_frames_is_no_exception(found: list[dict]) -> None:
    same_values(found[1]["empty rank"], contrast([0, 1, 2, 3, 4], "keep", 9.0))


@pytest.mark.parametrize("name", ["ema", "fsq", "normalized", "residual", "sim"])
def test_code_books_move_as_on_one_process(found: list[dict], name: str) -> None:
    want = quantise([0, 1, 2, 3, 4], name)
    for one in found:
        same_values(one[f"quantise {name}"], want)
