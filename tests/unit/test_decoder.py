"""The decoder slot: how a config names a decoder, and a decoder in a file of its own that draws noise."""

from pathlib import Path

import pytest
import torch
from small_configs import small_task

import ctaplib.models
from ctaplib.config import load_config, save_config
from ctaplib.errors import ConfigError
from ctaplib.models.abilities import Content
from ctaplib.models.decoder import Decoder, DecoderSlot, DecoderTarget, draw_keys, keyed_noise
from ctaplib.models.vqctap import VQCTAPConfig


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = Path(__file__).parent / "plugins"
    monkeypatch.setattr(ctaplib.models, "__path__", [*ctaplib.models.__path__, str(plugins)])


def test_options_stand_beside_the_name_or_as_in_older_configs_under_options(tmp_path: Path) -> None:
    beside = VQCTAPConfig.model_validate({"mel_decoder": {"slow": {"layers": 3}, "pitch": False}})
    under = VQCTAPConfig.model_validate(
        {"mel_decoder": {"name": "regression", "options": {"slow": {"layers": 3}, "pitch": False}}}
    )
    assert beside == under and beside.mel_decoder.resolved().slow.layers == 3
    assert load_config(VQCTAPConfig, None, ["mel_decoder.slow.layers=3", "mel_decoder.pitch=false"]) == beside
    save_config(beside, tmp_path / "config.yaml")
    text = (tmp_path / "config.yaml").read_text()
    assert "hidden: 480" in text and "options" not in text, "a saved config holds the options that nobody gave"
    assert load_config(VQCTAPConfig, None, [f"mel_decoder={beside.mel_decoder.model_dump()}", "mel_decoder.fast.layers=5"])


@pytest.mark.parametrize(
    ("slot", "message"),
    [
        ({"name": "regresion"}, "no decoder named 'regresion'.*did you mean regression"),
        ({"slwo": {}}, "decoder regression: there is no slwo, did you mean slow"),
        ({"slow": {"widht": 3}}, r"there is no slow\.widht, did you mean slow\.width"),
        ({"pitch": True, "options": {"pitch": False}}, "options pitch twice"),
    ],
)
def test_bad_slots_are_explained(slot: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecoderSlot.model_validate(slot)


def test_noise_depends_on_the_key_alone() -> None:
    like = torch.zeros(())
    alone, longer = keyed_noise(["a"], 5, 3, like), keyed_noise(["b", "a"], 9, 3, like)
    assert torch.equal(longer[1, :5], alone[0]) and not torch.equal(longer[0, :5], alone[0])
    assert draw_keys(["a", "b"], 1, 20) == ("a 1 20", "b 1 20")


def test_a_decoder_that_draws_noise_is_a_file(noise: None) -> None:
    assert DecoderSlot.CHOICES.names() == ["noise", "regression"]
    decoder = DecoderSlot(name="noise", options={"steps": 2}).build(6, 4, 8, 2)
    assert isinstance(decoder, Decoder)
    frames, mask = torch.randn(2, 10, 6), torch.arange(10) < torch.tensor([[10], [7]])
    voice, mel = torch.randn(2, 4), torch.randn(2, 20, 8)
    both = decoder(Content(frames, mask), voice, ("a", "b")).mel
    alone = decoder(Content(frames[1:, :7], mask[1:, :7]), voice[1:], ("b",)).mel
    torch.testing.assert_close(both[1, :14], alone[0])
    target = DecoderTarget(mel, torch.zeros(2, 20), mask.repeat_interleave(2, 1))
    losses = [decoder.loss(Content(frames, mask), voice, target, draw_keys(("a", "b"), step)) for step in (1, 1, 2)]
    assert losses[0].mel.total == losses[1].mel.total != losses[2].mel.total
    assert losses[0].output is None and float(losses[0].terms["pitch"].count) == 0


def test_tasks_train_a_decoder_that_has_no_output_in_training(tiny: Path, tmp_path: Path, noise: None) -> None:
    task = small_task("vqctap", tiny, tmp_path / "run", "model.mel_decoder={name: noise}")
    batch = task.load("train", task.train_plan(1)[0], 5)
    terms = task.losses(batch, 5, "model")
    assert terms["mel"].total.item() > 0 and float(terms["pitch"].count) == 0
    terms["consistency"].total.backward()
    assert task.model.mel_decoder.field.weight.grad.abs().sum() > 0, "consistency decodes, with gradient"
    assert task.losses(batch, 5, "model")["mel"].total == terms["mel"].total
    with torch.no_grad():
        assert {"mel", "pitch", "vq"} <= set(task.evaluate(batch))
        assert all("pitch" not in preview.panels for preview in task.previews(batch))
