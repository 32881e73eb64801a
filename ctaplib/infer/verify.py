"""Whether two folders hold the same model."""

from pathlib import Path

import numpy as np
import torch

from ctaplib.models.vqctap import VQCTAP
from ctaplib.tasks.load import load_task


@torch.inference_mode()
def same_codes(first: Path, second: Path, mel: np.ndarray) -> bool:
    """Whether two trained runs give the same codes for a log-mel (T, n_mels)."""
    frames = len(mel) // 4 * 4
    batch = torch.from_numpy(np.array(mel[:frames]))[None]
    found = []
    for folder in (first, second):
        model = load_task(folder, VQCTAP).model
        found.append(model.content(batch, torch.tensor([frames])).quantized.codes)
    return bool(torch.equal(*found))
