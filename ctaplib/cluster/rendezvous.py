"""Ranks for the machines of a training without Slurm, in the order in which they come.

The machine of the endpoint serves a `TCPStore` of torch and has rank 0; the others count themselves there. torchrun's static
rendezvous goes on with the same server. torchrun's c10d rendezvous would give ranks by itself, but its monitor reads the first
machine's store all through the training: where that machine hangs, the others hang with it for the store's timeout.
"""

import socket
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from ctaplib.errors import ConfigError

if TYPE_CHECKING:
    from torch.distributed import TCPStore

CONNECT_S = 2.0  # seconds of one attempt to connect; between attempts, signals are handled


def take_rank(host: str, port: int, n_nodes: int, timeout_s: float) -> "tuple[int, TCPStore]":
    """Return the rank of this machine, and the store, which must live until torchrun has ended.

    Raises:
        ConfigError: the host is not known, or all ranks are taken.
        DistError: no connection to the host within the time.
    """
    from torch.distributed import DistError, DistNetworkError, TCPStore

    deadline, limit = time.monotonic() + timeout_s, timedelta(seconds=CONNECT_S)
    if is_local(host):
        try:
            # Shared (multi_tenant) with the store that torchrun opens at this port in this process.
            return 0, TCPStore(host, port, None, True, limit, wait_for_workers=False, multi_tenant=True)
        except DistNetworkError:  # the port is taken: another start on this machine was first
            pass
    while True:
        try:
            store = TCPStore(host, port, None, False, limit, wait_for_workers=False, multi_tenant=True)
            break
        except DistError:
            if time.monotonic() >= deadline:
                raise
    rank = store.add("ranks", 1)
    if rank >= n_nodes:
        raise ConfigError(f"{n_nodes} machines have come to {host}:{port} already", fix="raise --num_nodes on all of them")
    return rank, store


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
