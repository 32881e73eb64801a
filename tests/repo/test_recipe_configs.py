"""Every config of every recipe loads, and recognisers have as many word pieces as the recipe's text stage makes."""

from pathlib import Path

import pytest

from ctaplib.audio.settings import FeatureConfig
from ctaplib.config import load_config
from ctaplib.infer.decode_sets import DecodeConfig
from ctaplib.tasks.asr import ASRConfig
from ctaplib.tasks.load import read_task_config
from ctaplib.text.frontends import TextConfig

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(p.parent.name for p in (ROOT / "egs").glob("*/run.sh"))
TASKS = {
    "align": "align",
    "pretrain": "vqctap",
    "asr_finetuned": "asr",
    "asr_supervised": "asr",
    "judge": "asr",
    "tts": "tts",
    "vc": "vc",
    "vocoder": "vocoder",
}
OTHERS = {"decode": DecodeConfig, "features": FeatureConfig, "text": TextConfig}


def configs(recipe: str, name: str) -> list[Path]:
    """`conf/NAME.yaml` and, of a recipe with more languages, `conf/NAME_LANG.yaml`."""
    folder = ROOT / "egs" / recipe / "conf"
    return [p for p in sorted(folder.glob(f"{name}*.yaml")) if p.stem == name or len(p.stem) == len(name) + 3]


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_config_loads(recipe: str) -> None:
    for name, task in TASKS.items():
        assert configs(recipe, name), name
        for path in configs(recipe, name):
            read_task_config(task, path, [])
    for name, cls in OTHERS.items():
        for path in configs(recipe, name):
            load_config(cls, path)
    for path in (ROOT / "egs" / recipe / "conf" / "ablation").glob("*.yaml"):
        read_task_config("vqctap", path, [])


@pytest.mark.parametrize("recipe", RECIPES)
def test_word_pieces_of_recognisers_are_those_of_the_text(recipe: str) -> None:
    folder = ROOT / "egs" / recipe / "conf"
    for text in configs(recipe, "text"):
        ending = text.stem.removeprefix("text")
        for name in ("asr_finetuned", "asr_supervised", "judge"):
            path = folder / f"{name}{ending}.yaml"
            path = path if path.exists() else folder / f"{name}.yaml"
            config = read_task_config("asr", path, [])
            assert isinstance(config, ASRConfig)
            assert config.words in (0, load_config(TextConfig, text).spm_pieces), path
