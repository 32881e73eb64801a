"""Audio of the report: conversion, synthesis, resynthesis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.probes import evenly_spaced
from ctaplib.methods.base import System, systems
from ctaplib.report.clips import Clip, make_clip

Item = dict[str, str]
_LABELS = {
    "vqctap": "frozen",
    "finetuned": "fine-tuned",
    "vocoder": "natural mel, trained vocoder",
    "griffin_lim": "natural mel, Griffin-Lim",
}


@dataclass(frozen=True)
class ClipRow:
    """Clips that belong together, with their transcript and a remark."""

    transcript: str
    about: str
    clips: list[Clip]


def clip_rows(inputs: Inputs, task: str) -> list[tuple[str, list[ClipRow]]] | str:
    """Make the clips of some items of a task, by set; or return why there are none."""
    most, make_row = _TASKS[task]
    sets = []
    for set_ in inputs.sets:
        outputs = {s: inputs.decoded(task, inputs.name(s), set_) for s in systems(task) if s.name != "natural"}
        decoded = {system: output for system, output in outputs.items() if isinstance(output, Decoded)}
        if decoded:
            items = _choose(next(iter(decoded.values())).items, most)
            sets.append((set_, [make_row(inputs, set_, item, decoded) for item in items]))
    missing = [inputs.missing(system) for system in systems(task) if not system.shared]
    return sets or (missing[0] if all(missing) else None) or "Nothing was decoded for this task; the stage decode (11) makes it."


def _choose(items: Sequence[Item], most: int) -> list[Item]:
    """Choose evenly spaced items; of conversions half are cross-sex, where there are both kinds."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.get("cross_sex", ""), []).append(item)
    ordered = [groups[kind] for kind in sorted(groups, reverse=True)]
    return [group[i] for group in ordered for i in evenly_spaced(len(group), most // len(groups))]


def _conversion(inputs: Inputs, set_: str, item: Item, decoded: Mapping[System, Decoded]) -> ClipRow:
    source, target = inputs.table(set_, "utt2spk")[item["source_utt"]], item["target_spk"]
    clips = [
        make_clip(inputs.natural[item["source_utt"]], f"source, {source}"),
        make_clip(inputs.natural[item["prompt_utt"]], f"prompt, {target}"),
        *_outputs(item, decoded, "converted, "),
    ]
    sexes = "cross-sex" if item.get("cross_sex") == "yes" else "same sex"
    return ClipRow(_text(inputs, set_, item["source_utt"]), f"{source} to {target}, {sexes}", clips)


def _synthesis(inputs: Inputs, set_: str, item: Item, decoded: Mapping[System, Decoded]) -> ClipRow:
    clips = [
        make_clip(inputs.natural[item["prompt_utt"]], "prompt"),
        *_outputs(item, decoded, "synthesised, "),
        make_clip(inputs.natural[item["text_utt"]], "natural"),
    ]
    return ClipRow(_text(inputs, set_, item["text_utt"]), f"voice of {item['spk']}", clips)


def _resynthesis(inputs: Inputs, set_: str, item: Item, decoded: Mapping[System, Decoded]) -> ClipRow:
    through = "through the content" if inputs.declaration.missing("codes") else "through the codes"
    original = make_clip(inputs.natural[item["id"]], "original")
    clips = [original, *_outputs(item, decoded, "", _LABELS | {"vqctap": through})]
    return ClipRow(_text(inputs, set_, item["id"]), item["id"], clips)


_TASKS: Mapping[str, tuple[int, Callable[[Inputs, str, Item, Mapping[System, Decoded]], ClipRow]]] = {
    "vc": (6, _conversion),
    "tts": (4, _synthesis),
    "resynthesis": (4, _resynthesis),
}
"""Number of items, and what is shown of one."""


def _outputs(item: Item, decoded: Mapping[System, Decoded], what: str, labels: Mapping[str, str] = _LABELS) -> list[Clip]:
    return [
        make_clip(output.wavs[item["id"]], what + labels.get(system.name, system.name))
        for system, output in decoded.items()
        if item["id"] in output.wavs
    ]


def _text(inputs: Inputs, set_: str, utt: str) -> str:
    return inputs.table(set_, "text").get(utt, "")
