"""Kaldi's commands for data directories that concern audio: other speeds, durations."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from ctaplib.errors import DataError

Add = Callable[..., argparse.ArgumentParser]
SPEED = (
    "change the speed; ids and speakers get the prefix sp<factor>-, recordings that of ids. Unlike Kaldi's, times of segments "
    "are not rounded, utt2dur and reco2dur have 4 places, the sox commands take any format sox knows, and reco2dur is "
    "written only where the source has one"
)


def configure(add: Add) -> None:
    """Declare the commands."""
    verb = add("perturb_data_dir_speed", _perturb, SPEED, "factor", "source", "target")
    verb.add_argument(
        "--tool", choices=("sox", "soxr"), default="sox", help="sox: commands in wav.scp; soxr: files in TARGET/wav (ours)"
    )
    _speakers(verb)
    jobs(verb)
    text = "the original, 0.9 and 1.1 times its speed; see perturb_data_dir_speed"
    verb = add("perturb_data_dir_speed_3way", _perturb_3way, text, "source", "target")
    verb.add_argument("--tool", choices=("sox", "soxr"), default="sox")
    _speakers(verb)
    _switch(verb, "always-include-prefix", "false", "true: ids and speakers at the original speed get sp1.0-")
    jobs(verb)
    text = "write utt2dur from segments or from the audio; a complete one is kept"
    verb = add("get_utt2dur", _utt2dur, text, "dir")
    jobs(verb)
    verb.add_argument("--cmd", help="accepted for compatibility; ours runs on this machine, in --nj processes")
    verb.add_argument("--frame-shift", type=float, help="accepted for compatibility; ours never counts frames of features")
    _switch(verb, "read-entire-file", "false", "accepted for compatibility; ours reads whole files where needed")
    _switch(verb, "permit-no-utterances", "false", "accepted for compatibility; a directory without utterances is a fault")


def jobs(verb: argparse.ArgumentParser) -> None:
    """Declare the number of processes."""
    verb.add_argument("--nj", type=int, default=os.cpu_count() or 1, help="processes that open audio")


def _switch(verb: argparse.ArgumentParser, name: str, default: str, text: str) -> None:
    verb.add_argument(f"--{name}", choices=("true", "false"), default=default, help=text)


def _speakers(verb: argparse.ArgumentParser) -> None:
    _switch(verb, "include-spk-prefix", "true", "false: a speaker at another speed is the same speaker")


def _perturb(args: argparse.Namespace) -> None:
    from ctaplib.corpus.perturb import perturb_set

    perturb_set(
        args.source, args.target, [args.factor], tool=args.tool, nj=args.nj,
        with_speakers=args.include_spk_prefix == "true", always_prefix=True,
    )  # fmt: skip
    print(f"{args.target}: {args.source} at {args.factor} times its speed")


def _perturb_3way(args: argparse.Namespace) -> None:
    from ctaplib.corpus.perturb import perturb_set

    if (Path(args.target) / "feats.scp").exists():
        raise DataError(f"{args.target}/feats.scp is there already", fix="name another directory, or remove its features")
    perturb_set(
        args.source, args.target, ["0.9", "1.0", "1.1"], tool=args.tool, nj=args.nj,
        with_speakers=args.include_spk_prefix == "true", always_prefix=args.always_include_prefix == "true",
    )  # fmt: skip
    print(f"{args.target}: {args.source} at 0.9, 1.0 and 1.1 times its speed")


def _utt2dur(args: argparse.Namespace) -> None:
    from ctaplib.corpus.datadir import read_datadir
    from ctaplib.corpus.perturb import durations
    from ctaplib.files import write_table

    path = Path(args.dir)
    data = read_datadir(path)
    if data.utts.get("utt2dur", {}).keys() == set(data.utt_ids):
        print(f"{path}/utt2dur has every utterance already; remove it to have it made again")
        return
    data = type(data)(data.wavs, {k: v for k, v in data.utts.items() if k != "utt2dur"}, segments=data.segments)
    found = durations(path, data, nj=args.nj)
    write_table(path / "utt2dur", {utt: f"{length_s:.4f}" for utt, length_s in found.items()})
    print(f"{path}/utt2dur: {len(found)} utterances, {sum(found.values()) / 60:.1f} minutes")
