"""The declaration of a method: what its trained model can do, and which task trains each stage.

A method is a module `ctaplib/methods/<name>.py` with `METHOD`, or the same file in a folder given by `--method_path`.
Everything above `ctaplib/models` asks the declaration, never the class of a model. Nothing here imports torch, because
the command line, the recipe driver and the report read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ctaplib.errors import ConfigError
from ctaplib.files import read_tsv
from ctaplib.find import find, offering

ABILITIES: Mapping[str, str] = MappingProxyType({
    "content": "encode speech as content frames",
    "codes": "encode speech as discrete codes",
    "phonemes": "encode phonemes in the space of the content frames",
    "read": "recognise phones without fine-tuning",
    "voice": "encode a prompt as a voice",
    "speak": "decode content in a voice",
})  # fmt: skip
"""What a trained model may be able to do; `ctaplib/models/abilities.py` has a protocol for each."""

STAGES: Mapping[str, str] = MappingProxyType({
    "pretrain": "a pre-trained model", "asr": "a fine-tuned recogniser", "tts": "synthesis", "vc": "a fine-tuned converter",
})  # fmt: skip
"""Stages that train something of the method itself; aligner, vocoder, judge and supervised recogniser are shared by all."""


@dataclass(frozen=True)
class System:
    """A system of the results.

    Attributes:
        task: Task of the results.
        name: Its name where the method is VQ-CTAP; see `Method.system`.
        run: Stage of the method, or folder of a run that all methods share, whose config and seed its rows carry; "" for none.
        needs: Abilities and stages without which a method does not have the system.
    """

    task: str
    name: str
    run: str
    needs: tuple[str, ...]

    @property
    def shared(self) -> bool:
        """Whether all methods have it in common."""
        return self.run not in STAGES


SYSTEMS: tuple[System, ...] = tuple(
    System(row["task"], row["name"], row["run"], tuple(row["needs"].split()))
    for row in read_tsv(Path(__file__).with_name("systems.tsv"))
)
"""Systems in the order of the tables. What is decoded, scored, shown and packed follows from here."""


def systems(task: str) -> list[System]:
    """List the systems of a task of the results."""
    return [system for system in SYSTEMS if system.task == task]


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes:
        name: As typed after `--method`; its systems in the results carry it.
        title: As its paper writes it, for the report and the model card.
        abilities: Names among `ABILITIES`.
        tasks: Task (`ctaplib/tasks`) that trains each of the method's stages, by names among `STAGES`; `pretrain` at least.
        runs: Folder of a stage's run inside `exp`, where it is not `<name>/<stage>`.
        why_not: Reason by ability or stage that the method does not have, shown in place of a number.
    """

    name: str
    title: str
    abilities: frozenset[str]
    tasks: Mapping[str, str]
    runs: Mapping[str, str] = field(default_factory=dict)
    why_not: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names; a `ConfigError` lists all that are not among `ABILITIES` and `STAGES`."""
        unknown = sorted((self.abilities - set(ABILITIES)) | (set(self.tasks) - set(STAGES)))
        unknown += sorted((set(self.runs) - set(STAGES)) | (set(self.why_not) - set(ABILITIES) - set(STAGES)))
        if unknown:
            raise ConfigError(
                f"method {self.name} declares {', '.join(unknown)}",
                expected=f"abilities among {', '.join(ABILITIES)} and stages among {', '.join(STAGES)}",
            )
        if "pretrain" not in self.tasks:
            raise ConfigError(f"method {self.name} declares no task for the stage pretrain", fix="name it in `tasks`")

    def run(self, stage: str) -> str:
        """Return the folder of a stage's run inside `exp`."""
        return self.runs.get(stage, f"{self.name}/{stage}")

    def run_of(self, system: System) -> str | None:
        """Return the folder inside `exp` of the run behind a system; None for a system without a run."""
        return self.run(system.run) if system.run in STAGES else system.run or None

    def missing(self, *needs: str) -> str | None:
        """Return the reason for the first missing ability or stage; None if the method has all."""
        for need in needs:
            if need in ABILITIES and need not in self.abilities:
                return self.why_not.get(need, f"{self.title} cannot {ABILITIES[need]}")
            if need in STAGES and need not in self.tasks:
                return self.why_not.get(need, f"{self.title} does not train {STAGES[need]}")
        return None

    def system(self, task: str, name: str) -> str:
        """Return the name in the results of this method of a system that VQ-CTAP calls `vqctap`, `finetuned`, `frozen_ctc` ..."""
        if self.name == "vqctap" or any(s.shared for s in systems(task) if s.name == name):
            return name
        return self.name if name == "vqctap" else f"{self.name}_{name}"


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        ConfigError: there is none (names the nearest), or its file declares something else.
    """
    method = find("methods", name, "METHOD")
    if not isinstance(method, Method) or method.name != name:
        found = f"the method {method.name}" if isinstance(method, Method) else f"a {type(method).__name__}"
        raise ConfigError(f"METHOD in methods/{name}.py is {found}", expected=f'Method(name="{name}", ...)')
    return method


def method_names() -> list[str]:
    """List the methods that can be named."""
    return [name for name in offering("methods", "METHOD") if name != "base"]


def method_of(task: str) -> Method:
    """Return the method that a task pre-trains.

    Raises:
        ConfigError: the task pre-trains none, or several.
    """
    methods = [find_method(name) for name in method_names()]
    trained = [method for method in methods if method.tasks["pretrain"] == task]
    if len(trained) == 1:
        return trained[0]
    if trained:
        names = ", ".join(method.name for method in trained)
        raise ConfigError(f"the task {task} pre-trains several methods: {names}", fix="name one of them with --method")
    known = [f"{method.tasks['pretrain']} ({method.name})" for method in methods]
    raise ConfigError(f"the task {task} pre-trains no method", expected=f"one of {', '.join(known)}")
