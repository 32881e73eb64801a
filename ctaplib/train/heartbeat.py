"""Signs of life between the ranks of a run: where one falls silent, all end.

A machine that vanishes and a process that is stopped close no connection; what the others exchange with them waits for the
group's timeout, ten minutes. Every rank therefore counts beats in a store on rank 0. One thread writes them and reads those of
the others; it hangs where the store is gone, so a second one watches the clock. Both run while the process computes, writes or
waits. A rank that stood still itself, as in a run that is suspended as a whole, counts anew. A rank that ends with an error
writes it with its last beat, and the others end with that error.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

import psutil
import torch.distributed as dist

from ctaplib.collective import from_first, gather_objects
from ctaplib.errors import CtapError, LostPeerError, TrainingError, shortened
from ctaplib.train.distributed import World, lost_peer

GO_ON = "the same command goes on from the last checkpoint"


class Beat(NamedTuple):
    """What a rank writes: a number that counts up, where it runs, the error that it ends with and whether that is a lost rank."""

    number: int
    host: str
    pid: int
    error: str = ""
    lost: bool = False


class Heartbeat:
    """Writes and watches beats within its context; the ranks leave it together.

    Args:
        world: The ranks.
        patience_s: Seconds without a beat after which a rank counts as lost; 0 switches everything off.
        end: Called in a thread with the error; must end this process, whose main thread may wait for ever.
    """

    def __init__(self, world: World, patience_s: float, end: Callable[[LostPeerError], None]) -> None:
        self.world, self.patience_s, self.end = world, patience_s, end
        self.every_s = min(5.0, patience_s / 6)
        self.others = [rank for rank in range(world.size) if rank != world.rank]
        self._beats: dict[int, Beat] = {}
        self._seen: dict[int, float] = {}
        self._answered = 0.0
        self._last = Beat(0, socket.gethostname(), os.getpid())
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Heartbeat":
        if not self.others or not self.patience_s:
            return self
        self._store = self._open()
        self._store.set_timeout(timedelta(days=365))  # how long an answer may take is decided by `_watch`
        self._write()
        self.world.barrier()  # every rank has written
        self._read()
        self._restart()
        for work in (self._beat, self._watch):
            self._threads.append(threading.Thread(target=work, name=f"heartbeat{work.__name__}", daemon=True))
            self._threads[-1].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        try:
            if error is None:
                self.world.barrier()  # rank 0 may still be writing, and the ranks that wait for it beat
        except RuntimeError as lost:
            error = lost
            raise
        finally:
            self._stop(error)

    def _stop(self, error: BaseException | None) -> None:
        """Stop beating. Waits for a limited time until an error is written: the store may be gone."""
        if error is not None:
            text = (str(error).splitlines() or [""])[0]
            lost = isinstance(error, LostPeerError) or (isinstance(error, RuntimeError) and lost_peer(error, self.world.rank))
            text = text if isinstance(error, CtapError) else f"{type(error).__name__}: {text}"
            self._last = self._last._replace(error=text, lost=bool(lost))
            if lost and self._threads:
                self._threads[1].join(self.every_s)  # `_watch` may be about to name the lost rank, and then ends this process
        self._ended.set()
        if error is not None and self._threads:
            self._threads[0].join(3 * self.every_s)

    def _open(self) -> dist.TCPStore:
        """Open the store, on the machine where rank 0 listens.

        Raises:
            TrainingError: a rank does not reach it; all raise it.
        """
        host, wait = os.environ["MASTER_ADDR"], timedelta(seconds=min(max(self.patience_s, 30.0), 600.0))
        store, fault = None, ""
        try:
            store = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait) if self.world.is_main else None
        except RuntimeError as error:
            fault = f"process 0 cannot listen for signs of life on {host} ({str(error).splitlines()[0]})"
        port = from_first(lambda: store.port if store is not None else 0)
        try:
            store = store or dist.TCPStore(host, port, is_master=False, timeout=wait) if port else None
        except RuntimeError:
            fault = f"process {self.world.rank} does not reach port {port} of {host}, where process 0 listens for signs of life"
        faults = [words for words in gather_objects(fault) if words]
        if faults or store is None:
            fix = "open the ports between the machines, or do without with --patience 0"
            raise TrainingError("; ".join(shortened(faults, 8)), fix=fix)
        return store

    def _restart(self) -> None:
        """Count the silence of all ranks from now."""
        self._answered = time.monotonic()
        self._seen = dict.fromkeys(self.others, self._answered)

    def _write(self) -> None:
        self._store.set(str(self.world.rank), json.dumps(self._last))

    def _read(self) -> None:
        """Read the beats of the others, and confirm their errors, for which rank 0 waits."""
        beats = [Beat(*json.loads(word)) for word in self._store.multi_get([str(rank) for rank in self.others])]
        self._answered = now = time.monotonic()
        for rank, beat in zip(self.others, beats, strict=True):
            if beat != self._beats.get(rank):
                self._beats[rank], self._seen[rank] = beat, now
                if beat.error:
                    self._store.set(f"{self.world.rank} knows", "")

    def _beat(self) -> None:
        try:
            while not self._ended.is_set():
                self._last = self._last._replace(number=self._last.number + 1)
                self._write()
                self._read()
                self._ended.wait(self.every_s)
            if self._last.error:
                self._store.set(f"{self.world.rank} knows", "")
                self._write()
                if self.world.is_main:  # the store ends with this process: give the others the time of two beats to read
                    self._store.wait([f"{rank} knows" for rank in self.others], timedelta(seconds=2 * self.every_s))
        except RuntimeError:  # the store is gone for good, and is not used again; `_watch` counts the silence
            return

    def _watch(self) -> None:
        now = time.monotonic()
        while not self._ended.wait(self.every_s):
            before, now = now, time.monotonic()
            if now - before > 2 * self.every_s:
                self._restart()
            # One beat, in which this rank may meet an error of its own; on rank 0 two, so that all have read the error.
            wait_s = self.every_s * (2 if self.world.is_main else 1)
            failed = [rank for rank, beat in self._beats.items() if beat.error and now - self._seen[rank] > wait_s]
            silent = [rank for rank, seen in self._seen.items() if self._answered - seen > self.patience_s]
            if self.world.rank and now - self._answered > self.patience_s:  # nothing can be read where rank 0 is silent
                silent = [0]
            if failed:  # a rank that lost another one is named only where no other failed
                rank = min(failed, key=lambda rank: (self._beats[rank].lost, rank))
                beat = self._beats[rank]
                return self.end(
                    LostPeerError(f"process {rank} on {beat.host} has ended: {beat.error}", fix=f"mend that; {GO_ON}")
                )
            if silent:
                for rank in silent:
                    self._kill(self._beats[rank])
                return self.end(self._silent_error(silent))

    def _silent_error(self, silent: list[int]) -> LostPeerError:
        which = ", ".join(shortened([f"process {rank} on {self._beats[rank].host}" for rank in silent], 8))
        which += " have" if len(silent) > 1 else " has"
        return LostPeerError(
            f"{which} not been heard of for {self.patience_s:g} s: a machine or its network is down, the process is stopped, "
            "or it computes without letting its threads run",
            fix=f"look at that machine; {GO_ON}. --patience waits longer",
        )

    def _kill(self, beat: Beat) -> None:
        """Kill a silent process of the same launcher, which would wait half a minute for it to end by itself."""
        try:
            process = psutil.Process(beat.pid)
            if beat.host == socket.gethostname() and process.ppid() == os.getppid():
                process.kill()
        except psutil.Error:  # it has ended, or is of another machine
            return
