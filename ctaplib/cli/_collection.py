"""Imports without the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Pause the garbage collector during imports, and exclude the imported objects from it; only the first time in a process.

    Modules are many objects that live as long as the process, those of torch hundreds of thousands. The collector would visit
    them again and again during the imports, for a sixth of their time, and all of them once more at exit.
    """
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
