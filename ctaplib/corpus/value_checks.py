"""Check single values of the tables of a data directory, by the rules of Kaldi's validate_data_dir.sh."""

from collections.abc import Callable


def _number(value: str) -> float:
    """A number of one word, or 0."""
    try:
        return float(value)
    except ValueError:
        return 0.0


def _frames(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) > 0


def _warp(value: str) -> bool:
    return 0.5 < _number(value) < 1.5


def _channel(value: str) -> bool:
    words = value.split()
    return len(words) == 2 and words[1] in ("A", "B", "1")


Rule = tuple[Callable[[str], bool], str, bool]
RULES: dict[str, Rule] = {
    "utt2dur": (lambda value: _number(value) > 0, "one number of seconds above 0", True),
    "utt2num_frames": (_frames, "a whole number of frames above 0", True),
    "reco2dur": (lambda value: _number(value) > 0, "one number of seconds above 0", False),
    "reco2file_and_channel": (_channel, "a file and a channel, A or B", False),
    "utt2warp": (_warp, "a number between 0.5 and 1.5", False),
    "spk2warp": (_warp, "a number between 0.5 and 1.5", False),
    "spk2gender": (lambda value: value in ("m", "f"), "m or f", False),
    "wav.scp": (lambda value: not value.startswith("~"), "a path without `~`, which only shells know", False),
}
"""Of each table: whether a value is good, what is expected, and whether we cannot work with it if it is not."""
