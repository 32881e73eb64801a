"""Rendezvous of the machines of a training: which are there, and the rank of each.

The first machine serves a `TCPStore` of torch, every machine registers there, and torchrun's static rendezvous goes on with the
same server. torchrun's c10d rendezvous needs no ranks, but its monitor reads the store of the first machine all through the
training: where that machine hangs, the others hang with it for the store's timeout.
"""

import socket
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ctaplib.cluster.slurm import Allocation
from ctaplib.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from torch.distributed import TCPStore

CONNECT_S = 2.0
"""Seconds of one attempt to connect; between attempts, signals are handled."""
POLL_S = 0.1


@dataclass(frozen=True)
class Place:
    """Where machines meet.

    Attributes:
        host: Name or address of the first machine.
        port: Its port.
        name: Name of this machine.
        rank: Rank of this machine; None to number the machines as they come.
        names: Names of all machines by rank, where they are known.
    """

    host: str
    port: int
    name: str
    rank: int | None = None
    names: tuple[str, ...] = ()


def find_place(endpoint: str) -> Place:
    """Return the place that `--rdzv_endpoint` names, else that of the Slurm job around this process.

    Raises:
        ConfigError: the endpoint is not HOST:PORT.
    """
    if endpoint:
        host, port = parse_endpoint(endpoint)
        return Place(host, port, socket.gethostname())
    job = Allocation.current()
    return Place(job.head_address, job.port, job.names[job.rank], job.rank, job.names)


def parse_endpoint(endpoint: str) -> tuple[str, int]:
    """Split HOST:PORT.

    Raises:
        ConfigError: it is not of this form.
    """
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"--rdzv_endpoint {endpoint}", expected="HOST:PORT, for example node1:29500")
    return host, int(port)


def join(place: Place, n_nodes: int, command: str, timeout_s: float) -> tuple[int, "TCPStore"]:
    """Wait until all machines have registered.

    Args:
        place: Where.
        n_nodes: Number of machines.
        command: What is started; the same on all machines.
        timeout_s: Seconds to wait.

    Returns:
        The rank of this machine, and the store, which must live until torchrun has ended.

    Raises:
        TrainingError: not all came in time; names those that came.
        ConfigError: another machine was started with another command, or the endpoint cannot be used.
    """
    from torch.distributed import DistError

    deadline = time.monotonic() + timeout_s
    fix = "see whether every machine runs and reaches this port, start the same command there, or lower --num_nodes"
    fix += "; --join_timeout waits longer"
    serves = is_local(place.host) if place.rank is None else place.rank == 0
    try:
        serves, store = _connect(place, serves, deadline)
        store.set_timeout(timedelta(seconds=max(CONNECT_S, deadline - time.monotonic())))
        if serves:
            store.set("command", command)
        elif store.get("command").decode() != command:
            raise ConfigError(
                f"{place.name} was started with other options than the machine at {place.host}:{place.port}",
                expected="the same command on every machine",
            )
        rank = place.rank if place.rank is not None else 0 if serves else store.add("ranks", 1)
        if rank >= n_nodes:
            raise ConfigError(f"{n_nodes} machines are there without {place.name}", fix="raise --num_nodes on all of them")
        store.set(f"name/{rank}", place.name)
        store.add("machines", 1)
        while store.add("machines", 0) < n_nodes:
            if time.monotonic() >= deadline:
                raise TrainingError(_absence(place, n_nodes, store, timeout_s), fix=fix)
            time.sleep(POLL_S)
    except DistError as error:
        first = place.names[0] if place.names else place.host
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"{place.name} waited {timeout_s:g} s for {first}, but has no connection to its port {place.port} ({reason})", fix=fix
        ) from error
    return rank, store


def _connect(place: Place, serves: bool, deadline: float) -> tuple[bool, "TCPStore"]:
    """Serve the store, or connect to it as often as time allows; return whether this machine serves."""
    from torch.distributed import DistError, DistNetworkError, TCPStore

    limit = timedelta(seconds=CONNECT_S)
    if serves:
        try:
            # Shared (multi_tenant) with the store that torchrun opens at this port in this process.
            return True, TCPStore(place.host, place.port, None, True, limit, wait_for_workers=False, multi_tenant=True)
        except DistNetworkError as error:  # the port is taken: by another start on this machine, where ranks are not given
            if place.rank is not None:
                reason = str(error).partition("\n")[0]
                raise ConfigError(f"port {place.port} of {place.name} cannot be used: {reason}", fix="start it again") from error
    while True:
        try:
            return False, TCPStore(place.host, place.port, None, False, limit, wait_for_workers=False, multi_tenant=True)
        except DistError:
            if time.monotonic() >= deadline:
                raise


def _absence(place: Place, n_nodes: int, store: "TCPStore", timeout_s: float) -> str:
    """Say which machines came and which did not."""
    came = {rank: store.get(f"name/{rank}").decode() for rank in range(n_nodes) if store.check([f"name/{rank}"])}
    if place.names:
        missing = ", ".join(name for rank, name in enumerate(place.names) if rank not in came)
    else:
        missing = f"{n_nodes - len(came)} more to start with --rdzv_endpoint {place.host}:{place.port}"
    here = ", ".join(sorted(came.values()))
    return f"{len(came)} of {n_nodes} machines came within {timeout_s:g} s ({here}); missing: {missing}"


def is_local(host: str) -> bool:
    """Return whether a name or an address belongs to this machine.

    Raises:
        ConfigError: this machine does not know the name.
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
