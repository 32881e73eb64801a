"""Sections of the report with pictures: training, alignment, codes."""

from html import escape

from matplotlib.figure import Figure

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import read_ctm
from ctaplib.evaluate.inputs import Inputs
from ctaplib.evaluate.probes import evenly_spaced
from ctaplib.methods.base import SYSTEMS
from ctaplib.report import inputs as report_inputs
from ctaplib.report import page, plots
from ctaplib.runs import curves

_ALIGNMENTS = 3
"""Utterances of each set whose alignment is shown."""


def training(inputs: Inputs) -> str:
    """Show the loss curves of every run, with the schedule of the weights."""
    parts = []
    for run in dict.fromkeys(inputs.run(system) for system in SYSTEMS):
        found = None if run is None else curves.read_curves(run)
        if run is None or found is None or not (found.train or found.valid):
            continue
        name = str(run.relative_to(inputs.exp)) if run.is_relative_to(inputs.exp) else run.name
        weights = found.weights if len({tuple(values) for _, values in found.weights.values()}) > 1 else {}
        figure = curves.loss_curves(found.train, found.valid, weights)
        parts.append(page.card(f"<h3>{escape(name)}</h3>{_picture(figure, f'Curves of {name}')}"))
    legend = page.note("Blue: training. Red dots: validation.")
    return legend + "".join(parts) if parts else page.note("No run has left a metrics.jsonl.")


def alignment(inputs: Inputs) -> str:
    """Show mel spectrograms with the aligner's (below) and the true (above) phone boundaries."""
    parts = []
    for set_ in inputs.sets:
        found_path, feats = inputs.data / set_ / "phones.ctm", inputs.dump / set_ / "feats.scp"
        if not (found_path.exists() and feats.exists()):
            continue
        true_path = inputs.data / set_ / "phones_true.ctm"
        found, true = read_ctm(found_path), read_ctm(true_path) if true_path.exists() else {}
        store, text = FeatureStore(feats), inputs.table(set_, "text")
        utts = sorted(utt for utt in found if utt in store)
        for utt in (utts[i] for i in evenly_spaced(len(utts), _ALIGNMENTS)):
            figure = plots.alignment(store[utt], inputs.hop_s(set_), found[utt], true.get(utt))
            head = f"<h3>{escape(utt)}</h3><p>{escape(text.get(utt, ''))}</p>"
            parts.append(page.card(head + _picture(figure, f"Alignment of {utt}", "png")))
    legend = page.note("Below, blue: found by the aligner. Above, green: true times, where the corpus has them.")
    return legend + "".join(parts) if parts else page.note("No set is aligned; the stage align (4) does it.")


def codes(inputs: Inputs) -> str:
    """Show the use of the code book; codes by phone and prompt vectors by speaker, flattened by t-SNE."""
    parts, maps = [], []
    counts = {set_: report_inputs.code_counts(inputs, set_) for set_ in inputs.sets}
    known = {set_: count for set_, count in counts.items() if count is not None}
    if known:
        parts.append(page.card(_picture(plots.code_use(known), "Use of the code book")))
    else:
        missing = inputs.declaration.missing("codes")
        parts.append(page.note(missing or "There are no codes; the stage codes (6) dumps them."))
    for set_ in reversed(inputs.sets):
        found, prompts = report_inputs.code_map(inputs, set_), report_inputs.prompt_vectors(inputs, set_)
        if found is not None:
            figure = plots.map_of_codes(plots.flat_map(found.vectors), found.phones, found.counts)
            text = f"Codes of {set_} (t-SNE): each is shown as the phone that it mostly falls on; a dot is silence."
            maps.append(page.card(_picture(figure, "Codes by phone") + page.note(text)))
        if prompts is not None:
            figure = plots.map_of_prompts(plots.flat_map(prompts[0]), prompts[1])
            text = f"Prompt vectors of {set_} (t-SNE): one point an utterance, coloured by speaker."
            maps.append(page.card(_picture(figure, "Prompts by speaker") + page.note(text)))
        if maps:
            break
    return "".join(parts) + f'<div class="two">{"".join(maps)}</div>'


def _picture(figure: Figure, alt: str, kind: str = "svg") -> str:
    return page.plot(plots.to_bytes(figure, kind), kind, alt)
