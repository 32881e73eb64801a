"""Features on disk to padded batches: 80-band log-mel of 2,000 utterances in one archive, batches of like lengths.

The peer reads the same archive with kaldiio and pads into one array; ESPnet's data set and collate function read it through
kaldiio too; npy is a file for each utterance. The files are in the page cache. Ours is what training does: the mapped archive.

    python tests/bench/bench_batches.py --json batches.json
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import numpy as np
from bench_padding import lengths_of

GOAL, CAP, MELS = 0.60, 24000, 80
FORMS = [
    fresh.Form("kaldiio", "peers", "kaldiio torch"),
    fresh.Form("npy", "peers", "torch"),
    fresh.Form("espnet", "espnet", "espnet2"),
    fresh.Form("ours"),
]


def folder_of(quick: bool) -> Path:
    """Where the archive lies; made once."""
    return Path(tempfile.gettempdir()) / f"ctaplib_bench_batches_{'quick' if quick else 'whole'}"


def make(quick: bool) -> None:
    """Write the archive, and the same as npy files, where they are not there yet."""
    import kaldiio

    folder = folder_of(quick)
    if folder.exists():
        return
    rng, lengths = np.random.default_rng(0), lengths_of(60 if quick else 2000)
    arrays = {f"utt{i:05d}": rng.normal(size=(n, MELS)).astype(np.float32) for i, n in enumerate(lengths)}
    with tempfile.TemporaryDirectory() as new:
        fresh_folder = Path(new) / folder.name
        fresh_folder.mkdir()
        kaldiio.save_ark(str(fresh_folder / "feats.ark"), arrays, scp=str(fresh_folder / "feats.scp"))
        scp = (fresh_folder / "feats.scp").read_text(encoding="utf-8")
        (fresh_folder / "feats.scp").write_text(scp.replace(str(fresh_folder), str(folder)), encoding="utf-8")
        for utt, array in arrays.items():
            np.save(fresh_folder / f"{utt}.npy", array)
        shutil.move(fresh_folder, folder)


def plan_of(quick: bool) -> list[list[str]]:
    """Batches of like lengths within the cap."""
    lengths = lengths_of(60 if quick else 2000)
    batches: list[list[int]] = [[]]
    for item in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches[-1] and lengths[batches[-1][0]] * (len(batches[-1]) + 1) > CAP:
            batches.append([])
        batches[-1].append(item)
    return [[f"utt{i:05d}" for i in batch] for batch in batches]


def reader(form: str, folder: Path) -> Callable[[list[str]], object]:
    """From names to a padded batch (B, T, 80) and lengths, as torch tensors."""
    import torch

    if form == "ours":
        from ctaplib.audio.store import FeatureStore
        from ctaplib.cli.main import _prepare_process
        from ctaplib.tensors import pad_arrays

        _prepare_process()  # as every command does
        store = FeatureStore(folder / "feats.scp")
        return lambda batch: pad_arrays([store[utt] for utt in batch])
    if form == "espnet":
        from espnet2.train.collate_fn import CommonCollateFn
        from espnet2.train.dataset import ESPnetDataset

        dataset = ESPnetDataset([(str(folder / "feats.scp"), "feats", "kaldi_ark")], preprocess=None)
        collate = CommonCollateFn(float_pad_value=0.0)

        def with_espnet(batch: list[str]) -> object:
            tensors = collate([dataset[utt] for utt in batch])[1]
            return tensors["feats"], tensors["feats_lengths"]

        return with_espnet
    if form == "kaldiio":
        import kaldiio

        table = kaldiio.load_scp(str(folder / "feats.scp"))
    else:
        table = {path.stem: path for path in folder.glob("*.npy")}

    def padded(batch: list[str]) -> object:
        arrays = [table[utt] if form == "kaldiio" else np.load(table[utt]) for utt in batch]
        lengths = [len(array) for array in arrays]
        out = np.zeros((len(arrays), max(lengths), MELS), np.float32)
        for row, array in zip(out, arrays):
            row[: len(array)] = array
        return torch.from_numpy(out), torch.tensor(lengths)

    return padded


def prepare(form: str, quick: bool) -> Callable[[], object]:
    read, plan = reader(form, folder_of(quick)), plan_of(quick)
    read(plan[0])
    digest = hashlib.sha256()
    for mel, lengths in map(read, plan[:20]):
        digest.update(mel.numpy().tobytes() + lengths.numpy().astype(np.int64).tobytes())

    def work() -> object:
        for batch in plan:
            read(batch)
        return {"digest": digest.hexdigest()}

    return work


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    digests = {name: figures[name]["digest"] for name in figures}
    if len(set(digests.values())) > 1:
        raise SystemExit(f"the batches differ: {digests}")
    peers = [name for name in figures if name != "ours"]
    if not peers:
        return [fresh.row("features to batches", None, GOAL, of="ours", peer="kaldiio", note="no peer is installed")]
    best = min(peers, key=lambda name: figures[name]["cpu_s"])
    each = ", ".join(f"{name} {figures[name]['cpu_s'] / figures[best]['cpu_s']:.2f}" for name in figures)
    ratio = figures["ours"]["cpu_s"] / figures[best]["cpu_s"]
    return [fresh.row("features to batches", ratio, GOAL, of="ours", peer=best, note=f"equal batches; {each}")]


if __name__ == "__main__":
    if "--form" not in sys.argv:
        make("--quick" in sys.argv)
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
