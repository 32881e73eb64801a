"""Audio files to features on disk: 80-band log-mel at 24 kHz of eSpeak's sentences, from WAV and from FLAC, two processes.

Ours is what `ctap features` runs, with its checks, tables and statistics, and with 16-bit WAV files of what was FLAC; the
tracker of F0 is replaced by zeros where peers make none. Peers: torchaudio or librosa, each process half of the files and a
float32 archive of its own by kaldiio; lhotse's `compute_and_store_features` with its default writer. With F0: ours as it is,
beside torchaudio and pyworld's DIO and StoneMask at the full rate, as ESPnet2 calls them. Imports are paid before; starting the
two processes, forked on all sides, is timed.

    python tests/bench/bench_features.py --json features.json
"""

import argparse
import atexit
import itertools
import json
import logging
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fresh
import numpy as np

RATE, FFT, WINDOW, HOP, MELS, JOBS = 24000, 1024, 960, 240, 80, 2
GOALS = {"wav": 0.70, "flac": 0.78}
MEL = {"torchaudio": "torchaudio soundfile kaldiio", "librosa": "librosa soundfile kaldiio", "lhotse": "lhotse soundfile"}
FORMS = [
    *[fresh.Form(f"{name} {kind}", "peers", needs) for kind in GOALS for name, needs in MEL.items()],
    *[fresh.Form(f"ours {kind}") for kind in GOALS],
    fresh.Form("torchaudio wav f0", "espnet", "torchaudio soundfile kaldiio pyworld"),
    fresh.Form("ours wav f0"),
]
Wave = Callable[[np.ndarray], np.ndarray]


def folder_of(quick: bool) -> Path:
    """Where the audio lies; made once."""
    return Path(tempfile.gettempdir()) / f"ctaplib_bench_features_{'quick' if quick else 'whole'}"


def make(quick: bool) -> None:
    """Have eSpeak say sentences, and keep them as WAV and as FLAC with a data directory of each."""
    import soundfile
    import soxr

    from ctaplib.synthetic.engine import Job, Voice
    from ctaplib.synthetic.sentences import english_sentences
    from ctaplib.synthetic.speaking import speak_once

    folder = folder_of(quick)
    if folder.exists():
        return
    sentences = itertools.islice(english_sentences(0), 8 if quick else 240)
    with tempfile.TemporaryDirectory() as new:
        made = Path(new) / folder.name
        tables: dict[str, list[str]] = {kind: [] for kind in GOALS}
        for number, sentence in enumerate(sentences):
            utt = f"utt{number:04d}"
            spoken = speak_once(Job(utt, sentence.spoken, Voice("en-us", f"{'mf'[number % 2]}{1 + number % 4}")))
            wave = soxr.resample(spoken.samples, spoken.rate_hz, RATE)  # int16
            for kind, table in tables.items():
                (made / "audio" / kind).mkdir(parents=True, exist_ok=True)
                soundfile.write(made / "audio" / kind / f"{utt}.{kind}", wave, RATE, "PCM_16")
                table.append(f"{utt} {folder}/audio/{kind}/{utt}.{kind}\n")
        for kind, table in tables.items():
            (made / "data" / kind).mkdir(parents=True)
            (made / "data" / kind / "wav.scp").write_text("".join(table), encoding="utf-8")
        shutil.move(made, folder)


def with_torchaudio() -> Wave:
    import torch
    import torchaudio_here

    sizes = {"n_mels": MELS, "power": 1.0, "norm": "slaney", "mel_scale": "slaney"}
    mel = torchaudio_here.torchaudio.transforms.MelSpectrogram(RATE, FFT, WINDOW, HOP, **sizes)
    return lambda wave: mel(torch.from_numpy(wave)).clamp_min(1e-5).log().T.numpy()


def with_librosa() -> Wave:
    import librosa

    sizes = {"n_fft": FFT, "hop_length": HOP, "win_length": WINDOW, "n_mels": MELS, "power": 1.0}
    return lambda wave: np.log(np.maximum(librosa.feature.melspectrogram(y=wave, sr=RATE, **sizes), 1e-5)).T


def dio(wave: np.ndarray) -> np.ndarray:
    """F0 as ESPnet2's `Dio` asks for it: all of the band, from 80 to 400 Hz, and StoneMask."""
    import pyworld

    wide = wave.astype(np.float64)
    rough, times_s = pyworld.dio(wide, RATE, f0_floor=80, f0_ceil=400, frame_period=1000 * HOP / RATE)
    return pyworld.stonemask(wide, rough, times_s, RATE).astype(np.float32)


def write_part(files: list[tuple[str, str]], stem: str, mel: Wave, f0: bool) -> None:
    """One process of a peer: read, compute, write an archive."""
    import soundfile
    from kaldiio import WriteHelper

    with WriteHelper(f"ark,scp:{stem}.ark,{stem}.scp") as feats, WriteHelper(f"ark,scp:{stem}_f0.ark,{stem}_f0.scp") as f0s:
        for utt, path in files:
            wave, rate = soundfile.read(path, dtype="float32")
            assert rate == RATE and wave.ndim == 1
            feats(utt, np.ascontiguousarray(mel(wave)))
            if f0:
                f0s(utt, dio(wave))


def peer(mel: Wave, files: list[tuple[str, str]], f0: bool) -> Callable[[Path], None]:
    """Halves of the files by forked processes, and one table of what they wrote."""
    fork, breath = multiprocessing.get_context("fork"), np.zeros(RATE, np.float32)
    breath[::200] = 0.1
    mel(breath)  # what is imported at the first call
    if f0:
        dio(breath)

    def write(out: Path) -> None:
        stems = [f"{out}/feats.{job}" for job in range(JOBS)]
        parts = [fork.Process(target=write_part, args=(files[job::JOBS], stem, mel, f0)) for job, stem in enumerate(stems)]
        for part in parts:
            part.start()
        for part in parts:
            part.join()
        if any(part.exitcode for part in parts):
            raise SystemExit("a process of the peer failed")
        lines = sorted(line for stem in stems for line in Path(f"{stem}.scp").read_text(encoding="utf-8").splitlines(True))
        (out / "feats.scp").write_text("".join(lines), encoding="utf-8")

    return write


def lhotse(files: list[tuple[str, str]]) -> Callable[[Path], None]:
    """lhotse's own way; the manifest of the audio is there before."""
    from concurrent.futures import ProcessPoolExecutor

    import torch
    from lhotse import CutSet, Fbank, FbankConfig, Recording, RecordingSet

    torch.set_num_threads(1)
    cuts = CutSet.from_manifests(RecordingSet.from_recordings(Recording.from_file(path, utt) for utt, path in files))
    fbank = Fbank(FbankConfig(sampling_rate=RATE, num_filters=MELS, frame_length=WINDOW / RATE, frame_shift=HOP / RATE))

    def write(out: Path) -> None:
        with ProcessPoolExecutor(JOBS, multiprocessing.get_context("fork")) as pool:
            done = cuts.compute_and_store_features(fbank, out / "feats", num_jobs=JOBS, executor=pool, progress_bar=False)
        done.to_file(out / "cuts.jsonl.gz")

    return write


def ours(kind: str, quick: bool, f0: bool) -> Callable[[Path], None]:
    """The function of `ctap features`."""
    from ctaplib.cli import features
    from ctaplib.cli.main import _prepare_process
    from ctaplib.data import extract

    _prepare_process()  # as every command does
    logging.disable()
    if not f0:
        extract.f0_track = lambda wave, config: np.zeros(config.frames(len(wave)), np.float32)
    spans = extract.read_spans(folder_of(quick) / "data" / kind).values()
    with tempfile.TemporaryDirectory() as folder:  # what is imported at the first call
        extract.extract(extract.FeatureConfig(), Path(folder), ("a", next(iter(spans))))
    parser = argparse.ArgumentParser()
    features.configure(parser)

    def write(out: Path) -> None:
        words = f"--data {folder_of(quick)}/data --dump {out} --sets {kind} --train_set {kind} --nj {JOBS}"
        features.run(parser.parse_args(words.split()))

    return write


def matrices(name: str, out: Path, kind: str) -> Iterator[np.ndarray]:
    """What was written, in the order of the utterances; frames first."""
    if name == "lhotse":
        from lhotse import load_manifest

        yield from (cut.load_features() for cut in sorted(load_manifest(out / "cuts.jsonl.gz"), key=lambda cut: cut.recording_id))
        return
    import kaldiio

    table = kaldiio.load_scp(str(out / kind / "feats.scp" if name == "ours" else out / "feats.scp"))
    yield from (table[utt] for utt in sorted(table))


def prepare(form: str, quick: bool) -> Callable[[], object]:
    name, kind, *more = form.split()
    lines = (folder_of(quick) / "data" / kind / "wav.scp").read_text(encoding="utf-8").splitlines()
    files = [(utt, path) for utt, path in map(str.split, lines)]
    if name == "ours":
        write = ours(kind, quick, bool(more))
    elif name == "lhotse":
        write = lhotse(files)
    else:
        write = peer(with_librosa() if name == "librosa" else with_torchaudio(), files, bool(more))
    base = Path(tempfile.mkdtemp(prefix="ctaplib_bench_features_out_"))
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    numbers = itertools.count()

    def work() -> object:
        out = base / str(next(numbers))
        out.mkdir()
        write(out)
        return facts

    facts: dict[str, object] = {}
    work()
    found = list(matrices(name, base / "0", kind))
    facts |= {"frames": json.dumps([len(mel) for mel in found]), "audio_s": sum(map(len, found)) * HOP / RATE}
    facts["bands"] = json.dumps(np.mean([mel[4:-4].mean(0) for mel in found], 0).tolist())
    return work


def check(figures: dict[str, fresh.Figures]) -> None:
    """Ends where another number of utterances or frames was written, or other bands."""
    names = [name for name in figures if not name.startswith("ours")]
    mine = figures["ours wav"]
    for name in ["ours flac", "ours wav f0"]:
        if any(figures[name][key] != mine[key] for key in ("frames", "bands")):
            raise SystemExit(f"the features of {name} differ from those of ours wav")
    for name in names:
        theirs, own = (json.loads(each["frames"]) for each in (figures[name], mine))
        if len(theirs) != len(own) or any(abs(a - b) > 1 for a, b in zip(theirs, own)):
            raise SystemExit(f"{name} wrote other utterances or lengths than ours")
        # Frames differ by half a hop, lhotse's bands are powers on Kaldi's scale.
        distance = np.abs(np.array(json.loads(figures[name]["bands"])) - json.loads(mine["bands"])).mean()
        if not name.startswith("lhotse") and distance > 0.1:
            raise SystemExit(f"the bands of {name} differ from ours by {distance:.2f}")


def rows(figures: dict[str, fresh.Figures], quick: bool) -> list[fresh.Row]:
    check(figures)
    cpu = {name: each["cpu_s"] for name, each in figures.items()}
    found, real_time = [], figures["ours wav"]["audio_s"]
    for kind, goal in GOALS.items():
        part, mine = f"{kind.upper()} files to features", f"ours {kind}"
        others = {name: cpu[name] for name in cpu if name in [f"{peer} {kind}" for peer in MEL]}
        if not others:
            found.append(fresh.row(part, None, goal, of="ours, log-mel", peer="torchaudio", note="no peer is installed"))
            continue
        best = min(others, key=lambda name: others[name])
        each = ", ".join(f"{name.split()[0]} {cpu[name] / cpu[best]:.2f}" for name in [*others, mine])
        note = f"{each}; {real_time / cpu[mine]:.0f} x real time; lhotse writes npy files"
        peer_name = best.split()[0] + " + kaldiio" * ("lhotse" not in best)
        found.append(fresh.row(part, cpu[mine] / cpu[best], goal, of="ours, log-mel", peer=peer_name, note=note))
    theirs, mine = cpu.get("torchaudio wav f0"), cpu["ours wav f0"]
    note = f"{real_time / mine:.0f} x real time; of it, log-mel {100 * cpu['ours wav'] / mine:.0f} %"
    note += "" if theirs else "; ESPnet's environment is not there"
    peer_name = "torchaudio + pyworld + kaldiio"
    return [
        *found,
        fresh.row("WAV files to features and F0", theirs and mine / theirs, None, of="ctap features", peer=peer_name, note=note),
    ]


if __name__ == "__main__":
    if "--form" not in sys.argv:
        make("--quick" in sys.argv)
    fresh.main(__file__, __doc__, FORMS, prepare, rows)
