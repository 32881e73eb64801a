"""The utterances of one set of a corpus: features, phones and speakers, read from `data/<set>` and `dump/<set>`."""

from functools import cached_property
from pathlib import Path

import numpy as np

from ctaplib.audio.settings import check_set, read_feature_config
from ctaplib.audio.store import FeatureStore
from ctaplib.data.batching import BatchConfig
from ctaplib.data.labels import Labelled, Rates, read_labelled
from ctaplib.errors import DataError, shortened
from ctaplib.files import read_table, write_tsv
from ctaplib.text.tokens import TokenList


class SpeechSet:
    """The utterances of one set; those that cannot be used are skipped and listed in the file `report`.

    Args:
        data, dump: Folders of the data directories and of the features.
        tokens: Token list, or None for speech without labels.
        hop: Feature frames in one content frame; utterances are cut to a multiple of it.
        ctc_factor: CTC frames in one content frame, which an utterance must have enough of; 0: no CTC.
        limits: Shortest and longest utterance.

    Raises:
        ConfigError, DataError: there is no such set, nothing of it can be used, or files are missing or malformed.
    """

    def __init__(
        self,
        data: Path,
        dump: Path,
        name: str,
        tokens: TokenList | None,
        *,
        hop: int,
        ctc_factor: int = 0,
        limits: BatchConfig | None = None,
        report: Path | None = None,
    ) -> None:
        self.name, self._data, self._dump = name, data / name, dump / name
        check_set(dump / name)
        self.rates = Rates(read_feature_config(dump / name / "features.yaml"), hop, ctc_factor)
        self.store = FeatureStore(dump / name / "feats.scp")
        self.pitch = FeatureStore(dump / name / "f0.scp")
        lengths = self.store.lengths()
        left_out: dict[str, str] = {}
        self.labelled: dict[str, Labelled] = {}
        if tokens is not None:
            self.labelled = read_labelled(data / name, lengths, tokens, self.rates, left_out)
        if limits is not None:
            for utt, frames in lengths.items():
                if reason := self._outside(utt, frames, limits):
                    left_out[utt] = reason
        self.utts = sorted(u for u in lengths if u not in left_out and (tokens is None or u in self.labelled))
        self.lengths = [self.rates.floor(lengths[u]) for u in self.utts]
        if report is not None:
            rows = [{"set": name, "utt": u, "reason": r} for u, r in sorted(left_out.items())]
            write_tsv(report, rows, ["set", "utt", "reason"])
        if not self.utts:
            reasons = shortened([f"{u}: {r}" for u, r in left_out.items()])
            raise DataError(f"no utterance of {name} can be used", reasons, fix="see the reasons")

    @cached_property
    def speakers(self) -> dict[str, str]:
        """The speaker of every utterance."""
        return read_table(self._data / "utt2spk")

    def _outside(self, utt: str, frames: int, limits: BatchConfig) -> str:
        """Return why an utterance cannot be used; "" if it can."""
        seconds = frames / self.rates.features.frames_per_s
        phones = len(self.labelled[utt].phones) if utt in self.labelled else 0
        if utt not in self.pitch:
            return "not in f0.scp"
        if not limits.min_s <= seconds <= limits.max_s:
            return f"{seconds:.2f} s long, allowed are {limits.min_s} to {limits.max_s} s"
        if limits.max_phones and phones > limits.max_phones:
            return f"{phones} phones, allowed are {limits.max_phones}"
        return ""

    def mel(self, utt: str) -> np.ndarray:
        """Return the log-mel (T, n_mels) of an utterance, T a multiple of the hop: a read-only view, nothing is read yet."""
        mel = self.store[utt]
        return mel[: self.rates.floor(len(mel))]

    def f0_hz(self, utt: str) -> np.ndarray:
        """Return the F0 (T,) of an utterance, as long as its mel, likewise."""
        f0 = self.pitch[utt]
        return f0[: self.rates.floor(len(f0))]

    def clip(self, utt: str, seconds: float, where: float) -> np.ndarray:
        """Return `seconds` of log-mel, rounded down to whole content frames, or the whole utterance if it is shorter.

        `where` is the position of the part, from 0 (start of the utterance) to 1 (its end).
        """
        mel = self.mel(utt)
        frames = min(self.rates.floor(int(seconds * self.rates.features.frames_per_s)), len(mel))
        start = int(where * (len(mel) - frames + 1)) if len(mel) > frames else 0
        return mel[start : start + frames]
