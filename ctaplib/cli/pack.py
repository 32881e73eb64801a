"""Pack a trained recipe into a self-contained folder (stage 14)."""

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of `ctap pack`."""
    parser.add_argument("--exp_root", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--dump", type=Path, default=Path("dump"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the packed model")
    parser.add_argument("--method", default="vqctap", help="pre-training method")


def run(args: argparse.Namespace) -> int:
    """Pack, then load what was packed and compare one utterance's codes."""
    from ctaplib.audio.store import FeatureStore
    from ctaplib.errors import StageError
    from ctaplib.infer.pack import pack
    from ctaplib.infer.verify import same_codes

    runs = [args.method, "asr_finetuned", "tts", "vc", "vocoder"]
    done = pack(args.exp_root, args.out, runs, args.exp_root / "results.json")
    store = next((FeatureStore(p) for p in sorted(args.dump.glob("*/feats.scp"))), None)
    if store is not None and not same_codes(args.exp_root / args.method, args.out / args.method, store[next(iter(store))]):
        raise StageError(f"{args.out} gives other codes than {args.exp_root}", fix="report this: packing is broken")
    print(f"packed {', '.join(done)} in {args.out}")
    return 0
