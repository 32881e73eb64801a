"""torchaudio with its compiled parts, on a machine without CUDA: see peers.sh. Imported in the peers' environment only."""

import ctypes
import sys
from pathlib import Path

import torch  # noqa: F401  # its libraries must be loaded first

for library in ("libcudart.so.13", "libc10_cuda.so", "libtorch_cuda.so"):
    path = Path(sys.prefix) / "cuda_names" / library
    if path.exists():
        ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)

import torchaudio  # noqa: E402, F401
