"""The model: padding and batch order never change a result; the rates are right; parts fit together."""

import numpy as np
import pytest
import torch

from ctaplib.data.transforms import warp_mel, warp_pitch
from ctaplib.errors import ConfigError
from ctaplib.models.decoder import DecoderSlot
from ctaplib.models.decoder_regression import hertz, octaves
from ctaplib.models.heads import PhonemeDecoder, PhonemeDecoderConfig
from ctaplib.models.phoneme_encoder import PhonemeEncoderConfig
from ctaplib.models.prompt_encoder import PromptEncoderConfig
from ctaplib.models.recognizer import Recognizer, RecognizerConfig
from ctaplib.models.speech_encoder import SpeechEncoderConfig, instance_normalize
from ctaplib.models.vqctap import VQCTAP, VQCTAPConfig
from ctaplib.nn.attention import SHORT_FRAMES, attend, rotate, rotation_of
from ctaplib.nn.blocks import Block, Stack, StackConfig
from ctaplib.nn.conv import MaskedConv
from ctaplib.nn.length import regulate
from ctaplib.nn.quantize import QuantizerSlot
from ctaplib.tasks.load import read_task_config
from ctaplib.tensors import length_mask, pad_stack

STACK = StackConfig(width=16, layers=1, hidden=24, heads=2, dropout=0.0)
CONFIG = VQCTAPConfig(
    n_mels=8,
    speech=SpeechEncoderConfig(stack=STACK),
    phoneme=PhonemeEncoderConfig(stack=STACK, embedding=6),
    prompt=PromptEncoderConfig(width=12, output=5),
    quantizer=QuantizerSlot(name="ema", options={"codebook_size": 12, "code_dim": 4}),
    phoneme_decoder=PhonemeDecoderConfig(stack=STACK, ctc_stack=STACK),
    mel_decoder=DecoderSlot(options={"slow": STACK.model_dump(), "fast": STACK.model_dump()}),
)
LENGTHS = (40, 24, 32)


FRONTS = {"front over time": 0, "front over time and mel": 3}


def build(hop: int = 4, front: int = 0) -> VQCTAP:
    torch.manual_seed(0)
    speech = CONFIG.speech.model_copy(update={"front_channels": front, "hop": hop})
    model = VQCTAP(CONFIG.model_copy(update={"speech": speech}), n_tokens=9, n_labels=7).double().eval()
    for parameter in model.parameters():  # zero-initialised parts would hide faults
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


@pytest.fixture(params=FRONTS.values(), ids=FRONTS)
def model(request: pytest.FixtureRequest) -> VQCTAP:
    return build(front=request.param)


def clips() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(n, 8, generator=generator, dtype=torch.float64) for n in LENGTHS]


def run(model: VQCTAP, mels: list[torch.Tensor], extra: int = 0) -> list[dict[str, torch.Tensor]]:
    longest = torch.full((max(map(len, mels)) + extra, 8), 3.0, dtype=torch.float64)
    mel, lengths = pad_stack([*mels, longest], multiple=model.hop)
    mel[: len(mels)] += 100.0 * ~length_mask(lengths, mel.shape[1])[: len(mels), :, None]  # padding holds rubbish
    mel, lengths = mel[: len(mels)], lengths[: len(mels)]
    phones = torch.tensor([[2, 3, 4]] * len(mels))
    durations = torch.stack([torch.tensor([4, int(n) - 10, 6]) for n in lengths])
    content = model.encode(mel, lengths)
    read = model.phoneme_decoder(content.quantized.quantized, content.mask)
    prompt = model.prompt_encoder(mel, lengths)
    decoded = model.mel_decoder(content, prompt.mean)
    parts = {
        "S": content.speech,
        "codes": content.quantized.codes,
        "P": model.phoneme_encoder(phones, durations, lengths, mel.shape[1]),
        "classes": read.classes,
        "mel": decoded.mel,
        "f0": decoded.f0_hz,
        "ctc": read.ctc,
    }
    frames = dict.fromkeys(parts, read.lengths) | {"mel": lengths, "f0": lengths, "ctc": read.ctc_lengths}
    rows = [{n: p[i, : frames[n][i]] for n, p in parts.items()} for i in range(len(mels))]
    return [row | {"G": prompt.mean[i]} for i, row in enumerate(rows)]


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
@pytest.mark.parametrize("hop", [1, 2, 4, 8])
def test_padding_and_batch_order_change_nothing(hop: int, front: int) -> None:
    model, mels = build(hop, front), clips()
    together = run(model, mels, extra=24)
    backwards = run(model, mels[::-1])[::-1]
    for i, mel in enumerate(mels):
        alone = run(model, [mel])[0]
        for name, value in alone.items():
            torch.testing.assert_close(together[i][name], value, rtol=1e-9, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
            torch.testing.assert_close(backwards[i][name], value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
@pytest.mark.parametrize("hop", [1, 2, 4, 8])
def test_rates(hop: int, front: int) -> None:
    row = run(build(hop, front), clips())[0]
    content = 40 // hop
    names = ("S", "P", "codes", "classes", "ctc", "mel", "f0")
    assert [len(row[n]) for n in names] == [content] * 4 + [2 * content, 40, 40]


def test_the_names_of_parameters_at_hop_4_are_those_of_older_checkpoints() -> None:
    names = {n for n in build().state_dict() if "stack" not in n and "fast" not in n and "slow" not in n}
    convs = {f"{part}.{conv}.{p}" for part in ("speech_encoder.front", "phoneme_encoder")
             for conv in ("first", "second") for p in ("weight", "bias")}  # fmt: skip
    assert convs | {"mel_mean", "mel_std", "log_scale", "mel_decoder.outward.weight"} <= names
    assert not any("third" in n for n in names)


def test_ctc_has_as_many_frames_as_its_factor_says() -> None:
    decoder = PhonemeDecoder(PhonemeDecoderConfig(stack=STACK, ctc_stack=STACK, ctc_factor=1), 5, 7)
    read = decoder(torch.randn(2, 6, 5), length_mask(torch.tensor([6, 4])))
    assert read.ctc.shape == (2, 6, 7) and read.ctc_factor == 1 and read.ctc_lengths.tolist() == [6, 4]


def test_the_prompt_is_its_mean_or_drawn_with_the_noise_given(model: VQCTAP) -> None:
    mel, lengths = pad_stack(clips())
    plain, noise = model.prompt_encoder(mel, lengths), torch.ones(3, 5, dtype=torch.float64)
    assert torch.equal(plain.sample, plain.mean)
    drawn = model.prompt_encoder(mel, lengths, noise)
    torch.testing.assert_close(drawn.sample, plain.mean + (0.5 * plain.log_variance).exp())


def test_every_parameter_is_reached_by_a_gradient(model: VQCTAP) -> None:
    model.train()
    rows = run(model, clips())
    scale = model.scale()
    sum(v.sum() * scale for row in rows for n, v in row.items() if n != "codes").backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


def test_octaves_and_hertz_are_inverse() -> None:
    f0 = torch.tensor([[0.0, 75.0, 150.0, 300.0]])
    assert octaves(f0).tolist() == [[0.0, -1.0, 0.0, 1.0]]
    torch.testing.assert_close(hertz(octaves(f0), torch.where(f0 > 0, 1.0, -1.0)), f0)


def test_regulation_repeats_and_pads() -> None:
    durations = torch.tensor([[2, 0, 3], [1, 1, 0]])
    out = regulate(torch.tensor([[5, 6, 7], [8, 9, 1]]), durations, 6)
    assert out.tolist() == [[5, 5, 7, 7, 7, 0], [8, 9, 0, 0, 0, 0]]
    vectors = regulate(torch.tensor([[[1.0], [2.0], [3.0]]]), durations[:1], 5)
    assert vectors[0, :, 0].tolist() == [1.0, 1.0, 3.0, 3.0, 3.0]


def test_warping_by_one_is_the_identity_and_moves_peaks() -> None:
    mel = torch.zeros(2, 3, 40)
    mel[:, :, 20] = 1.0
    same = warp_mel(mel, torch.ones(2), torch.zeros(2))
    torch.testing.assert_close(same, mel)
    moved = warp_mel(mel, torch.tensor([0.8, 1.25]), torch.tensor([0.0, 2.0]))
    assert moved[0, 0].argmax() == 25 and moved[1, 0].argmax() == 16 and moved[1, 0, 0] == 2.0


def test_a_warped_pitch_lies_where_its_peak_does() -> None:
    bands = 2595 * np.log10(1 + np.array([110.0, 220.0]) / 700)
    moved = warp_pitch(torch.tensor([[110.0, 0.0], [220.0, 0.0]]), torch.tensor([0.9, 1.1]))
    expected = 700 * (10 ** (bands / np.array([0.9, 1.1]) / 2595) - 1)
    assert moved[:, 0].tolist() == pytest.approx(expected.tolist()) and moved[:, 1].tolist() == [0.0, 0.0]


def test_instance_normalisation_forgets_level_and_scale() -> None:
    mel, lengths = pad_stack([c.float() for c in clips()])
    mask = length_mask(lengths)
    out = instance_normalize(mel, mask)
    for row, n in zip(out, lengths):
        torch.testing.assert_close(row[:n].mean(0), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(instance_normalize(5 * mel + 2, mask), out, atol=2e-3, rtol=0)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 1, 1), (3, 1, 4), (5, 1, 2), (4, 2, 1), (6, 2, 1)])
def test_the_convolution_is_one(kernel: int, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    layer = MaskedConv(5, 7, kernel, stride, dilation).double()
    x, mask = torch.randn(2, 12, 5, dtype=torch.float64), length_mask(torch.tensor([12, 8]))
    masked = (x * mask.unsqueeze(-1)).transpose(1, 2)
    weight = layer.weight.transpose(1, 2)
    plain = torch.nn.functional.conv1d(masked, weight, layer.bias, stride, layer.padding, dilation).transpose(1, 2)
    assert plain.shape == (2, 12 // stride, 7)
    torch.testing.assert_close(layer(x, mask), plain)


def test_dilations_widen_what_a_frame_hears() -> None:
    def heard(dilations: tuple[int, ...]) -> list[int]:
        stack = Stack(StackConfig(width=8, layers=3, hidden=8, heads=0, dropout=0.0, dilations=dilations)).double()
        x = torch.randn(1, 41, 8, dtype=torch.float64, requires_grad=True)
        stack(x, torch.ones(1, 41, dtype=torch.bool))[0, 20].square().sum().backward()
        assert x.grad is not None
        return (x.grad[0].abs().sum(1).nonzero()[:, 0] - 20).tolist()

    torch.manual_seed(0)
    assert heard((1,)) == list(range(-3, 4))
    assert heard((1, 2, 4)) == list(range(-7, 8))
    assert heard((1, 3)) == list(range(-5, 6)), "the third block takes the first dilation again"


def test_both_forms_of_attention_agree() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 2, SHORT_FRAMES, 8) for _ in range(3))
    mask = length_mask(torch.tensor([SHORT_FRAMES, 17]))[:, None, None, :]
    fused = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    torch.testing.assert_close(attend(q, k, v, mask, 0.0), fused, atol=1e-5, rtol=1e-4)


def test_rotated_products_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    rotation = rotation_of(9, 6, torch.device("cpu"))
    q, k = (torch.randn(6).expand(9, 6) for _ in range(2))
    products = rotate(q, rotation) @ rotate(k, rotation).T
    for distance in range(-8, 9):
        same = products.diagonal(distance)
        torch.testing.assert_close(same, same[:1].expand_as(same))
    assert len(set(products[0].tolist())) == 9, "distances differ"
    pair = rotate(q, rotation)[5].view(2, 3).T  # the second pair turns by 5 * 10000 ** (-2 / 6)
    angle = torch.tensor(5 * 10000 ** (-2 / 6))
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    torch.testing.assert_close(pair[1], turn @ q[5].view(2, 3).T[1])


def test_a_condition_of_zero_weight_changes_nothing_at_first() -> None:
    torch.manual_seed(0)
    block = Block(STACK, condition=4)
    x, mask = torch.randn(1, 6, 16), torch.ones(1, 6, dtype=torch.bool)
    rotation = rotation_of(6, 16 // STACK.heads, x.device)
    torch.testing.assert_close(block(x, mask, torch.randn(1, 4), rotation), block(x, mask, torch.zeros(1, 4), rotation))


@pytest.mark.parametrize("slot", [None, QuantizerSlot(name="fsq", options={"levels": [3, 3]})])
@pytest.mark.parametrize("pieces", [0, 11])
def test_recognisers_with_and_without_codes_and_words(slot: QuantizerSlot | None, pieces: int) -> None:
    config = RecognizerConfig(
        n_mels=8, speech=CONFIG.speech, quantizer=slot, phoneme_decoder=CONFIG.phoneme_decoder, word_stack=STACK
    )
    found = Recognizer(config, 7, pieces).eval()(*pad_stack([c.float() for c in clips()]))
    assert found.read.ctc.shape == (3, 20, 7) and (found.quantized is None) == (slot is None)
    assert (found.words is None) if pieces == 0 else found.words.shape == (3, 10, 12)


def test_widths_that_cannot_be_contrasted_are_refused_with_the_config() -> None:
    with pytest.raises(ConfigError, match=r"speech\.stack\.width is \d+ and phoneme\.stack\.width 64"):
        read_task_config("vqctap", None, ["model.phoneme.stack.width=64"])
