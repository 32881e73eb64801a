"""A trained recipe in Python: audio in, codes, phones, words or audio out.

model = CTAP.from_pretrained("egs/mini/exp")
codes = model.encode("mine.wav")
phones = model.recognize("mine.wav").by_ctc
wave = model.convert("mine.wav", prompt="yours.wav")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch

from ctaplib.audio.features import log_mel
from ctaplib.audio.files import read_audio
from ctaplib.errors import CheckpointError
from ctaplib.infer.convert import convert
from ctaplib.infer.prompts import read_prompts
from ctaplib.infer.recognize import Transcript, recognize
from ctaplib.infer.synthesize import synthesize, with_pause_slots
from ctaplib.infer.vocode import VocoderInput, load_vocoder, vocode
from ctaplib.models.connector import Synthesis
from ctaplib.models.vqctap import VQCTAP
from ctaplib.tasks.load import is_trained, load_task
from ctaplib.tasks.speech import SpeechTask

Audio = str | Path | np.ndarray


class CTAP:
    """The frozen model with what was trained around it.

    Args:
        task: The pre-trained model.
        runs: Folder of the other runs (`tts`, `vocoder`, `asr_finetuned`), where there are any.
    """

    def __init__(self, task: SpeechTask[VQCTAP], runs: Path | None = None) -> None:
        self.task, self.runs = task, runs
        self.rate_hz = task.features.rate_hz

    @classmethod
    def from_pretrained(cls, folder: str | Path, method: str = "vqctap") -> Self:
        """Load a recipe's `exp` folder, or an unpacked model.

        Raises:
            ConfigError, CheckpointError: the folder holds no trained model.
        """
        folder = Path(folder)
        return cls(load_task(folder / method, VQCTAP), folder)

    def mel(self, audio: Audio) -> torch.Tensor:
        """Log-mel (T, n_mels) of a file, or of float samples at the model's rate."""
        wave = audio if isinstance(audio, np.ndarray) else read_audio(audio, self.rate_hz, as_16_bits=True)[0]
        return torch.from_numpy(log_mel(wave, self.task.features))

    @torch.inference_mode()
    def encode(self, audio: Audio) -> np.ndarray:
        """Codes (T / 4,) int64, 25 a second."""
        mel = self.mel(audio)
        mel = mel[: len(mel) // 4 * 4]
        model = self.task.model
        return model.content(mel[None], torch.tensor([len(mel)])).quantized.codes[0].numpy()

    def recognize(self, audio: Audio, run: str | None = None) -> Transcript:
        """Phones, and words where `run` (for example "asr_finetuned") has a word head."""
        task = self.task if run is None else load_task(self._folder(run))
        return recognize(task, {"audio": self.mel(audio)})["audio"]

    def convert(self, audio: Audio, prompt: Audio) -> np.ndarray:
        """The speech of `audio` in the voice of `prompt`: float32 samples at `rate_hz`."""
        model = self.task.model
        voice = read_prompts(model, {"audio": self.mel(prompt)})
        return self._wave(convert(model, {"audio": self.mel(audio)}, voice)[0]["audio"])

    def synthesize(self, phones: Sequence[str], prompt: Audio, words: Sequence[str] = (), speed: float = 1.0) -> np.ndarray:
        """Phones of the model's token list in the voice of `prompt`.

        Args:
            phones: Without silences.
            prompt: A clip of the voice.
            words: Word number of every phone, so that pauses may come between words.
            speed: 2 is twice as fast.
        """
        model = self.task.model
        voice = read_prompts(model, {"audio": self.mel(prompt)})
        synthesis = load_task(self._folder("tts"), Synthesis).model
        slots = {"audio": with_pause_slots(phones, words)}
        made, _ = synthesize(model, synthesis, self.task.tokens, slots, prompts=voice, speed=speed)
        return self._wave(made["audio"])

    def _wave(self, speech: VocoderInput) -> np.ndarray:
        run = self._folder("vocoder")
        vocoder = load_vocoder(run if is_trained(run) else None, self.task.features)
        return vocode(vocoder, {"audio": speech})[0]["audio"].float().numpy()

    def _folder(self, run: str) -> Path:
        if self.runs is None:
            raise CheckpointError(f"the run {run} is not at hand", fix="load the recipe's exp folder, not one run")
        return self.runs / run
