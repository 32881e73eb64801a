"""Slots: a part that a config names, with options of its own. Adding a module adds a choice.

class DecoderSlot(Slot):
    CHOICES = Choices("models", "decoder_", "DECODER", "decoder")     # ctaplib/models/decoder_<name>.py with DECODER
    name: str = "regression"
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_serializer, model_validator

from ctaplib.config import Config, explain
from ctaplib.config_file import merge
from ctaplib.errors import ConfigError
from ctaplib.find import find, names, unknown_name


@dataclass(frozen=True)
class Choices:
    """Modules `ctaplib/<package>/<prefix><name>.py` that define one attribute.

    Attributes:
        package: Folder of the modules.
        prefix: How their names begin.
        attribute: What each defines: a class with the pydantic model of its options as `Config`.
        what: What they are, for messages.
    """

    package: str
    prefix: str
    attribute: str
    what: str

    def names(self) -> list[str]:
        """List the names that a config can use."""
        return [name.removeprefix(self.prefix) for name in names(self.package) if name.startswith(self.prefix)]

    def get(self, name: str) -> Any:
        """Import the choice of that name.

        Raises:
            ConfigError: there is none; names the nearest.
        """
        known = self.names()
        if name not in known:
            raise unknown_name(f"there is no {self.what} named {name!r}", name, known)
        return find(self.package, self.prefix + name, self.attribute)


class Slot(Config):
    """Name and options of a part, side by side: `{name: fsq, levels: [8, 8, 8]}`.

    Attributes:
        CHOICES: What can be named.
    """

    CHOICES: ClassVar[Choices]

    name: str
    """Which one."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Fields of its own config; those that are not given have their defaults. They may stand under `options` as well."""

    @classmethod
    def _flat(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        flat = {k: v for k, v in values.items() if k != "options"}
        options = values.get("options", {})
        if twice := sorted(set(flat) & set(options)):
            raise ConfigError(
                f"{cls.CHOICES.what} has the options {', '.join(twice)} twice: beside the name and under `options`",
                fix="write them beside the name",
            )
        return {**flat, **options}

    @model_validator(mode="before")
    @classmethod
    def _gather_options(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(values.get("options", {}), Mapping):
            return values
        options = cls._flat(values)
        return {"name": options.pop("name"), "options": options} if "name" in options else {"options": options}

    @model_validator(mode="after")
    def _complete_options(self) -> "Slot":
        # A saved config is complete: another default in a later version changes no trained model.
        self.__dict__["options"] = self.resolved().model_dump(mode="json")
        return self

    @model_serializer
    def _dump(self) -> dict[str, Any]:
        return {"name": self.name, **self.options}

    def filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a mapping, with the options of this slot beside them unless it names another choice."""
        flat = self._flat(values)
        return merge(self.model_dump(), flat) if flat.get("name", self.name) == self.name else flat

    def resolved(self) -> Any:
        """Return the part's own config.

        Raises:
            ConfigError: there is no such part, or the options do not fit it.
        """
        config = self.CHOICES.get(self.name).Config
        try:
            return config.model_validate(self.options)
        except ValidationError as error:
            raise explain(config, error, {}, f"{self.CHOICES.what} {self.name}") from None

    def build(self, *sizes: Any) -> Any:
        """Build the part from its config and the sizes that its model gives it."""
        return self.CHOICES.get(self.name)(self.resolved(), *sizes)
