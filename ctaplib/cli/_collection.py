"""The garbage collector and imports."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Import without the garbage collector, and have it leave alone what was imported; the first time in a process only.

    Torch makes hundreds of thousands of objects that live as long as the process. The collector would look through them
    again and again while they come in, for an eighth of the time, and through all of them once more when the process ends.
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
