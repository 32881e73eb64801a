"""A Kaldi monophone GMM aligner on the same files as ours: the rows `gmm_mono`, and both side by side.

The peer is kaldi-hmm-gmm's: 13 MFCC with differences every 5 ms, mean-normalised, three states, Gaussians added over
30 passes, silence optional at the ends and between words. It trains on an even share of the training set without any
true time, aligns the test sets, and writes `<exp>/gmm_mono/<set>/{phones.ctm,ali_report.tsv}`, where `ctap score` and
`ctap align score` find them.

    cd egs/mini && python ../../tests/bench/bench_align_gmm.py --utts 300

Needs the wheels kaldi-hmm-gmm==1.1.4, kaldifst==1.7.17 and kaldi-native-fbank.
"""

import argparse
import math
import shlex
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import kaldi_hmm_gmm as khg
import kaldi_native_fbank
import kaldifst
import numpy as np

from ctaplib.align.corpus import Utterance, find_units, read_utterances, unit_of
from ctaplib.align.sets import REPORT_FIELDS
from ctaplib.audio.files import read_audio
from ctaplib.cli.align import score_sets
from ctaplib.corpus.alignment import Alignment, Interval, count_lost, write_ctm
from ctaplib.files import atomic_write, write_tsv

HOP_S = 0.005
SILENCE_ID = 1
ACOUSTIC_SCALE = 0.1


def mfcc(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """13 MFCC with first and second differences, mean-normalised, (T, 39) float32."""
    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = rate_hz, 0
    options.frame_opts.frame_shift_ms, options.frame_opts.snip_edges = 1000 * HOP_S, False
    options.mel_opts.num_bins, options.num_ceps = 23, 13
    online = kaldi_native_fbank.OnlineMfcc(options)
    online.accept_waveform(rate_hz, (wave * 32768).tolist())
    online.input_finished()
    values = np.stack([online.get_frame(i) for i in range(online.num_frames_ready)])
    first = _difference(values)
    wide = np.concatenate([values, first, _difference(first)], 1)
    return np.ascontiguousarray(wide - wide.mean(0), dtype=np.float32)


def _difference(values: np.ndarray) -> np.ndarray:
    padded = np.pad(values, ((2, 2), (0, 0)), "edge")
    return (padded[3:-1] - padded[1:-3]) / 10 + 2 * (padded[4:] - padded[:-4]) / 10


@dataclass
class Item:
    """One utterance of the peer."""

    utterance: Utterance
    frames: np.ndarray
    end_s: float
    phones: list[int]
    graph: object = None
    path: list[int] = field(default_factory=list)


class Peer:
    """A monophone system over an inventory of units."""

    def __init__(self, units: tuple[str, ...], frames: np.ndarray) -> None:
        self.ids = {unit: i + 1 for i, unit in enumerate(units)}
        topology = khg.HmmTopology()
        topology.read("<Topology> " + _entry(list(self.ids.values())) + "</Topology> ")
        self.tree = khg.monophone_context_dependency(
            phones=topology.phones, phone2num_pdf_classes=topology.get_phone_to_num_pdf_classes()
        )
        self.transitions = khg.TransitionModel(ctx_dep=self.tree, hmm_topo=topology)
        flat = khg.DiagGmm(nmix=1, dim=frames.shape[1])
        flat.set_weights(np.ones(1, np.float32))
        flat.set_invvars((1 / frames.var(0, keepdims=True)).astype(np.float32))
        flat.set_means(frames.mean(0, keepdims=True).astype(np.float32))
        flat.compute_gconsts()
        self.model = khg.AmDiagGmm()
        for _ in range(self.tree.num_pdfs):
            self.model.add_pdf(flat)

    def compile(self, items: list[Item]) -> None:
        """Make the graph of every item: its phones, with optional silence at ends and between words."""
        lexicon = kaldifst.StdVectorFst()
        start, end = lexicon.add_state(), lexicon.add_state()
        lexicon.start = start
        lexicon.set_final(state=end, weight=0)
        for number, item in enumerate(items, 1):
            self._spell(lexicon, start, end, number, item)
        kaldifst.arcsort(lexicon, sort_type="olabel")
        compiler = khg.TrainingGraphCompiler(
            trans_model=self.transitions, ctx_dep=self.tree, lex_fst=lexicon, disambig_syms=[],
            opts=khg.TrainingGraphCompilerOptions(),
        )  # fmt: skip
        for number, item in enumerate(items, 1):
            item.graph = compiler.compile_graph_from_text([number])

    def _spell(self, lexicon: object, start: int, end: int, number: int, item: Item) -> None:
        half, words = -math.log(0.5), item.utterance.words
        here = lexicon.add_state()
        lexicon.add_arc(state=start, arc=kaldifst.StdArc(ilabel=0, olabel=number, weight=0.0, nextstate=here))
        for place, phone in enumerate(item.phones):
            pause = place == 0 or not words or words[place] != words[place - 1]
            there, weight = lexicon.add_state(), 0.0
            if pause:
                silent, weight = lexicon.add_state(), half
                lexicon.add_arc(state=here, arc=kaldifst.StdArc(SILENCE_ID, 0, half, silent))
                lexicon.add_arc(state=silent, arc=kaldifst.StdArc(phone, 0, 0.0, there))
            lexicon.add_arc(state=here, arc=kaldifst.StdArc(phone, 0, weight, there))
            here = there
        lexicon.add_arc(state=here, arc=kaldifst.StdArc(SILENCE_ID, 0, half, end))
        lexicon.add_arc(state=here, arc=kaldifst.StdArc(0, 0, half, end))

    def align(self, items: list[Item]) -> int:
        """Find the best path of every item and return how many have none."""
        config = khg.AlignConfig()
        config.beam, config.retry_beam, config.careful = 10.0, 60.0, False
        failed = 0
        for item in items:
            graph = item.graph.copy()
            khg.add_transition_probs(
                trans_model=self.transitions, transition_scale=1.0, self_loop_scale=ACOUSTIC_SCALE, fst=graph
            )
            scorer = khg.DecodableAmDiagGmmScaled(am=self.model, tm=self.transitions, feats=item.frames, scale=ACOUSTIC_SCALE)
            found = khg.align_utterance_wrapper(
                config=config, utt=item.utterance.utt, acoustic_scale=ACOUSTIC_SCALE, fst=graph, decodable=scorer,
                num_done=0, num_error=0, num_retried=0, tot_like=0, frame_count=0,
            )  # fmt: skip
            if found[1] == 0:
                item.path = found[5]
            else:
                failed += 1
        return failed

    def train(self, items: list[Item], passes: int) -> None:
        """Estimate from equal alignment on."""
        for item in items:
            done, fst = kaldifst.equal_align(ifst=item.graph, length=len(item.frames), rand_seed=3, num_retries=10)
            item.path = kaldifst.get_linear_symbol_sequence(fst)[1] if done else []
        target = self.tree.num_pdfs
        for index in range(passes):
            if index and (index < 12 or index % 3 == 0 or index == passes - 1):
                self.align(items)
            self._estimate(items, update_transitions=index % 5 == 0)
            if index < 2 * passes // 3:
                target += 20
                self.model.split_by_count(
                    state_occs=self.occupancy, target_components=target, perturb_factor=0.01, power=0.2, min_count=20.0
                )

    def _estimate(self, items: list[Item], update_transitions: bool) -> None:
        sums = khg.AccumAmDiagGmm()
        sums.init(model=self.model, flags=khg.GmmUpdateFlags.kGmmAll)
        stats = self.transitions.init_stats()
        for item in items:
            for frame, transition in zip(item.frames, item.path):
                pdf = self.transitions.transition_id_to_pdf(transition)
                sums.accumulate_for_gmm(model=self.model, data=frame, gmm_index=pdf, weight=1.0)
                if update_transitions:
                    stats = self.transitions.accumulate(prob=1.0, trans_id=transition, stats=stats)
        occupancy = [sums.get_acc(i).occupancy.sum() for i in range(sums.num_accs)]
        self.occupancy = np.array(occupancy, np.float32)
        if update_transitions:
            self.transitions.mle_update(stats, khg.MleTransitionUpdateConfig())
        khg.mle_am_diag_gmm_update(
            config=khg.MleDiagGmmOptions(), amdiag_gmm_acc=sums, flags=khg.str_to_gmm_flags("mvw"), am_gmm=self.model
        )

    def intervals(self, item: Item) -> Alignment:
        """The phones of an aligned item with times."""
        names = {i: unit for unit, i in self.ids.items()}
        starts, last = [], None
        for frame, transition in enumerate(item.path):
            phone = self.transitions.transition_id_to_phone(transition)
            first = self.transitions.transition_ids_is_start_of_phone(transition)
            if last is None or phone != last[0] or (first and not last[1]):
                starts.append((names[phone], frame * HOP_S))
            last = (phone, first)
        spoken = iter(item.utterance.phones)
        labels = [name if name == "sil" else next(spoken) for name, _ in starts]
        ends = [start_s for _, start_s in starts[1:]] + [item.end_s]
        return [Interval(label, start_s, end_s) for label, (_, start_s), end_s in zip(labels, starts, ends)]


def _entry(ids: list[int]) -> str:
    states = "".join(f"<State> {i} <PdfClass> {i} <Transition> {i} 0.75 <Transition> {i + 1} 0.25 </State> " for i in range(3))
    return f"<TopologyEntry> <ForPhones> {' '.join(map(str, ids))} </ForPhones> {states}<State> 3 </State> </TopologyEntry> "


def load(data: Path, dump: Path, ids: dict[str, int], utts: int | None = None) -> list[Item]:
    """Utterances with their features; `utts` of them, spread evenly, where given."""
    utterances = [u for u in read_utterances(data, dump) if u.wav]
    if utts and utts < len(utterances):
        utterances = [utterances[i * len(utterances) // utts] for i in range(utts)]
    items = []
    for utterance in utterances:
        wave, rate_hz = read_audio(utterance.wav)
        phones = [ids[unit_of(phone, False)] for phone in utterance.phones]
        items.append(Item(utterance, mfcc(wave, rate_hz), len(wave) / rate_hz, phones))
    return items


def main() -> None:
    """Train the peer, align the sets, print both systems' rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--dump", type=Path, default=Path("dump"))
    parser.add_argument("--exp", type=Path, default=Path("exp/align"))
    parser.add_argument("--train_set", default="train")
    parser.add_argument("--sets", default="test_unseen")
    parser.add_argument("--utts", type=int, default=300, help="training utterances")
    parser.add_argument("--passes", type=int, default=30)
    args = parser.parse_args()
    started_s = time.monotonic()
    units = find_units(read_utterances(args.data / args.train_set, args.dump / args.train_set), False)
    ids = {unit: i + 1 for i, unit in enumerate(units)}
    items = load(args.data / args.train_set, args.dump / args.train_set, ids, args.utts)
    peer = Peer(units, np.concatenate([item.frames for item in items]))
    peer.compile(items)
    peer.train(items, args.passes)
    print(f"peer trained on {sum(i.end_s for i in items) / 60:.1f} minutes in {time.monotonic() - started_s:.0f} s")
    for name in args.sets.split():
        tests = load(args.data / name, args.dump / name, ids)
        peer.compile(tests)
        failed = peer.align(tests)
        out = args.exp / "gmm_mono" / name
        done = {item.utterance.utt: peer.intervals(item) for item in tests if len(item.path)}
        rows = [
            {
                "utt": i.utterance.utt, "status": "aligned" if len(i.path) else "failed",
                "reason": "" if len(i.path) else "no path in the beam", "score": "nan", "phones": len(i.phones),
                "phones_lost": count_lost(done.get(i.utterance.utt, []), 0.01, 4)[0],
            }
            for i in tests
        ]  # fmt: skip
        write_ctm(out / "phones.ctm", done)
        write_tsv(out / "ali_report.tsv", rows, REPORT_FIELDS)
        with atomic_write(out / "command") as command:  # what the rows name
            command.write(f"tests/bench/bench_align_gmm.py {shlex.join(sys.argv[1:])}\n")
        print(f"{name}: {len(done)} of {len(tests)} aligned, {failed} without a path")
    score_sets(args.data, args.dump, args.exp, args.sets.split())


if __name__ == "__main__":
    main()
