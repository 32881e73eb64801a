"""Training preview of the aligner: one utterance with its best path."""

from collections.abc import Sequence

import numpy as np

from ctaplib.align.aligner import Aligner
from ctaplib.align.frontend import centre
from ctaplib.align.topology import Graph
from ctaplib.runs.panels import Preview, posterior_panel


def path_preview(aligner: Aligner, utt: str, phones: Sequence[str], mel: np.ndarray, graph: Graph) -> Preview:
    """Return log-mel (T, n_mels) with the phones of the best path, and posteriors of units with the path over them."""
    topology, seconds = aligner.topology, len(mel) * aligner.front_end.hop_s
    path, _ = aligner.path(centre(mel), graph)
    posteriors = np.exp(aligner.network.log_posteriors(centre(mel)))
    posteriors = posteriors.reshape(len(mel), len(topology.units), topology.per_unit).sum(-1)
    phones_at = [(i.phone, i.start_s, i.end_s) for i in aligner.intervals(path, graph, phones, seconds)]
    panel = posterior_panel(posteriors, topology.units, graph.chain.classes[path] // topology.per_unit, seconds, line="path")
    return Preview(utt, seconds, {"aligned": mel}, phones_at, {"posteriors and path": panel})
