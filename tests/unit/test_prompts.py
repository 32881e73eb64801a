"""Matching to a prompt: the wanted statistics are reached, pauses stay, off is off, too little speech changes nothing."""

import torch

from ctaplib.infer.prompts import LEAST_SPEECH_S, MatchConfig, VoicePrompt, match_prompt, speech_frames, speech_statistics

HOP_S = 0.01


def _mel(seed: int, frames: int = 200, level: float = 0.0, spread: float = 0.5) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    mel = level + spread * torch.randn(frames, 8, generator=draw)
    mel[:20] = -12.0  # a pause
    return mel


def _prompt(mel: torch.Tensor) -> VoicePrompt:
    return VoicePrompt(torch.zeros(3), speech_statistics(mel, HOP_S), HOP_S)


def test_all_the_way_gives_the_prompts_statistics_and_leaves_pauses() -> None:
    mel, wanted = _mel(0), _mel(1, level=0.7, spread=0.6)
    moved = match_prompt(mel, _prompt(wanted), MatchConfig(mean=1.0, deviation=1.0))
    inside = speech_frames(mel)
    statistics = torch.stack([moved[inside].mean(0), moved[inside].std(0)])
    torch.testing.assert_close(statistics, speech_statistics(wanted, HOP_S), atol=1e-4, rtol=1e-4)
    assert int(inside.sum()) == 180
    assert torch.equal(moved[~inside], mel[~inside])


def test_weights_of_zero_change_nothing() -> None:
    mel = _mel(0)
    assert torch.equal(match_prompt(mel, _prompt(_mel(1, level=2.0)), MatchConfig(mean=0.0, deviation=0.0)), mel)


def test_half_way_is_half_way() -> None:
    mel = _mel(0)
    half = match_prompt(mel, _prompt(_mel(1, level=1.0)), MatchConfig(mean=0.5, deviation=0.0))
    whole = match_prompt(mel, _prompt(_mel(1, level=1.0)), MatchConfig(mean=1.0, deviation=0.0))
    torch.testing.assert_close(half - mel, 0.5 * (whole - mel))


def test_a_clip_too_short_for_statistics_is_not_used() -> None:
    short = _mel(1, frames=20 + round(LEAST_SPEECH_S / HOP_S) - 1)
    assert speech_statistics(short, HOP_S) is None
    mel = _mel(0)
    assert torch.equal(match_prompt(mel, _prompt(short), MatchConfig()), mel)
