"""Padding of the batches of an epoch, and the time to plan them: 33,000 lengths like those of LibriTTS.

Every plan keeps its batches within 240 s, padding included, where it can. Padding counts what a model is given: the frames of
the padded tensors above those of the utterances. Ours is that of the large corpora's configs.

    python tests/bench/bench_padding.py --json padding.json
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh

CAP_S, HOP_S = 240.0, 0.01
FORMS = [
    fresh.Form("ours"),
    fresh.Form("espnet_numel", "espnet", "espnet2"),
    fresh.Form("lhotse_30", "peers", "lhotse"),
    fresh.Form("lhotse_100", "peers", "lhotse"),
    fresh.Form("random"),
]


def lengths_of(count: int) -> list[int]:
    """Frames of utterances of 0.5 to 20 s, 5.8 s on average: log-normal, drawn without any library but Python's."""
    import random

    draw = random.Random(0)
    return [int(min(max(draw.lognormvariate(1.5, 0.75), 0.5), 20.0) * 100) // 4 * 4 for _ in range(count)]


def told(lengths: Sequence[int], first: list[list[int]], second: list[list[int]]) -> dict[str, float]:
    """Padding in percent, share of batches over the cap, share that comes again in the next epoch."""
    cap = CAP_S / HOP_S
    sizes = [max(lengths[i] for i in batch) * len(batch) for batch in first]
    used = sum(lengths[i] for batch in first for i in batch)
    again = {tuple(sorted(b)) for b in first} & {tuple(sorted(b)) for b in second}
    return {
        "padding_pct": 100 * (1 - used / sum(sizes)),
        "over_pct": 100 * sum(size > cap for size in sizes) / len(sizes),
        "largest_of_cap": max(sizes) / cap,
        "again_pct": 100 * len(again) / len(first),
        "left_out_pct": 100 * (1 - sum(map(len, first)) / len(lengths)),
    }


def ours(lengths: list[int]) -> Callable[[int], list[list[int]]]:
    from ctaplib.data.batching import plan_batches
    from ctaplib.tasks.load import read_task_config

    config = read_task_config("vqctap", fresh.ROOT / "egs/libritts/conf/pretrain.yaml", []).batch
    assert config.batch_s == CAP_S and config.pad_frames == 4
    return lambda epoch: plan_batches(lengths, int(CAP_S / HOP_S), config, seed=1, epoch=epoch)


def in_any_order(lengths: list[int]) -> Callable[[int], list[list[int]]]:
    from ctaplib.data.batching import BatchConfig, plan_batches

    config = BatchConfig(jitter=1e6)
    return lambda epoch: plan_batches(lengths, int(CAP_S / HOP_S), config, seed=1, epoch=epoch)


def espnet(lengths: list[int]) -> Callable[[int], list[list[int]]]:
    """Batches of equal numbers of elements; the sampler sorts once, and only shuffles the batches each epoch."""
    import atexit
    import shutil
    import tempfile

    from espnet2.samplers.num_elements_batch_sampler import NumElementsBatchSampler

    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    shapes = folder / "shape"
    shapes.write_text("".join(f"{i:06d} {n},80\n" for i, n in enumerate(lengths)))

    def plan(epoch: int) -> list[list[int]]:
        bins = int(CAP_S / HOP_S) * 80
        return [[int(key) for key in batch] for batch in NumElementsBatchSampler(bins, [str(shapes)], min_batch_size=2)]

    return plan


def lhotse(lengths: list[int], buckets: int) -> Callable[[int], list[list[int]]]:
    from lhotse import CutSet, MonoCut
    from lhotse.dataset import DynamicBucketingSampler

    cuts = CutSet.from_cuts(MonoCut(f"{i}", 0.0, n * HOP_S, 0) for i, n in enumerate(lengths))

    def plan(epoch: int) -> list[list[int]]:
        sampler = DynamicBucketingSampler(
            cuts, max_duration=CAP_S, num_buckets=buckets, shuffle=True, seed=epoch, buffer_size=len(lengths)
        )
        return [[int(cut.id) for cut in batch] for batch in sampler]

    return plan


def prepare(form: str, quick: bool) -> Callable[[], object]:
    lengths = lengths_of(1000 if quick else 33000)
    makers = {"ours": ours, "espnet_numel": espnet, "random": in_any_order}
    plan = makers[form](lengths) if form in makers else lhotse(lengths, int(form.rsplit("_")[-1]))
    plan(3)
    facts = told(lengths, plan(1), plan(2))

    def work() -> object:
        plan(1)
        return facts

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    mine = figures["ours"]
    if mine["over_pct"] or mine["left_out_pct"]:
        raise SystemExit("ours: batches over the cap, or utterances left out")
    facts = [
        f"{name} {f['padding_pct']:.2f} %, {f['over_pct']:.0f} % of batches over the cap, {f['again_pct']:.0f} % the same again"
        for name, f in figures.items()
        if name != "ours"
    ]
    note = f"none over the cap, {mine['again_pct']:.0f} % of the batches the same in the next epoch. Others: {'; '.join(facts)}"
    found = [fresh.row("padding", mine["padding_pct"], 1.1, of="ours", peer="the frames", unit=" %", note=note)]
    peers = [name for name in figures if name.startswith("lhotse")]
    if peers:
        best = min(peers, key=lambda name: figures[name]["cpu_s"])
        note = f"{1000 * mine['cpu_s']:.0f} ms an epoch"
        ratio = mine["cpu_s"] / figures[best]["cpu_s"]
        found.append(fresh.row("padding: time to plan", ratio, None, of="ours", peer=best, note=note))
    return found


if __name__ == "__main__":
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
