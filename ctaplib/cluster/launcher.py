"""One machine's share of a training: meet the other machines, run torchrun, hand a request to stop to its processes.

utils/launch.sh starts it; on a cluster, one on each machine.
"""

import argparse
import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ctaplib.cluster.rendezvous import Meeting
from ctaplib.cluster.slurm import Allocation
from ctaplib.errors import KEYBOARD, STOPPED, ConfigError, CtapError
from ctaplib.files import atomic_write
from ctaplib.runs.state import note_error


class _StoppedError(BaseException):
    """A request to stop before there was anything to save."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a program of several processes and give its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--nproc", type=int, required=True, help="processes of each machine")
    parser.add_argument("--num_nodes", type=int, default=1)
    parser.add_argument("--endpoint", default="", help="HOST:PORT where the machines meet; a Slurm job knows its own")
    parser.add_argument("--join_timeout", type=float, default=50.0, help="seconds to wait for all machines")
    parser.add_argument(
        "--tell", type=Path, help="folder that gets a file `failed` with the status, or `stopped`; then the status is 0"
    )
    words = list(sys.argv[1:] if argv is None else argv)
    if "--" not in words:
        parser.error("the arguments of torchrun follow --")
    args = parser.parse_args(words[: words.index("--")])
    args.program = words[words.index("--") + 1 :]
    _share_cores(args.nproc)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # below that, pages of stack behind every process that is lost
    os.environ["CTAP_WORLD_SIZE"] = str(args.nproc * args.num_nodes)
    try:
        if "--gpu" in args.program:
            check_gpus(args.nproc)
        if args.nproc * args.num_nodes == 1:
            status = _alone(args.program)
        else:
            status = _torchrun([f"--nproc_per_node={args.nproc}", *_places(args), *args.program])
    except _StoppedError:
        status = STOPPED
    except KeyboardInterrupt:
        status = KEYBOARD
    except CtapError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 1
    if args.tell and status == STOPPED:  # srun would kill the other machines, which are still saving
        (args.tell / "stopped").touch()
        return 0
    if args.tell and status and not (args.tell / "failed").exists():
        with atomic_write(args.tell / "failed") as out:
            out.write(str(status))
    return status


def check_gpus(wanted: int) -> None:
    """Look for the GPUs before processes are started for them.

    Raises:
        ConfigError: this machine has fewer.
    """
    from torch.cuda import device_count

    if (found := device_count()) < wanted:
        raise ConfigError(
            f"{wanted} GPU(s) were asked for, this machine has {found}",
            fix="lower --ngpu, or train on the CPU with --ngpu 0",
        )


def _share_cores(processes: int) -> None:
    """Give each process its share of this machine's cores, unless the user said otherwise."""
    cores = int(os.environ.get("SLURM_CPUS_PER_TASK") or len(os.sched_getaffinity(0)))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve one another where processes outnumber cores


def _places(args: argparse.Namespace) -> list[str]:
    """Options of torchrun that say where the machines are."""
    if args.num_nodes == 1:
        return ["--standalone"]
    about = hashlib.sha256("\n".join([str(args.nproc), str(args.num_nodes), *args.program]).encode()).hexdigest()
    if not args.endpoint:
        here = Allocation.current()
        meeting = Meeting(
            here.head_address, here.port, args.num_nodes, here.names[here.rank], about, here.rank, here.names, args.join_timeout
        )
    else:
        host, _, port = args.endpoint.rpartition(":")
        if not host or not port.isdecimal():
            raise ConfigError(f"--rdzv_endpoint {args.endpoint}", expected="HOST:PORT, for example node1:29500")
        meeting = Meeting(host, int(port), args.num_nodes, socket.gethostname(), about, timeout_s=args.join_timeout)
    rank = meeting.join()
    return [
        f"--nnodes={args.num_nodes}", f"--node_rank={rank}", f"--master_addr={meeting.host}", f"--master_port={meeting.port}",
        f"--rdzv_conf=timeout={max(1, round(args.join_timeout))}",
    ]  # fmt: skip


def _alone(program: Sequence[str]) -> int:
    """Run a single process, which needs no torchrun and none of its imports; SIGTERM goes to it, and it saves and ends."""
    others = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # of a run around this one
    environment = {name: value for name, value in os.environ.items() if name not in others}
    started = subprocess.Popen([sys.executable, "-u", *program], env=environment)
    signal.signal(signal.SIGTERM, lambda number, _: started.send_signal(number))
    while True:
        try:
            code = started.wait()
            break
        except KeyboardInterrupt:  # of the keyboard, and the process has it too; of `kill -INT`, and it has not
            started.send_signal(signal.SIGTERM)
    if code not in (0, STOPPED, KEYBOARD, -signal.SIGTERM):
        _tell_first(program, 0, code)
    return code if code >= 0 else 128 - code


def _tell_first(program: Sequence[str], rank: int, code: int) -> None:
    """Say which process ended first; one that was killed had no time to, so it is noted in the folder of the run as well."""
    how = f"signal {-code}" if code < 0 else f"status {code}"
    print(f"error: process {rank} of {os.environ['CTAP_WORLD_SIZE']} ended first, by {how}", file=sys.stderr)
    if code < 0 and "--exp" in program[:-1]:
        kernel = "; the kernel does that where memory runs out" if -code == signal.SIGKILL else ""
        name = signal.Signals(-code).name if -code in {*signal.Signals} else "unknown"
        error = CtapError(f"ended by signal {-code} ({name}){kernel}; the same command goes on")
        note_error(Path(program[program.index("--exp") + 1]), rank, error, ends_here=True)


def _torchrun(words: Sequence[str]) -> int:
    """Run torchrun in this process; a request to stop goes to its processes, which save and end; Ctrl-C again kills them."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    asked: list[int] = []

    def forward(number: int, _: object) -> None:
        workers = children(os.getpid())
        again = number == signal.SIGINT and number in asked
        asked.append(number)
        for pid in workers:  # they have sessions of their own, which the keyboard does not reach
            _signal(pid, signal.SIGKILL if again else signal.SIGTERM)
        if again:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            os.write(2, b"\nstopping: the step is finished and saved; Ctrl-C again kills the processes\n")
        if not workers:
            raise _StoppedError

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    # What failed is said below and by the process itself.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    try:
        with TemporaryDirectory(prefix="ctap_torchrun_") as logs:  # its own folder would stay for ever
            run(get_args_parser().parse_args(["--signals-to-handle=SIGQUIT", f"--log-dir={logs}", *words]))
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        if codes <= {STOPPED, -signal.SIGTERM} and (asked or STOPPED in codes):
            return STOPPED
        rank, first = error.get_first_failure()
        _tell_first(words, rank, first.exitcode)
        return first.exitcode if first.exitcode > 0 else 128 - first.exitcode
    return 0


def children(pid: int) -> list[int]:
    """Ids of the child processes of a process, on Linux."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, path.read_text().split())
        except OSError:  # the thread ended meanwhile
            continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    sys.exit(main())
