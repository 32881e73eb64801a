"""Start `ctap train` in one or many processes, here or as a Slurm job.

On every machine, one launcher waits for the others, runs torchrun, and forwards a request to stop to its processes. A single
process is started without torchrun.
"""

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from ctaplib.cluster import slurm_run
from ctaplib.cluster.processes import send_signal
from ctaplib.cluster.rendezvous import take_rank
from ctaplib.cluster.slurm import FOLDER, config_path, machine_of_job
from ctaplib.errors import KEYBOARD, STOPPED, ConfigError, CtapError, TrainingError
from ctaplib.files import atomic_write
from ctaplib.runs.state import note_error

CTAP = ("-m", "ctaplib.cli.main")


class _StoppedError(BaseException):
    """A request to stop before there was anything to save."""


def launch(args: argparse.Namespace) -> int:
    """Run `ctap train` as the options of `ctap launch` say and return its exit status.

    Args:
        args: Options of `ctaplib.cluster.options`; `train`, the arguments of `ctap train`; `status_folder`, None but on the
            machines of a Slurm job, see `_report_status`.

    Raises:
        CtapError: it cannot be started.
    """
    if args.cmd_backend == "slurm":
        return _launch_by_slurm(args)
    check_endpoint(args)
    program = [*CTAP, "train", *args.train, "--patience", f"{args.patience:g}", "--batch_bins", args.batch_bins]
    if args.ngpu:
        program.append("--gpu")
    else:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        if args.ngpu:
            check_gpus(args.ngpu)
        status = run_processes(program, args.ngpu or args.nproc, args.num_nodes, args.rdzv_endpoint, args.join_timeout)
    except CtapError as error:
        if args.status_folder is None:
            raise
        print(f"error: {error}", file=sys.stderr)
        status = 1
    return status if args.status_folder is None else _report_status(status, args.status_folder)


def check_endpoint(args: argparse.Namespace) -> None:
    """Check that machines without Slurm know where to meet.

    Raises:
        ConfigError: they do not.
    """
    if args.num_nodes > 1 and args.status_folder is None and args.rdzv_endpoint is None:
        found = f"--num_nodes {args.num_nodes} without slurm needs --rdzv_endpoint HOST:PORT"
        raise ConfigError(f"{found}, the same on all machines")


def check_gpus(wanted: int) -> None:
    """Check that this machine has as many GPUs.

    Raises:
        ConfigError: it has fewer.
    """
    from torch.cuda import device_count

    if (found := device_count()) < wanted:
        raise ConfigError(
            f"{wanted} GPU(s) were asked for, this machine has {found}",
            fix="lower --ngpu, or train on the CPU with --ngpu 0",
        )


def _launch_by_slurm(args: argparse.Namespace) -> int:
    """Submit a job that runs this launcher on each of its machines."""
    run = args.train[args.train.index("--exp") + 1] if "--exp" in args.train[:-1] else "train"
    folder = Path(os.environ.get(FOLDER, "jobs"), run.replace("/", "_")).absolute()  # one job at a time for each run
    options = {"ngpu": args.ngpu, "nproc": args.nproc, "num_nodes": args.num_nodes, "join_timeout": f"{args.join_timeout:g}"}
    options |= {"patience": f"{args.patience:g}", "batch_bins": args.batch_bins, "status_folder": folder}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, *CTAP, "launch", *words, "--", *args.train]
    return slurm_run.run(command, folder, args.num_nodes, args.ngpu, args.slurm_config or config_path())


def _report_status(status: int, folder: Path) -> int:
    """Leave a file `stopped` or `failed` for the script of the job, and return the status for srun."""
    if status == STOPPED:  # reported as success: srun would kill the other machines, which are still saving
        (folder / "stopped").touch()
        return 0
    if status and not (folder / "failed").exists():
        with atomic_write(folder / "failed") as out:
            out.write(str(status))
    return status


def run_processes(
    program: Sequence[str], nproc: int, n_nodes: int = 1, endpoint: tuple[str, int] | None = None, join_timeout_s: float = 50.0
) -> int:
    """Run a Python program (its arguments) in `nproc` processes on each of `n_nodes` machines and return its exit status here.

    Args:
        endpoint: Host and port where machines meet; a Slurm job has its own.

    Raises:
        CtapError: the machines do not find one another.
    """
    _set_threads(nproc)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # below that, every lost process prints pages of stack
    os.environ["CTAP_WORLD_SIZE"] = str(nproc * n_nodes)
    try:
        if nproc * n_nodes == 1:
            return _run_alone(program)
        words = [f"--nproc_per_node={nproc}"]
        if n_nodes == 1:
            return _torchrun([*words, "--standalone", *program])
        return _with_machines(words, program, n_nodes, endpoint, join_timeout_s)
    except _StoppedError:
        return STOPPED
    except KeyboardInterrupt:
        return KEYBOARD


def _with_machines(
    words: Sequence[str], program: Sequence[str], n_nodes: int, endpoint: tuple[str, int] | None, join_timeout_s: float
) -> int:
    """Run torchrun as one of several machines; each prints its name and rank first."""
    from torch.distributed import DistError

    name = socket.gethostname()
    host, port = "", 0
    try:
        if endpoint:
            host, port = endpoint
            rank, _store = take_rank(host, port, n_nodes, join_timeout_s)
        else:
            name, rank, host, port = machine_of_job()
        print(f"machine {name}: {rank} of {n_nodes}, the first is at {host}:{port}", file=sys.stderr, flush=True)
        place = [f"--nnodes={n_nodes}", f"--node_rank={rank}", f"--master_addr={host}", f"--master_port={port}"]
        return _torchrun([*words, *place, f"--rdzv_conf=timeout={max(1, round(join_timeout_s))}", *program])
    except DistError as error:
        reason = str(error).partition("\n")[0]
        raise TrainingError(
            f"{name}: {n_nodes} machines did not meet at {host}:{port} within {join_timeout_s:g} s: {reason}",
            fix="start the same command on the machines that printed no line with their name, check that they reach this port, "
            "or lower --num_nodes; --join_timeout waits longer",
        ) from error


def _set_threads(processes: int) -> None:
    """Divide the cores of this machine among its processes, unless the user has set the number of threads."""
    cores = int(os.environ.get("SLURM_CPUS_PER_TASK") or len(os.sched_getaffinity(0)))
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // processes)))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads starve one another where processes outnumber cores


def _run_alone(program: Sequence[str]) -> int:
    """Run a single process, without torchrun and its imports; SIGTERM is forwarded, and the process saves and ends."""
    others = {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}  # of a run around this one
    environment = {name: value for name, value in os.environ.items() if name not in others}
    started = subprocess.Popen([sys.executable, "-u", *program], env=environment)
    signal.signal(signal.SIGTERM, lambda number, _: started.send_signal(number))
    while True:
        try:
            code = started.wait()
            break
        except KeyboardInterrupt:  # the process has Ctrl-C of the keyboard as well, but not a `kill -INT` of this one
            started.send_signal(signal.SIGTERM)
    if code not in (0, STOPPED, KEYBOARD, -signal.SIGTERM):
        _report_first(program, 0, code)
    return code if code >= 0 else 128 - code


def _report_first(program: Sequence[str], rank: int, code: int) -> None:
    """Print which process ended first; one that was killed is noted in the folder of the run as well."""
    how = f"signal {-code}" if code < 0 else f"status {code}"
    print(f"error: process {rank} of {os.environ['CTAP_WORLD_SIZE']} ended first, by {how}", file=sys.stderr)
    if code < 0 and "--exp" in program[:-1]:
        kernel = "; the kernel does that where memory runs out" if -code == signal.SIGKILL else ""
        name = signal.Signals(-code).name if -code in {*signal.Signals} else "unknown"
        error = CtapError(f"ended by signal {-code} ({name}){kernel}; the same command goes on")
        note_error(Path(program[program.index("--exp") + 1]), rank, error, ends_here=True)


def _torchrun(words: Sequence[str]) -> int:
    """Run torchrun in this process; signals are forwarded to its processes, which save and end; Ctrl-C again kills them."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import get_args_parser, run

    received: list[int] = []

    def forward(number: int, _: object) -> None:
        workers = [child.pid for child in psutil.Process().children()]
        again = number == signal.SIGINT and number in received
        received.append(number)
        # They have sessions of their own, which the keyboard does not reach.
        send_signal(workers, signal.SIGKILL if again else signal.SIGTERM)
        if again:
            raise KeyboardInterrupt
        if number == signal.SIGINT:
            os.write(2, b"\nstopping: the step is finished and saved; Ctrl-C again kills the processes\n")
        if not workers:
            raise _StoppedError

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    # Failures are reported below and by the process itself.
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    try:
        with TemporaryDirectory(prefix="ctap_torchrun_") as logs:  # torchrun would leave a folder of its own
            run(get_args_parser().parse_args(["--signals-to-handle=SIGQUIT", f"--log-dir={logs}", *words]))
    except ChildFailedError as error:
        codes = {failure.exitcode for failure in error.failures.values()}
        if codes <= {STOPPED, -signal.SIGTERM} and (received or STOPPED in codes):
            return STOPPED
        rank, first = error.get_first_failure()
        _report_first(words, rank, first.exitcode)
        return first.exitcode if first.exitcode > 0 else 128 - first.exitcode
    return 0
