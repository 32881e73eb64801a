"""What is looked at of an utterance while the aligner trains: its path."""

from collections.abc import Sequence

import numpy as np

from ctaplib.align.aligner import Aligner
from ctaplib.align.flat_start import Graph
from ctaplib.align.frontend import centre
from ctaplib.align.topology import to_intervals
from ctaplib.runs.panels import Preview, posterior_panel


def show_path(aligner: Aligner, utt: str, phones: Sequence[str], mel: np.ndarray, graph: Graph) -> Preview:
    """Log-mel with the phones where the best path puts them, and posteriors of units with the path over them.

    Args:
        aligner: Its network as it is now.
        utt: Id.
        phones: As in the text.
        mel: (T, n_mels) log-mel of the aligner's front end.
        graph: Where the utterance goes.
    """
    config, topology, hop_s = aligner.config, aligner.topology, aligner.front_end.hop_s
    path, _ = aligner.path(centre(mel), graph)
    chances = np.exp(aligner.network.log_posteriors(centre(mel)))
    chances = chances.reshape(len(mel), len(topology.units), topology.per_unit).sum(-1)
    seconds = len(mel) * hop_s
    intervals = to_intervals(path, graph.owner, phones, hop_s, seconds, config.onset_lead * config.window_s)
    panel = posterior_panel(chances, topology.units, graph.chain.classes[path] // topology.per_unit, seconds, line="path")
    return Preview(
        utt, seconds, {"aligned": mel}, [(i.phone, i.start_s, i.end_s) for i in intervals], {"posteriors and path": panel}
    )
