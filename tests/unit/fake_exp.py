"""A small finished experiment made of buzzing "voices", in the layout that scoring and reporting read.

Speakers are formant tones with their own pitch. Sets: `train` and `test_seen` share four speakers,
`test_unseen` has four others.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from ctaplib.audio.store import ArkWriter
from ctaplib.corpus.alignment import Interval, write_ctm
from ctaplib.evaluate import scoring
from ctaplib.evaluate.measure import Job
from ctaplib.files import atomic_write, write_json, write_table, write_tsv

RATE_HZ = 16000
FORMANTS_HZ = {"a": (730, 1090), "i": (270, 2290), "u": (300, 870), "e": (530, 1840), "o": (570, 840)}
PHONES = tuple(FORMANTS_HZ)
CODES = 16


def speak(phones: list[tuple[str, float]], f0_hz: float, scale: float, seed: int) -> np.ndarray:
    """A pulse train through resonances, one stretch per phone; silence is faint noise."""
    random = np.random.default_rng(seed)
    parts = []
    for name, duration_s in phones:
        n = round(duration_s * RATE_HZ)
        t = np.arange(n) / RATE_HZ
        if name == "sil":
            parts.append(np.zeros(n))
            continue
        wobble = f0_hz * (t + 0.02 * np.sin(2 * np.pi * 3 * t) / (2 * np.pi * 3) * 6)
        wave = np.zeros(n)
        for harmonic in range(1, int(5000 / f0_hz)):
            gain = sum(1 / (1 + ((harmonic * f0_hz - f * scale) / 120) ** 2) for f in FORMANTS_HZ[name])
            wave += (gain + 0.002) * np.sin(2 * np.pi * harmonic * wobble)
        parts.append(wave * np.minimum(1, np.minimum(t, t[::-1]) / 0.01))
    wave = np.concatenate(parts)
    return 0.3 * wave / np.abs(wave).max() + 1e-4 * random.standard_normal(len(wave))


@contextmanager
def measured_once(*kinds: type) -> Iterator[None]:
    """Remember, in this process, what is measured on items of these types."""
    known: dict[Job, object] = {}
    measure = scoring.run_jobs

    def run_jobs(jobs: Iterable[Job], processes: int) -> dict[Job, object]:
        if processes > 1:
            return measure(jobs, processes)
        jobs = list(jobs)
        fresh = measure([job for job in jobs if job not in known], 1)
        known.update({job: answer for job, answer in fresh.items() if isinstance(job.item, kinds)})
        return {job: fresh[job] if job in fresh else known[job] for job in jobs}

    scoring.run_jobs = run_jobs
    yield
    scoring.run_jobs = measure


class FakeExp:
    """Builds the tree under `root`.

    Args:
        root: Empty folder.
        utts: Utterances a speaker.
    """

    sets = ("test_seen", "test_unseen")

    def __init__(self, root: Path, utts: int = 5) -> None:
        self.root, self.utts = Path(root), utts
        self.data, self.dump = self.root / "data", self.root / "dump"
        self.exp, self.lists = self.root / "exp", self.root / "lists"
        self.phones: dict[str, list[tuple[str, float]]] = {}
        self.voice: dict[str, tuple[float, float]] = {}
        for set_, first in (("train", 0), ("test_seen", 0), ("test_unseen", 4)):
            self._set(set_, [f"spk{first + k}" for k in range(4)])
        for set_ in ("train", *self.sets):
            self._codes(set_)
        self._lists()
        self._decoded()
        self._runs()

    def ids(self, set_: str) -> list[str]:
        return sorted(u for u in self.phones if u.split("-")[1] == set_)

    def _set(self, set_: str, speakers: list[str]) -> None:
        utts, tables = {}, {name: {} for name in ("text", "text.phn", "utt2spk", "utt2dur", "spk2gender")}
        for speaker in speakers:
            number = int(speaker[3:])
            self.voice[speaker] = (100.0 + 22 * number, 1.0 + 0.04 * number)
            for k in range(self.utts):
                utt = f"{speaker}-{set_}-{k}"
                random = np.random.default_rng([number, k, len(set_)])
                spoken = [(PHONES[random.integers(5)], 0.1 + 0.06 * random.integers(4)) for _ in range(9)]
                self.phones[utt] = [("sil", 0.12), *((p, round(d, 2)) for p, d in spoken), ("sil", 0.14)]
                utts[utt] = speak(self.phones[utt], *self.voice[speaker], seed=k)
                tables["text"][utt] = " ".join("".join(p for p, _ in spoken[i : i + 3]) for i in (0, 3, 6))
                tables["text.phn"][utt] = " ".join(("'" if i % 3 == 0 else "") + p for i, (p, _) in enumerate(spoken))
                tables["utt2spk"][utt] = speaker
                tables["utt2dur"][utt] = f"{len(utts[utt]) / RATE_HZ:.3f}"
            tables["spk2gender"][speaker] = "m" if number % 2 else "f"
        for name, table in tables.items():
            write_table(self.data / set_ / name, table)
        self._alignments(set_, list(utts))
        self._features(set_, utts)

    def _alignments(self, set_: str, utts: list[str]) -> None:
        true, found = {}, {}
        for utt in utts:
            ends = np.cumsum([d for _, d in self.phones[utt]])
            marks = [0.0, *ends]
            spoken = 0
            true[utt], found[utt] = [], []
            for (name, _), start, end in zip(self.phones[utt], marks, marks[1:]):
                stressed = ("'" if spoken % 3 == 0 else "") + name if name != "sil" else name
                spoken += name != "sil"
                true[utt].append(Interval(stressed, start, end))
                shift = 0.01 if start > 0 else 0.0
                found[utt].append(Interval(stressed, start + shift, end + (0.01 if name != "sil" or not start else 0)))
        write_ctm(self.data / set_ / "phones_true.ctm", true)
        write_ctm(self.data / set_ / "phones.ctm", found)
        rows = [{"utt": utt, "status": "aligned", "reason": "", "score": -1.0} for utt in utts]
        write_tsv(self.data / set_ / "ali_report.tsv", rows, ("utt", "status", "reason", "score"))

    def _features(self, set_: str, utts: dict[str, np.ndarray]) -> None:
        folder = self.dump / set_
        (folder / "wav").mkdir(parents=True)
        frames, wavs = {}, {}
        with ArkWriter(folder / "feats.scp") as out:
            for utt, wave in utts.items():
                wavs[utt] = str(folder / "wav" / f"{utt}.wav")
                soundfile.write(wavs[utt], wave, RATE_HZ, "PCM_16")
                n = len(wave) // 160
                blocks = np.abs(np.fft.rfft(wave[: n * 160].reshape(n, 160), 320))[:, :80]
                out[utt] = np.log(np.maximum(blocks, 1e-4)).astype(np.float32)
                frames[utt] = str(n)
        write_table(folder / "wav.scp", wavs)
        write_table(self.data / set_ / "wav.scp", wavs)
        write_table(folder / "utt2num_frames", frames)
        with atomic_write(folder / "features.yaml") as out:
            out.write("rate_hz: 16000\nhop_samples: 160\nn_mels: 80\n")

    def _codes(self, set_: str) -> None:
        folder = self.exp / "vqctap" / "codes" / set_
        random = np.random.default_rng(5)
        book = random.standard_normal((CODES, 8)).astype(np.float32)
        number = {name: k for k, name in enumerate(("sil", *PHONES))}
        writers = {n: ArkWriter(folder / f"{n}.scp") for n in ("codes", "speech", "phonemes", "quantized", "prompts")}
        for writer in writers.values():
            writer.__enter__()
        for utt in self.ids(set_):
            marks = np.cumsum([d for _, d in self.phones[utt]])
            centres = np.arange(int(marks[-1] * 25)) / 25 + 0.02
            codes = np.array([number[self.phones[utt][i][0]] for i in np.searchsorted(marks, centres)], np.int32)
            writers["codes"][utt] = codes
            writers["quantized"][utt] = book[codes]
            noise = 0.3 * np.random.default_rng(len(codes)).standard_normal((len(codes), 8))
            writers["speech"][utt] = (book[codes] + noise).astype(np.float32)
            writers["phonemes"][utt] = (book[codes] + 0.5 * noise[::-1]).astype(np.float32)
            speaker = int(utt[3])
            writers["prompts"][utt] = (np.eye(8)[speaker] + 0.05 * random.standard_normal(8)).astype(np.float32)
        for writer in writers.values():
            writer.__exit__(None, None, None)
        write_json(folder / "codes.json", {"codebook_size": CODES})

    def _lists(self) -> None:
        speakers = [f"spk{k}" for k in range(8)]
        home = {s: "test_seen" if int(s[3]) < 4 else "test_unseen" for s in speakers}
        write_tsv(
            self.lists / "references.tsv",
            [{"set": home[s], "spk": s, **{f"utt{k}": f"{s}-{home[s]}-{k + 1}" for k in (1, 2, 3)}} for s in speakers],
            ("set", "spk", "utt1", "utt2", "utt3"),
        )
        new = speakers[4:]
        pairs = [(a, b) for a in new for b in new if a != b]
        self.pairs = [
            {"id": f"{a}-to-{b}", "set": "test_unseen", "source_utt": f"{a}-test_unseen-0", "target_spk": b,
             "prompt_utt": f"{b}-test_unseen-1", "cross_sex": "yes" if (int(a[3]) - int(b[3])) % 2 else "no"}
            for a, b in pairs
        ]  # fmt: skip
        write_tsv(self.lists / "vc_pairs.tsv", self.pairs, tuple(self.pairs[0]))
        self.sentences = [
            {"id": f"{s}-test_unseen-0-tts", "set": "test_unseen", "text_utt": f"{s}-test_unseen-0", "spk": s,
             "prompt_utt": f"{s}-test_unseen-1"} for s in new
        ]  # fmt: skip
        write_tsv(self.lists / "tts.tsv", self.sentences, tuple(self.sentences[0]))

    def _decoded(self) -> None:
        for system, slow in (("vqctap", 1.0), ("finetuned", 1.1)):
            self._converted(system)
            made = {}
            for item in self.sentences:
                said = [(p, d * slow) for p, d in self.phones[item["text_utt"]]]
                made[item["id"]] = (said, self.voice[item["spk"]], item)
            self._audio("tts", system, made)
        for system in ("vqctap", "vocoder", "griffin_lim"):
            self._resynthesised(system)
        for name in ("frozen_class", "frozen_ctc", "finetuned", "supervised_ctc"):
            for test in self.sets:
                self._recognised(Path("asr") / name / test, {u: u for u in self.ids(test)}, words=name == "finetuned")
        for test in self.sets:
            self._recognised(Path("judge/natural/natural") / test, {u: u for u in self.ids(test)}, words=True)

    def _converted(self, system: str) -> None:
        made = {p["id"]: (self.phones[p["source_utt"]], self.voice[p["target_spk"]], p) for p in self.pairs}
        self._audio("vc", system, made)

    def _resynthesised(self, system: str) -> None:
        utts = self.ids("test_unseen")
        self._audio("resynthesis", system, {u: (self.phones[u], self.voice[u.split("-")[0]], {"id": u}) for u in utts})

    def _audio(self, task: str, system: str, made: dict) -> None:
        folder = self.exp / "decode" / task / system / "test_unseen"
        (folder / "wav").mkdir(parents=True)
        rows, wavs = [], {}
        for k, (id_, (said, voice, item)) in enumerate(made.items()):
            wave = speak(said, *voice, seed=100 + k)
            wave += 0.002 * np.random.default_rng(k).standard_normal(len(wave))
            wavs[id_] = str(folder / "wav" / f"{id_}.wav")
            soundfile.write(wavs[id_], wave, RATE_HZ, "PCM_16")
            seconds = len(wave) / RATE_HZ
            rows.append({**item, "audio_s": f"{seconds:.4f}", "compute_s": f"{seconds / 20:.4f}"})
        write_table(folder / "wav.scp", wavs)
        write_tsv(folder / "index.tsv", rows, tuple(rows[0]))
        texts = {id_: item.get("source_utt") or item.get("text_utt") or id_ for id_, (_, _, item) in made.items()}
        self._recognised(Path("judge") / task / system / "test_unseen", texts, words=True)

    def _recognised(self, place: Path, texts: dict[str, str], words: bool) -> None:
        """Nine phones, the first of which is wrong; the last of three words is missing."""
        phones, sentences = {}, {}
        for id_, utt in texts.items():
            spoken = [p for p, _ in self.phones[utt] if p != "sil"]
            phones[id_] = " ".join(["x", *spoken[1:]])
            sentences[id_] = " ".join("".join(spoken[i : i + 3]) for i in (0, 3))
        write_table(self.exp / "decode" / place / "hyp.phn", phones)
        if words:
            write_table(self.exp / "decode" / place / "hyp.txt", sentences)

    def _runs(self) -> None:
        for seed, run in enumerate(("align", "vqctap", "asr_finetuned", "asr_supervised", "tts", "vc", "vocoder", "judge")):
            self._run(run, seed)
        for number, name, seconds in ((1, "data", 21.5), (4, "align", 80.0), (5, "pretrain", 290.2)):
            stamp = {"stage": number, "name": name, "state": "done", "seconds": seconds, "peak_mib": 512}
            write_json(self.exp / ".stamps" / f"{number:02d}_{name}.json", stamp)

    def _run(self, run: str, seed: int) -> None:
        (self.exp / run).mkdir(parents=True, exist_ok=True)
        with atomic_write(self.exp / run / "config.yaml") as out:
            out.write(f"config_hash: '{seed:012x}'\nseed: {seed}\n")
        with atomic_write(self.exp / run / "metrics.jsonl") as out:
            for step in range(10, 510, 10):
                row = {"step": step, "split": "train", "loss": 3 * 0.99**step + 0.1, "contrastive": 5 * 0.995**step}
                row |= {"weight/contrastive": min(1.0, step / 200), "weight/kl": max(0.0, step - 250) / 500}
                out.write(json.dumps(row) + "\n")
                if step % 100 == 0:
                    valid = {"step": step, "split": "valid", "loss": 3 * 0.99**step + 0.2, "codebook_usage_pct": 60.0}
                    out.write(json.dumps(valid) + "\n")

    def add_continuous(self, name: str) -> None:
        """Add the output of a method with continuous content at 50 Hz, prompts and conversion, and nothing else."""
        for set_ in ("train", *self.sets):
            folder = self.exp / name / "pretrain" / "codes" / set_
            random = np.random.default_rng(6)
            with ArkWriter(folder / "speech.scp") as speech, ArkWriter(folder / "prompts.scp") as prompts:
                for utt in self.ids(set_):
                    frames = int(sum(duration for _, duration in self.phones[utt]) * 50)
                    speech[utt] = random.standard_normal((frames, 6)).astype(np.float32)
                    prompts[utt] = (np.eye(8)[int(utt[3])] + 0.05 * random.standard_normal(8)).astype(np.float32)
            write_json(folder / "codes.json", {"hop_frames": 2})
        self._converted(name)
        self._resynthesised(name)
        self._run(f"{name}/pretrain", 9)
