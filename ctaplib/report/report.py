"""The report: one HTML page with players, pictures and tables, made from what the stages left behind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ctaplib.audio.store import FeatureStore
from ctaplib.corpus.alignment import read_ctm
from ctaplib.evaluate.catalogue import systems
from ctaplib.evaluate.frames import HOP_S
from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.probes import spread
from ctaplib.evaluate.results import Row
from ctaplib.files import atomic_write
from ctaplib.report import inputs as report_inputs
from ctaplib.report import page, plots
from ctaplib.report.clips import Clip, make_clip
from ctaplib.report.paper_rows import HOW, PaperRows
from ctaplib.report.tables import SHORT, TITLES, arrange, number
from ctaplib.runs import curves

NAMES = {
    "finetuned": "fine-tuned",
    "vocoder": "natural mel, trained vocoder",
    "griffin_lim": "natural mel, Griffin-Lim",
}
RUNS = ("align", "vqctap", "asr_finetuned", "asr_supervised", "tts", "vc", "vocoder", "judge")
HEADLINES = (
    ("asr", "per", "frozen_ctc", "PER from frozen codes"),
    ("vc", "target_wins_pct", "vqctap", "conversions nearer to the target"),
    ("vc", "per", "vqctap", "PER of converted speech (judge)"),
    ("tts", "per", "vqctap", "PER of synthesised speech (judge)"),
    ("pretrain", "codebook_usage_pct", "vqctap", "of the code book in use"),
    ("align", "boundary_median_ms", "aligner", "median boundary error"),
)
_VC_CLIPS, _TTS_CLIPS, _RESYNTHESIS_CLIPS, _ALIGNMENTS = 6, 4, 4, 3


@dataclass(frozen=True)
class Report:
    """What the page is made of.

    Attributes:
        title: Title of the page.
        inputs: Where things lie.
        rows: Rows of results.
        papers: Published numbers.
        environment: Lines about the machine.
    """

    title: str
    inputs: Inputs
    rows: Sequence[Row]
    papers: PaperRows
    environment: Mapping[str, str]

    def html(self) -> str:
        """The whole page."""
        sections = [
            ("results", "Results", self.results()),
            ("conversion", "Conversion", self.conversion()),
            ("synthesis", "Synthesis", self.synthesis()),
            ("resynthesis", "Resynthesis", self.resynthesis()),
            ("training", "Training", self.training()),
            ("alignment", "Alignment", self.alignment()),
            ("codes", "Codes", self.codes()),
            ("run", "The run", self.run()),
        ]
        foot = "Made by ctaplib. Every number says who measured it, and every gap why it is there."
        return page.document(self.title, self._top(), sections, foot)

    def _top(self) -> str:
        sets = ", ".join(self.inputs.sets)
        command = next((row.command for row in self.rows if row.command), None)
        said = f" Command: <code>{escape(command)}</code>." if command else ""
        boxes = "".join(
            f'<div class="figure"><b>{number(value)} {row.unit}</b><span>{escape(text)}, {escape(row.set)}</span></div>'
            for row, value, text in self._headlines()
        )
        return f'<p>Test sets: {escape(sets)}.{said}</p><div class="figures">{boxes}</div>'

    def _headlines(self) -> list[tuple[Row, float, str]]:
        found = []
        for task, metric, system, text in HEADLINES:
            name = self.inputs.method if system == "vqctap" else system
            for set_ in reversed(self.inputs.sets):
                match = [r for r in self.rows if (r.task, r.metric, r.system, r.set) == (task, metric, name, set_)]
                if match and match[0].value is not None:
                    found.append((match[0], match[0].value, text))
                    break
        return found

    def results(self) -> str:
        """Tables by task, with published numbers beside them."""
        lead = "Numbers in brackets are 95 % intervals, bootstrapped over utterances. The judge stands in the heading."
        parts = [f'<p class="lead">{lead} A dash says why when the pointer rests on it.</p>']
        for task in dict.fromkeys(row.task for row in self.rows):
            tables = [table for table in arrange(self.rows) if table.task == task]
            title = f"<h3>{escape(TITLES.get(task, task))}</h3>"
            parts.append(page.card(title + "".join(map(page.result_table, tables)) + self._published(task)))
        if self.papers.missing:
            parts.append(page.note("Not to be had: " + " ".join(self.papers.missing)))
        return "".join(parts)

    def _published(self, task: str) -> str:
        chosen = [row for row in self.papers.rows if row.task == task]
        if not chosen:
            return ""
        lines = "".join(
            f'<tr><td class="text">{escape(row.system)}</td><td class="text">{escape(SHORT.get(row.metric, row.metric))}'
            f'</td><td>{number(row.value)} {escape(row.unit)}</td><td class="text">{escape(row.source)} '
            f'({escape(HOW.get(row.how, row.how))})</td><td class="text">{escape(row.why_not)}</td></tr>'
            for row in chosen
        )
        heads = "".join(f'<th scope="col">{h}</th>' for h in ("system", "metric", "value", "source", "why not comparable"))
        return (
            "<details><summary>Published numbers, not comparable</summary>"
            f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div></details>'
        )

    def _systems(self, task: str, set_: str) -> dict[str, Decoded]:
        found = {}
        for system in systems(task, self.inputs.method):
            decoded = "" if system == "natural" else self.inputs.decoded(task, system, set_)
            if not isinstance(decoded, str):
                found[system] = decoded
        return found

    def _name(self, system: str) -> str:
        return "frozen" if system == self.inputs.method else NAMES.get(system, system)

    def _players(
        self, task: str, most: int, choose: Callable, row: Callable[[dict[str, str], str, dict[str, Decoded]], str]
    ) -> str:
        parts = []
        for set_ in self.inputs.sets:
            decoded = self._systems(task, set_)
            if not decoded:
                continue
            items = choose(next(iter(decoded.values())).items, most)
            parts.append(f"<h3>{escape(set_)}</h3>" + "".join(row(item, set_, decoded) for item in items))
        return "".join(parts) or page.note("Nothing was decoded for this task; the stage decode (11) makes it.")

    def conversion(self) -> str:
        """Source, prompt and conversions of some pairs, half of them cross-sex."""
        return self._players("vc", _VC_CLIPS, _half_cross, self._conversion_row)

    def _conversion_row(self, item: dict[str, str], set_: str, decoded: dict[str, Decoded]) -> str:
        natural, speakers = self.inputs.natural, self.inputs.table(set_, "utt2spk")
        clips = [
            make_clip(natural[item["source_utt"]], f"source, {speakers[item['source_utt']]}"),
            make_clip(natural[item["prompt_utt"]], f"prompt, {item['target_spk']}"),
            *self._made(item, decoded, "converted"),
        ]
        cross = "cross-sex" if item.get("cross_sex") == "yes" else "same sex"
        about = f"{speakers[item['source_utt']]} to {item['target_spk']}, {cross}"
        return page.clip_row(self._text(set_, item["source_utt"]), about, clips)

    def _made(self, item: dict[str, str], decoded: dict[str, Decoded], verb: str) -> list[Clip]:
        return [
            make_clip(made.wavs[item["id"]], f"{verb}, {self._name(system)}")
            for system, made in decoded.items()
            if item["id"] in made.wavs
        ]

    def _text(self, set_: str, utt: str) -> str:
        return self.inputs.table(set_, "text").get(utt, "")

    def synthesis(self) -> str:
        """Prompt, synthesised and natural speech of some sentences."""
        return self._players("tts", _TTS_CLIPS, _evenly, self._synthesis_row)

    def _synthesis_row(self, item: dict[str, str], set_: str, decoded: dict[str, Decoded]) -> str:
        clips = [
            make_clip(self.inputs.natural[item["prompt_utt"]], "prompt"),
            *self._made(item, decoded, "synthesised"),
            make_clip(self.inputs.natural[item["text_utt"]], "natural"),
        ]
        return page.clip_row(self._text(set_, item["text_utt"]), f"voice of {item['spk']}", clips)

    def resynthesis(self) -> str:
        """Originals beside what the codes, and the vocoder alone, make of them."""
        return self._players("resynthesis", _RESYNTHESIS_CLIPS, _evenly, self._resynthesis_row)

    def _resynthesis_row(self, item: dict[str, str], set_: str, decoded: dict[str, Decoded]) -> str:
        clips = [make_clip(self.inputs.natural[item["id"]], "original")]
        clips += [
            make_clip(made.wavs[item["id"]], "through the codes" if system == self.inputs.method else self._name(system))
            for system, made in decoded.items()
            if item["id"] in made.wavs
        ]
        return page.clip_row(self._text(set_, item["id"]), item["id"], clips)

    def training(self) -> str:
        """Loss curves of every run, with the schedule of the weights."""
        parts = [page.note("Blue: training. Red dots: validation.")]
        for run in (self.inputs.method if name == "vqctap" else name for name in RUNS):
            found = curves.read_curves(self.inputs.align if run == "align" else self.inputs.exp / run)
            if found is None or not (found.train or found.valid):
                continue
            weights = found.weights if len({tuple(v) for _, v in found.weights.values()}) > 1 else {}
            with curves.style():
                svg = plots.to_bytes(curves.loss_curves(found.train, found.valid, weights), "svg")
            picture = page.plot(svg, "svg", f"Curves of {run}")
            parts.append(page.card(f"<h3>{escape(run)}</h3>{picture}"))
        return "".join(parts) if len(parts) > 1 else page.note("No run has left a metrics.jsonl.")

    def alignment(self) -> str:
        """Mel spectrograms with found (below) and true (above) phone boundaries."""
        parts = []
        for set_ in self.inputs.sets:
            found_path, feats = self.inputs.data / set_ / "phones.ctm", self.inputs.dump / set_ / "feats.scp"
            if not (found_path.exists() and feats.exists()):
                continue
            true_path = self.inputs.data / set_ / "phones_true.ctm"
            found, true = read_ctm(found_path), read_ctm(true_path) if true_path.exists() else {}
            store = FeatureStore(feats)
            utts = sorted(utt for utt in found if utt in store)
            for utt in (utts[i] for i in spread(len(utts), _ALIGNMENTS)):
                with curves.style():
                    figure = plots.alignment(store[utt], HOP_S, found[utt], true.get(utt))
                    said = f"<h3>{escape(utt)}</h3><p>{escape(self._text(set_, utt))}</p>"
                    parts.append(page.card(said + page.plot(plots.to_bytes(figure, "png"), "png", f"Alignment of {utt}")))
        legend = page.note("Below, blue: found by the aligner. Above, green: true times, where the corpus knows them.")
        return legend + "".join(parts) if parts else page.note("No set is aligned; the stage align (4) does it.")

    def codes(self) -> str:
        """Use of the code book; codes by phone and prompt vectors by speaker, flattened by t-SNE."""
        counts = {set_: report_inputs.code_counts(self.inputs, set_) for set_ in self.inputs.sets}
        known = {set_: count for set_, count in counts.items() if count is not None}
        if not known:
            return page.note("There are no codes; the stage codes (6) dumps them.")
        with curves.style():
            parts = [page.card(page.plot(plots.to_bytes(plots.code_use(known), "svg"), "svg", "Use of the code book"))]
            maps = ""
            last = list(known)[-1]
            codes = report_inputs.code_map(self.inputs, last)
            if codes is not None:
                figure = plots.map_of_codes(plots.flat_map(codes.vectors), codes.phones, codes.counts)
                text = f"Codes of {last} (t-SNE): each stands as the phone that it mostly falls on; a dot is silence."
                maps += page.card(page.plot(plots.to_bytes(figure, "svg"), "svg", "Codes by phone") + page.note(text))
            prompts = report_inputs.prompt_vectors(self.inputs, last)
            if prompts is not None:
                figure = plots.map_of_prompts(plots.flat_map(prompts[0]), prompts[1])
                text = f"Prompt vectors of {last} (t-SNE): one point an utterance, coloured by speaker."
                maps += page.card(page.plot(plots.to_bytes(figure, "svg"), "svg", "Prompts by speaker") + page.note(text))
        return "".join(parts) + f'<div class="two">{maps}</div>'

    def run(self) -> str:
        """Times of the stages, the machine, config hashes and seeds."""
        exp = self.inputs.exp
        times = report_inputs.stage_times(self.inputs.dump, self.inputs.align.parent, exp.parent, exp)
        parts = []
        if times:
            lines = [f"<tr><td>{n} {escape(name)}</td><td>{s:.1f}</td><td>{m or ''}</td></tr>" for n, name, s, m in times]
            lines.append(f"<tr><td><b>all</b></td><td><b>{sum(t[2] for t in times):.1f}</b></td><td></td></tr>")
            parts.append(_table(("stage", "seconds", "peak memory, MiB"), lines))
        runs = dict.fromkeys((r.task, r.system, r.config_hash, r.seed) for r in self.rows if r.config_hash)
        lines = [
            f'<tr><td>{escape(task)}</td><td class="text">{escape(system)}</td><td><code>{escape(str(hash_))}</code></td>'
            f"<td>{seed}</td></tr>"
            for task, system, hash_, seed in runs
        ]
        parts.append(_table(("task", "system", "config hash", "seed"), lines))
        facts = {"commit": ", ".join(dict.fromkeys(r.commit for r in self.rows if r.commit))} | dict(self.environment)
        lines = [f'<tr><td>{escape(k)}</td><td class="text">{escape(v)}</td></tr>' for k, v in facts.items()]
        parts.append(_table(("", "environment"), lines))
        return "".join(map(page.card, parts))


def _table(heads: Sequence[str], lines: Sequence[str]) -> str:
    top = "".join(f'<th scope="col">{escape(head)}</th>' if head else "<td></td>" for head in heads)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _evenly(items: Sequence[dict[str, str]], most: int) -> list[dict[str, str]]:
    return [items[i] for i in spread(len(items), most)]


def _half_cross(items: Sequence[dict[str, str]], most: int) -> list[dict[str, str]]:
    groups = [[i for i in items if (i.get("cross_sex") == "yes") is cross] for cross in (True, False)]
    return [item for group in groups for item in _evenly(group, most // 2) if group]


def write_report(report: Report, folder: Path) -> Path:
    """Write `index.html`.

    Returns:
        Its path.
    """
    path = folder / "index.html"
    with atomic_write(path) as out:
        out.write(report.html())
    return path
