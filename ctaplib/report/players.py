"""Sections of the report with audio: conversion, synthesis, resynthesis."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from ctaplib.evaluate.inputs import Decoded, Inputs
from ctaplib.evaluate.probes import evenly_spaced
from ctaplib.methods.base import System, systems
from ctaplib.report import page
from ctaplib.report.clips import Clip, make_clip

Item = dict[str, str]
Choose = Callable[[Sequence[Item], int], list[Item]]

_LABELS = {
    "vqctap": "frozen",
    "finetuned": "fine-tuned",
    "vocoder": "natural mel, trained vocoder",
    "griffin_lim": "natural mel, Griffin-Lim",
}
_VC_ITEMS, _TTS_ITEMS, _RESYNTHESIS_ITEMS = 6, 4, 4


def conversion(inputs: Inputs) -> str:
    """Show source, prompt and conversions of some pairs, half of them cross-sex."""

    def row(item: Item, set_: str, decoded: Mapping[System, Decoded]) -> str:
        speakers = inputs.table(set_, "utt2spk")
        source, target = speakers[item["source_utt"]], item["target_spk"]
        clips = [
            make_clip(inputs.natural[item["source_utt"]], f"source, {source}"),
            make_clip(inputs.natural[item["prompt_utt"]], f"prompt, {target}"),
            *_clips(item, decoded, "converted, "),
        ]
        sexes = "cross-sex" if item.get("cross_sex") == "yes" else "same sex"
        return page.clip_row(_text(inputs, set_, item["source_utt"]), f"{source} to {target}, {sexes}", clips)

    return _section(inputs, "vc", _VC_ITEMS, _half_cross_sex, row)


def synthesis(inputs: Inputs) -> str:
    """Show prompt, synthesised and natural speech of some sentences."""

    def row(item: Item, set_: str, decoded: Mapping[System, Decoded]) -> str:
        clips = [
            make_clip(inputs.natural[item["prompt_utt"]], "prompt"),
            *_clips(item, decoded, "synthesised, "),
            make_clip(inputs.natural[item["text_utt"]], "natural"),
        ]
        return page.clip_row(_text(inputs, set_, item["text_utt"]), f"voice of {item['spk']}", clips)

    return _section(inputs, "tts", _TTS_ITEMS, _evenly, row)


def resynthesis(inputs: Inputs) -> str:
    """Show originals, their resynthesis from codes, and that by the vocoder alone."""
    through = "through the content" if inputs.declaration.missing("codes") else "through the codes"

    def row(item: Item, set_: str, decoded: Mapping[System, Decoded]) -> str:
        original = make_clip(inputs.natural[item["id"]], "original")
        clips = [original, *_clips(item, decoded, "", _LABELS | {"vqctap": through})]
        return page.clip_row(_text(inputs, set_, item["id"]), item["id"], clips)

    return _section(inputs, "resynthesis", _RESYNTHESIS_ITEMS, _evenly, row)


def _section(
    inputs: Inputs, task: str, most: int, choose: Choose, row: Callable[[Item, str, Mapping[System, Decoded]], str]
) -> str:
    parts = []
    for set_ in inputs.sets:
        found = {s: inputs.decoded(task, inputs.name(s), set_) for s in systems(task) if s.name != "natural"}
        decoded = {system: output for system, output in found.items() if isinstance(output, Decoded)}
        if decoded:
            items = choose(next(iter(decoded.values())).items, most)
            parts.append(f"<h3>{escape(set_)}</h3>" + "".join(row(item, set_, decoded) for item in items))
    if parts:
        return "".join(parts)
    missing = [inputs.missing(system) for system in systems(task) if not system.shared]
    nothing = "Nothing was decoded for this task; the stage decode (11) makes it."
    return page.note((missing[0] if all(missing) else None) or nothing)


def _clips(item: Item, decoded: Mapping[System, Decoded], what: str, labels: Mapping[str, str] = _LABELS) -> list[Clip]:
    return [
        make_clip(output.wavs[item["id"]], what + labels.get(system.name, system.name))
        for system, output in decoded.items()
        if item["id"] in output.wavs
    ]


def _text(inputs: Inputs, set_: str, utt: str) -> str:
    return inputs.table(set_, "text").get(utt, "")


def _evenly(items: Sequence[Item], most: int) -> list[Item]:
    return [items[i] for i in evenly_spaced(len(items), most)]


def _half_cross_sex(items: Sequence[Item], most: int) -> list[Item]:
    groups = [[item for item in items if (item.get("cross_sex") == "yes") is cross] for cross in (True, False)]
    return [item for group in groups for item in _evenly(group, most // 2) if group]
