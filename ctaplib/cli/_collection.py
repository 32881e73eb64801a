"""The garbage collector and imports."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Import without the garbage collector, and have it leave alone what was imported; the first time in a process only.

    Modules are many objects that live as long as the process, those of torch hundreds of thousands. The collector would look
    through them again and again while they come in, for an eighth of the time, and through all of them once more at the end.
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
