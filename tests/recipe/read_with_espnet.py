"""Run by ESPnet's own Python: read a data directory and its features, print what was found as JSON."""

import json
import sys

from espnet2.fileio.read_text import read_2columns_text
from espnet2.train.dataset import ESPnetDataset

data, dump = sys.argv[1:]
columns = [
    (f"{dump}/wav.scp", "speech", "sound"),
    (f"{dump}/feats.scp", "feats", "kaldi_ark"),
    (f"{dump}/f0.scp", "f0", "kaldi_ark"),
]
dataset = ESPnetDataset(columns, preprocess=None)
text, speakers = read_2columns_text(f"{data}/text"), read_2columns_text(f"{data}/utt2spk")
found = {}
for utterance in text:
    _, arrays = dataset[utterance]
    found[utterance] = {
        "text": text[utterance],
        "speaker": speakers[utterance],
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "mean": float(arrays["feats"].mean()),
    }
print("FOUND " + json.dumps(found))
