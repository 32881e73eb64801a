"""Machines of one training meet before torchrun starts: who is there, who is missing, who is which.

The first machine listens at the endpoint; every machine tells its name; when all have come, each is told its rank. When time
is up, all are told who came and who did not, so that a machine that never joins ends the run with its name.
"""

import json
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ctaplib.errors import ConfigError, TrainingError

RETRY_S = 0.5
GRACE_S = 5.0
"""How much longer a machine waits for the first one's answer than for the others."""


@dataclass(frozen=True)
class Meeting:
    """Where and with whom a machine meets.

    Attributes:
        host: Name or address of the first machine.
        port: Port of all.
        n_nodes: Machines in all.
        name: Name of this machine, for messages.
        about: What this machine was started with; all must be the same.
        rank: Number of this machine, where it is known before; None lets them be counted off.
        names: Names of all machines by rank, where they are known before.
        timeout_s: How long to wait for all.
    """

    host: str
    port: int
    n_nodes: int
    name: str
    about: str
    rank: int | None = None
    names: Sequence[str] = ()
    timeout_s: float = 50.0

    def join(self) -> int:
        """Meet the others; give the rank of this machine.

        Raises:
            TrainingError: not all came in time; names them.
            ConfigError: the machines were started with different options, or the endpoint cannot be used.
        """
        leads = self.rank == 0 if self.rank is not None else is_local(self.host)
        if leads:
            try:
                with socket.create_server(("", self.port)) as server:
                    return self._lead(server)
            except OSError as error:
                if self.rank == 0:
                    raise ConfigError(f"port {self.port} of {self.name} cannot be used: {error}", fix="start it again") from error
        return self._follow()

    def _lead(self, server: socket.socket) -> int:
        came: dict[socket.socket, tuple[int, str]] = {}
        deadline = time.monotonic() + self.timeout_s
        with ExitStack() as stack:
            while len(came) < self.n_nodes - 1:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not select.select([server], [], [], left_s)[0]:
                    self._tell_missing(came)
                guest = stack.enter_context(server.accept()[0])
                hello = _receive(guest, time.monotonic() + RETRY_S)
                if hello is None or not {"name", "about", "rank"} <= hello.keys():
                    continue  # something else that looks for open ports
                if hello["about"] != self.about or (hello["rank"] is None) != (self.rank is None):
                    fault = f"{hello['name']} was started with other options than {self.name}"
                    self._refuse([*came, guest], fault)
                    raise ConfigError(fault, expected="the same command on every machine")
                came[guest] = (hello["rank"] or 0, hello["name"])
            for rank, guest in enumerate(sorted(came, key=lambda g: came[g]), 1):
                _send(guest, {"rank": rank})
        return 0

    def _tell_missing(self, came: dict[socket.socket, tuple[int, str]]) -> None:
        here = [self.name, *(name for _, name in came.values())]
        if self.names:
            ranks = {0, *(rank for rank, _ in came.values())}
            absent = ", ".join(name for rank, name in enumerate(self.names) if rank not in ranks)
        else:
            absent = f"{self.n_nodes - len(here)} more to start with --rdzv_endpoint {self.host}:{self.port}"
        came_names = ", ".join(sorted(here))
        fault = f"{len(here)} of {self.n_nodes} machines came within {self.timeout_s:g} s ({came_names}); missing: {absent}"
        self._refuse(list(came), fault)
        raise self._missing(fault)

    def _refuse(self, guests: Sequence[socket.socket], fault: str) -> None:
        for guest in guests:
            _send(guest, {"fault": fault})

    def _missing(self, fault: str) -> TrainingError:
        fix = "see whether the missing machine runs and reaches this port, start the same command there, or lower --num_nodes"
        return TrainingError(fault, fix=f"{fix}; --join_timeout waits longer")

    def _follow(self) -> int:
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                with socket.create_connection((self.host, self.port), timeout=max(RETRY_S, deadline - time.monotonic())) as guest:
                    _send(guest, {"name": self.name, "about": self.about, "rank": self.rank})
                    answer = _receive(guest, deadline + GRACE_S)
                if answer is not None and "fault" in answer:
                    raise self._missing(answer["fault"])
                if answer is not None and "rank" in answer:
                    return int(answer["rank"])
            except socket.gaierror as error:
                raise ConfigError(
                    f"{self.name} does not know the machine {self.host}: {error}", fix="give its address"
                ) from error
            except OSError:
                pass  # not there yet
            if time.monotonic() >= deadline:
                first = self.names[0] if self.names else self.host
                raise self._missing(
                    f"{self.name} waited {self.timeout_s:g} s for {first}, but port {self.port} of it does not answer"
                )
            time.sleep(RETRY_S)


def is_local(host: str) -> bool:
    """Whether a name or an address belongs to this machine.

    Raises:
        ConfigError: it is no name that this machine knows.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ConfigError(f"--rdzv_endpoint: the machine {host} is not known here: {error}", fix="give its address") from error
    for family, kind, _, _, address in found:
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address[0], 0))
                return True
            except OSError:
                continue
    return False


def _send(guest: socket.socket, value: dict[str, object]) -> None:
    try:
        guest.sendall(json.dumps(value).encode() + b"\n")
    except OSError:
        return  # it is gone; its own end says why


def _receive(guest: socket.socket, deadline: float) -> dict | None:
    """One line of JSON, or None."""
    text = b""
    while not text.endswith(b"\n") and len(text) < 10_000:
        guest.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            part = guest.recv(4096)
        except OSError:
            return None
        if not part:
            return None
        text += part
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
