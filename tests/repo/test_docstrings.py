"""Every public method has a docstring, its own or that of the method it overrides (ruff checks the rest)."""

import importlib
import inspect
import pkgutil

import ctaplib


def test_public_methods_are_documented_here_or_in_a_base_class():
    missing = []
    for found in pkgutil.walk_packages(ctaplib.__path__, "ctaplib."):
        module = importlib.import_module(found.name)
        for cls in vars(module).values():
            if inspect.isclass(cls) and cls.__module__ == found.name and not cls.__name__.startswith("_"):
                missing += [f"{found.name}.{cls.__name__}.{name}" for name in vars(cls) if undocumented(cls, name)]
    assert not missing


def undocumented(cls: type, name: str) -> bool:
    """Whether a public method or property has no docstring, neither here nor where it is declared first."""
    own = vars(cls)[name]
    if (
        name.startswith("_")
        or name in getattr(cls, "__dataclass_fields__", {})
        or not (inspect.isfunction(own) or isinstance(own, property | classmethod | staticmethod))
    ):
        return False
    return not any(inspect.getdoc(vars(base)[name]) for base in cls.__mro__ if name in vars(base))
