"""Checkpoints: written atomically, read without running code."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ctaplib.errors import CheckpointError
from ctaplib.files import atomic_write

FORMAT = "ctaplib-checkpoint-2"
_AGAIN = "take the file from a copy, or train again (in a recipe: --force true for its stage; else another --exp)"


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write tensors, numbers, strings and containers of them under `path`, atomically, with a digest of all of it.

    Raises:
        CtapError: the disk is full; the earlier checkpoint of that name, if any, is untouched.
    """
    digest = content_digest(state)
    with atomic_write(path, "wb") as out:
        try:
            torch.save({"format": FORMAT, "digest": digest, **state}, out)
        except RuntimeError as error:  # torch closes its archive first, which hides the error of the file
            raise error.__context__ if isinstance(error.__context__, OSError) else error from None


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of `save_checkpoint` on the CPU.

    Raises:
        CheckpointError: the file is missing, truncated, was changed since, or was not written by ctaplib.
    """
    path = Path(path)
    if not path.exists():
        raise CheckpointError(f"{path} is missing", fix="train the model first, or name the folder it was trained in")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle may raise anything: KeyError, struct.error, ...
        reason = str(error).partition("\n")[0].partition(". ")[0] or type(error).__name__  # without torch's advice
        raise CheckpointError(
            f"{path} ({path.stat().st_size} bytes) cannot be read as a checkpoint: {reason}",
            expected="a file written to its end by ctaplib",
            fix=_AGAIN,
        ) from error
    if not isinstance(state, dict) or state.pop("format", None) != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of ctaplib", expected=f"the format {FORMAT}")
    try:
        whole = state.pop("digest", None) == content_digest(state)
    except Exception as error:  # damage may leave objects without content, for instance a tensor without data
        raise CheckpointError(f"{path} is damaged: {error}", fix=_AGAIN) from error
    if not whole:
        raise CheckpointError(
            f"{path} was changed after it was written: its content does not match its digest",
            expected="an unchanged file",
            fix=_AGAIN,
        )
    return state


def content_digest(value: object) -> str:
    """Return the SHA-256 of tensors, numbers, strings and containers of them, independent of the order of keys."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", value: object) -> None:
    if isinstance(value, torch.Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}".encode())
        for key in sorted(value, key=repr):
            digest.update(repr(key).encode())
            _feed(digest, value[key])
    elif isinstance(value, list | tuple):
        digest.update(f"sequence {len(value)}".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(repr(value).encode())


def load_weights(module: torch.nn.Module, weights: Mapping[str, torch.Tensor], origin: str) -> None:
    """Load weights; every one that is missing, left over or of another shape is an error.

    Raises:
        CheckpointError: the weights do not fit the module.
    """
    own = module.state_dict()
    faults = [f"missing {name}" for name in own if name not in weights]
    faults += [f"left over {name}" for name in weights if name not in own]
    faults += [
        f"{name} is {tuple(weights[name].shape)}, the model has {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if faults:
        raise CheckpointError(
            f"{origin} does not fit the model: {'; '.join(faults[:6])}" + (" ..." if len(faults) > 6 else ""),
            expected="a checkpoint of the same config and token list",
            fix="use the config.yaml and tokens.txt beside the checkpoint",
        )
    module.load_state_dict(weights)


def weights_digest(module: torch.nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers."""
    return content_digest(module.state_dict())
