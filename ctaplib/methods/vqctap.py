"""VQ-CTAP (arXiv 2408.05758): contrastive token-acoustic pre-training with a code book at 25 Hz."""

from ctaplib.methods.base import ABILITIES, Method

METHOD = Method(
    name="vqctap",
    title="VQ-CTAP",
    abilities=frozenset(ABILITIES),
    tasks={"pretrain": "vqctap", "asr": "asr", "tts": "tts", "vc": "vc"},
    runs={"pretrain": "vqctap", "asr": "asr_finetuned", "tts": "tts", "vc": "vc"},
)
