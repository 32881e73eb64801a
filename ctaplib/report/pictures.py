"""Pictures of the report: training, alignment, codes."""

import io
from dataclasses import dataclass

from matplotlib.figure import Figure

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import read_ctm
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.probes import evenly_spaced
from ctaplib.methods.base import SYSTEMS
from ctaplib.report import inputs as report_inputs
from ctaplib.report import plots
from ctaplib.report.clips import data_uri
from ctaplib.runs import curves

_ALIGNMENTS = 3
"""Utterances of each set whose alignment is shown."""


@dataclass(frozen=True)
class Picture:
    """A picture of the page, with a title, a text above it and a note below; each may be empty."""

    uri: str
    alt: str
    title: str = ""
    text: str = ""
    note: str = ""


def _uri(figure: Figure, kind: str = "svg") -> str:
    out = io.BytesIO()
    figure.savefig(out, format=kind, dpi=130, metadata={"Date": None} if kind == "svg" else None)
    return data_uri("image/svg+xml" if kind == "svg" else "image/png", out.getvalue())


def training(inputs: Inputs) -> list[Picture]:
    """Draw the loss curves of every run, with the schedule of the weights."""
    pictures = []
    for run in dict.fromkeys(run for system in SYSTEMS if (run := inputs.run(system))):
        found = curves.read_curves(run)
        if not (found.train or found.valid):
            continue
        name = str(run.relative_to(inputs.exp)) if run.is_relative_to(inputs.exp) else run.name
        weights = found.weights if len({tuple(values) for _, values in found.weights.values()}) > 1 else {}
        pictures.append(Picture(_uri(curves.loss_curves(found.train, found.valid, weights)), f"Curves of {name}", name))
    return pictures


def alignment(inputs: Inputs) -> list[Picture]:
    """Draw mel spectrograms with the aligner's (below) and the true (above) phone boundaries."""
    pictures = []
    for set_ in inputs.sets:
        aligned_path, feats = inputs.data / set_ / "phones.ctm", inputs.dump / set_ / "feats.scp"
        if not (aligned_path.exists() and feats.exists()):
            continue
        true_path = inputs.data / set_ / "phones_true.ctm"
        aligned, true = read_ctm(aligned_path), read_ctm(true_path) if true_path.exists() else {}
        store, text = FeatureStore(feats), inputs.table(set_, "text")
        utts = sorted(utt for utt in aligned if utt in store)
        for utt in (utts[i] for i in evenly_spaced(len(utts), _ALIGNMENTS)):
            figure = plots.alignment(store[utt], inputs.hop_s(set_), aligned[utt], true.get(utt))
            pictures.append(Picture(_uri(figure, "png"), f"Alignment of {utt}", utt, text.get(utt, "")))
    return pictures


def code_use(inputs: Inputs) -> Picture | None:
    """Draw the use of the code book on every set; None without codes."""
    counts = {set_: counts.sum(0) for set_ in inputs.sets if (counts := inputs.code_counts(set_)) is not None}
    return Picture(_uri(plots.code_use(counts)), "Use of the code book") if counts else None


def maps(inputs: Inputs) -> list[Picture]:
    """Draw codes by phone and prompt vectors by speaker, flattened by t-SNE, of the last set that has either."""
    pictures = []
    for set_ in reversed(inputs.sets):
        codes, prompts = report_inputs.code_map(inputs, set_), report_inputs.prompt_vectors(inputs, set_)
        if codes is not None:
            figure = plots.map_of_codes(plots.flat_map(codes.vectors), codes.phones, codes.counts)
            note = f"Codes of {set_} (t-SNE): each is shown as the phone that it mostly falls on; a dot is silence."
            pictures.append(Picture(_uri(figure), "Codes by phone", note=note))
        if prompts is not None:
            figure = plots.map_of_prompts(plots.flat_map(prompts[0]), prompts[1])
            note = f"Prompt vectors of {set_} (t-SNE): one point an utterance, coloured by speaker."
            pictures.append(Picture(_uri(figure), "Prompts by speaker", note=note))
        if pictures:
            break
    return pictures
