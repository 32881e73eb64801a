"""A method for tests: continuous content at 50 Hz and voices that are trained to share no information; no phones."""

from ctaplib.methods.base import Method

_NO_PHONES = "Toy is trained without phones"

METHOD = Method(
    name="toy",
    title="Toy",
    abilities=frozenset({"content", "voice", "speak"}),
    tasks={"pretrain": "toy"},
    why_not={
        "codes": "Toy has no code book",
        "phonemes": _NO_PHONES,
        "read": _NO_PHONES,
        "asr": _NO_PHONES,
        "tts": _NO_PHONES,
        "vc": "Toy converts without fine-tuning",
    },
)
