"""Every declared method has a model that can do what the declaration says."""

from pathlib import Path

import pytest
import torch
from small_configs import small_task

from ctaplib.methods.base import ABILITIES, find_method, method_names
from ctaplib.models.abilities import PROTOCOLS, Content, lacking


def test_every_ability_has_a_protocol() -> None:
    assert set(PROTOCOLS) == set(ABILITIES)


@pytest.mark.parametrize("name", method_names())
def test_the_model_of_a_method_has_its_abilities(name: str, tiny: Path, tmp_path: Path) -> None:
    method = find_method(name)
    task = small_task(method.tasks["pretrain"], tiny, tmp_path / "run")
    model = task.model.eval()
    assert {a: missing for a in sorted(method.abilities) if (missing := lacking(model, a))} == {}
    batch = task.load("valid", task.valid_plan()[0][:2], 0)
    with torch.no_grad():
        content = model.content(batch.mel, batch.mel_lengths, batch.f0_hz)
        assert content.mask.sum(1).tolist() == (batch.mel_lengths // model.hop).tolist()
        if "codes" in method.abilities:
            known = content.codes[content.mask]
            assert int(known.min()) >= 0 and int(known.max()) < model.quantizer.codebook_size
        if "phonemes" in method.abilities:
            frames = batch.mel.shape[1]
            phonemes = model.phonemes(batch.phones, batch.durations, batch.mel_lengths, frames)
            assert phonemes.shape == content.speech.shape
        if "read" in method.abilities:
            assert model.read(content).lengths.tolist() == content.mask.sum(1).tolist()
        if "speak" in method.abilities:
            voice = model.voice(batch.prompt, batch.prompt_lengths)
            output = model.speak(content, voice, batch.ids)
            assert output.mel.shape == batch.mel.shape
            alone = model.speak(Content(content.frames[1:], content.mask[1:]), voice[1:], batch.ids[1:])
            torch.testing.assert_close(alone.mel[0], output.mel[1], atol=1e-4, rtol=1e-4)


def test_what_a_model_lacks_is_listed() -> None:
    class Half(torch.nn.Module):
        hop = 4

        def content(self) -> None: ...

    assert lacking(Half(), "content") == [] and lacking(Half(), "codes") == ["quantizer"]
    assert lacking(Half(), "speak") == ["speak", "voice"]
