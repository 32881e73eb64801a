"""Whether the other processes of a run live: each beats, and all end where one falls silent.

A machine that vanishes and a process that is stopped close no connection: what is exchanged with them would wait for as long as
the group allows, ten minutes. The beats are numbers in a store that process 0 keeps. One thread writes this process's own and
reads those of the others, and may hang where the store is gone; a second one looks at the clock. Both go on while the process
computes, writes or waits. A process that finds that it stood still itself, as a whole run that is suspended does, counts anew.
A process that ends with an error leaves it as its last word, and the others end with that.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from ctaplib.collective import from_first, gather_objects
from ctaplib.errors import CtapError, LostPeerError, TrainingError, shortened
from ctaplib.train.distributed import World, lost_peer

LONGEST_S = 5.0
"""Most seconds from one beat to the next."""
ENDED, LOST = "ended", "lost"
"""Heads of last words: of a process with an error of its own, and of one that lost another."""


class Heartbeat:
    """Beats and listens within its context; the last to come to its end lets all leave it.

    Args:
        world: The processes.
        patience_s: Seconds without a beat after which a process is taken for lost; 0: nothing is done.
        lost: Called by a thread of its own with what to say; must end this process, whose main thread may wait for ever.
    """

    def __init__(self, world: World, patience_s: float, lost: Callable[[LostPeerError], None]) -> None:
        self.world, self.patience_s, self.lost = world, patience_s, lost
        self.every_s = min(LONGEST_S, patience_s / 6)
        self.others = [rank for rank in range(world.size) if rank != world.rank]
        self._said: dict[int, str] = {}
        self._heard: dict[int, float] = {}
        self._left: dict[int, float] = {}
        self._answered, self._last_word = 0.0, ""
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Heartbeat":
        if not self.others or not self.patience_s:
            return self
        self._store = self._open()
        self._store.set_timeout(timedelta(days=365))  # whether an answer comes too late is for `_watch` to say
        self._store.set(str(self.world.rank), f"0 {socket.gethostname()} {os.getpid()}")
        self.world.barrier()  # from here on there is a word of every process
        self._begin()
        for work in (self._beat, self._watch):
            self._threads.append(threading.Thread(target=work, name=f"heartbeat{work.__name__}", daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            if error is None:
                self.world.barrier()  # process 0 may still be writing, and whoever waits for it beats
        except RuntimeError as lost:
            error = lost
            raise
        finally:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """Beat no more; the last word may not get through where the store is gone."""
        if error is not None:
            lines = str(error).splitlines() or [""]
            told = lines[0] if isinstance(error, CtapError) else f"{type(error).__name__}: {lines[0]}"
            lost = isinstance(error, LostPeerError) or (isinstance(error, RuntimeError) and lost_peer(error, self.world.rank))
            self._last_word = f"{LOST if lost else ENDED} {socket.gethostname()} {os.getpid()} {told}"
            if lost and self._threads:
                self._threads[1].join(self.every_s)  # it may be about to say which one, and ends this process then
        self._ended.set()
        if error is not None and self._threads:
            self._threads[0].join(3 * self.every_s)

    def _open(self) -> dist.TCPStore:
        """The store of process 0, on whose machine the processes met.

        Raises:
            TrainingError: any process does not reach it; all raise it.
        """
        host, wait = os.environ["MASTER_ADDR"], timedelta(seconds=min(max(self.patience_s, 30.0), 600.0))
        store, fault = None, ""
        try:
            if self.world.is_main:
                store = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait)
        except RuntimeError as error:
            fault = f"process 0 cannot listen for signs of life on {host} ({str(error).splitlines()[0]})"
        port = from_first(lambda: store.port if store is not None else 0)
        try:
            if store is None and port:
                store = dist.TCPStore(host, port, is_master=False, timeout=wait)
        except RuntimeError:
            fault = f"process {self.world.rank} does not reach port {port} of {host}, where process 0 listens for signs of life"
        faults = [words for words in gather_objects(fault) if words]
        if faults or store is None:
            fix = "open the ports between the machines, or do without with --patience 0"
            raise TrainingError("; ".join(shortened(faults, 8)), fix=fix)
        return store

    def _begin(self) -> None:
        """Count from now."""
        now = time.monotonic()
        self._heard = dict.fromkeys(self.others, now)
        self._answered = now

    def _beat(self) -> None:
        name, beats = f"{socket.gethostname()} {os.getpid()}", 0
        keys = [str(rank) for rank in self.others]
        try:
            while not self._ended.wait(self.every_s * bool(beats)):
                beats += 1
                self._store.set(str(self.world.rank), f"{beats} {name}")
                words = [word.decode(errors="replace") for word in self._store.multi_get(keys)]
                self._answered = now = time.monotonic()
                for rank, word in zip(self.others, words, strict=True):
                    if word != self._said.get(rank):
                        self._said[rank], self._heard[rank] = word, now
                        if word.startswith((ENDED, LOST)):
                            self._left[rank] = now
                            self._store.set(f"{self.world.rank} knows", "")
            if self._last_word:
                self._take_leave()
        except RuntimeError:  # no connection any more, and there will be none: silence, which the other thread counts
            return

    def _take_leave(self) -> None:
        """Leave the last word; process 0, which takes the store with it, waits until the others have read one, two beats long."""
        self._store.set(f"{self.world.rank} knows", "")
        self._store.set(str(self.world.rank), self._last_word)
        if self.world.is_main:
            self._store.wait([f"{rank} knows" for rank in self.others], timedelta(seconds=2 * self.every_s))

    def _watch(self) -> None:
        looked = time.monotonic()
        while not self._ended.wait(self.every_s):
            before, looked = looked, time.monotonic()
            if looked - before > 2 * self.every_s:
                self._begin()
            # A beat for an error of its own; process 0 two, so that all have read the word.
            left = [rank for rank, at in self._left.items() if looked - at > self.every_s * (2 if self.world.is_main else 1)]
            if left:
                self.lost(self._repeat(left))
                return
            silent = [rank for rank, heard in self._heard.items() if self._answered - heard > self.patience_s]
            if self.world.rank and looked - self._answered > self.patience_s:  # nobody is heard of where process 0 is silent
                silent = [0]
            if silent:
                told = self._tell(silent)
                for rank in silent:
                    self._end_beside(rank)
                self.lost(told)
                return

    def _repeat(self, left: list[int]) -> LostPeerError:
        """The error of a process that ended with one; of those that only lost another one, where there is no such."""
        rank = min(left, key=lambda rank: (self._said[rank].startswith(LOST), rank))
        _, host, _, told = self._said[rank].split(" ", 3)
        return LostPeerError(
            f"process {rank} on {host} has ended: {told}",
            fix="mend that; the same command goes on from the last checkpoint",
        )

    def _tell(self, silent: list[int]) -> LostPeerError:
        names = {rank: self._said[rank].split()[1] if rank in self._said else "an unknown machine" for rank in silent}
        which = ", ".join(shortened([f"process {rank} on {name}" for rank, name in names.items()], 8))
        which += " have" if len(silent) > 1 else " has"
        return LostPeerError(
            f"{which} not been heard of for {self.patience_s:g} s: a machine or its network is down, the process is stopped, "
            "or it computes without letting its threads run",
            fix="look at that machine; the same command goes on from the last checkpoint. --patience waits longer",
        )

    def _end_beside(self, rank: int) -> None:
        """Kill a silent process of the same launcher, which would wait half a minute for it to end in good order."""
        if rank not in self._said:
            return
        _, host, pid = self._said[rank].split(" ", 3)[:3]
        try:
            parent = int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])
            if host == socket.gethostname() and parent == os.getppid():
                os.kill(int(pid), signal.SIGKILL)
        except OSError:  # it is gone, or of another machine
            return
