"""A Slurm cluster on this machine: munged, a controller and two node daemons, in a temporary folder.

`with cluster() as slurm:` starts the cluster. Programs with the environment `slurm.environment` use this
cluster and no other. As a script, `python tests/slurm_cluster.py COMMAND ...` runs one command with such a
cluster. It needs Debian's packages slurm-wlm and munge, but not their files below /etc.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

# Slurm's names of the nodes. JAX connects to the alphabetically first node by its name. So the first node has
# the name of the machine.
HOST = socket.gethostname().split(".")[0]
NODES = (HOST, f"{HOST}-second")
CPUS = 8
MEMORY_MB = 32000
PARTITION = "main"
START_SECONDS = 60.0
GUARD = "--guard"
STOP_SECONDS = 30.0

# `proctrack/linuxproc` and `task/none` need no cgroups, which are often missing in containers. Memory limits
# are checked every two seconds. `config_overrides` lets a node have more cores and memory than the machine.
CONFIGURATION = """\
ClusterName=rabbithole
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
KillWait=5
PlugStackConfig={folder}/plugstack.conf
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
MinJobAge=3600
GresTypes=gpu
NodeName=DEFAULT CPUs={cpus} RealMemory={memory} Gres=gpu:1
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]}
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]}
PartitionName={partition} Nodes={nodes[0]},{nodes[1]} Default=YES MaxTime=INFINITE State=UP
"""

# The executor's job steps do not inherit SLURM_CONF. On a real cluster, the programs read the configuration
# from its default path. Here, wrappers set the variable.
PROGRAMS = ("sacct", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
WRAPPER = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {program} "$@"
"""

MUNGE_FILES = {
    "key-file": "munge.key",
    "socket": "munge.socket",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munged.seed",
}


@dataclass(frozen=True)
class Slurm:
    """A running cluster: its folder, and the environment of the programs that use it."""

    folder: Path
    environment: dict[str, str]

    def query(self, *command: str) -> str:
        """Return the output of a Slurm command; raises CalledProcessError if it fails."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout.strip()


def missing_requirement() -> str | None:
    """Return why no cluster can be started on this machine, or None."""
    absent = [
        program
        for program in ("munged", "slurmctld", "slurmd", "sbatch", "srun", "setpriv")
        if shutil.which(program, path=search_path()) is None
    ]
    if absent:
        return f"Slurm is not installed ({', '.join(absent)} not found): apt-get install slurm-wlm munge"
    return None


def search_path() -> str:
    """Return the PATH with the folders of system daemons, which users often do not have in theirs."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def free_ports(count: int) -> list[int]:
    """Return unused ports."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for unbound in sockets:
            unbound.bind(("127.0.0.1", 0))
        return [bound.getsockname()[1] for bound in sockets]


def write_configuration(folder: Path) -> None:
    """Write the files that the daemons read: the Slurm configuration and the munge key."""
    text = CONFIGURATION.format(
        folder=folder,
        host=socket.gethostname(),
        user=psutil.Process().username(),
        ports=free_ports(3),
        nodes=NODES,
        cpus=CPUS,
        memory=MEMORY_MB,
        partition=PARTITION,
    )
    (folder / "state").mkdir()
    (folder / "slurm.conf").write_text(text)
    # A GPU needs a device file. Any file will do, because no job opens it.
    (folder / "gres.conf").write_text(f"NodeName={NODES[0]},{NODES[1]} Name=gpu File=/dev/null\n")
    for name in ("cgroup.conf", "plugstack.conf"):
        (folder / name).touch()
    (folder / "bin").mkdir()
    for name in PROGRAMS:
        wrapper = folder / "bin" / name
        wrapper.write_text(WRAPPER.format(folder=folder, program=shutil.which(name, path=search_path())))
        wrapper.chmod(0o755)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))


def munge_command(folder: Path) -> list[str]:
    """Return the command that starts the authentication daemon."""
    # By default, munged refuses a socket in a folder that other users can't enter. Here they must not enter.
    files = [f"--{name}={folder / file}" for name, file in MUNGE_FILES.items()]
    return ["munged", "--foreground", "--force", "--num-threads=2", *files]


def wait_until(ready: Callable[[], bool], failure: str, seconds: float, folder: Path) -> None:
    """Wait until a condition holds. If it takes too long, raise TimeoutError with the ends of the logs."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError("\n".join([f"{failure} after {seconds:.0f} s", *log_tails(folder)]))
        time.sleep(0.2)


def log_tails(folder: Path) -> list[str]:
    """Return the ends of the daemons' logs."""
    return [f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in folder.glob("*.log")]


def leftovers(folder: Path) -> list[psutil.Process]:
    """Return the processes of the cluster: daemons, job steps and their children.

    A job step's daemon overwrites its arguments and environment, but it keeps the node's log open.
    """
    remaining = []
    own = {os.getpid(), os.getppid()}
    for process in psutil.process_iter():
        if process.pid in own:
            continue
        try:
            mentions = [*process.cmdline(), process.environ().get("SLURM_CONF", "")]
            mentions += [file.path for file in process.open_files()]
        except psutil.Error:
            continue
        if any(str(folder) in mention for mention in mentions):
            remaining.append(process)
    return remaining


def terminate(processes: list[psutil.Process], seconds: float) -> None:
    """Terminate processes; kill those that still run after some seconds."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def stop(slurm: Slurm, daemons: list[subprocess.Popen[bytes]]) -> None:
    """Cancel the jobs, stop the daemons and all remaining processes, and remove the folder."""
    with suppress(subprocess.SubprocessError, TimeoutError):
        slurm.query("scancel", "--partition", PARTITION)
        wait_until(
            lambda: not slurm.query("squeue", "--noheader"), "jobs still run", STOP_SECONDS, slurm.folder
        )
    # The controller stops first, then the node daemons. munged stops last, because the controller needs it.
    for daemon in reversed(daemons):
        terminate([psutil.Process(daemon.pid)] if daemon.poll() is None else [], STOP_SECONDS)
        daemon.wait()
    terminate(leftovers(slurm.folder), 5)
    shutil.rmtree(slurm.folder, ignore_errors=True)


@contextmanager
def cluster() -> Iterator[Slurm]:
    """Start a cluster of two nodes and yield it. At the end, stop it and everything that runs on it.

    Raises:
        RuntimeError: if Slurm is not installed (see `missing_requirement`), or if a daemon stops.
        TimeoutError: if the nodes do not start; the message contains the daemons' logs.
    """
    if reason := missing_requirement():
        raise RuntimeError(reason)
    # Not pytest's folder: the path of a socket may have at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    environment = {
        **os.environ,
        "PATH": f"{folder / 'bin'}:{search_path()}",
        "SLURM_CONF": str(folder / "slurm.conf"),
    }
    slurm = Slurm(folder, environment)
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        # The daemons end with this process, even if it is killed.
        with (folder / f"{len(daemons)}-{command[0]}.out.log").open("wb") as log:
            daemons.append(
                subprocess.Popen(
                    ["setpriv", "--pdeathsig", "TERM", *command],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def idle() -> bool:
        if any(daemon.poll() is not None for daemon in daemons):
            raise RuntimeError("\n".join(["a Slurm daemon stopped", *log_tails(folder)]))
        try:
            return slurm.query("sinfo", "--noheader", "--Node", "--format=%t").split() == ["idle", "idle"]
        except subprocess.SubprocessError:
            return False

    guard = subprocess.Popen(
        [sys.executable, __file__, GUARD, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        write_configuration(folder)
        start(*munge_command(folder))
        wait_until((folder / "munge.socket").exists, "munged did not start", 15, folder)
        for node in NODES:
            start("slurmd", "-D", "-N", node)
        start("slurmctld", "-D", "-i")
        wait_until(idle, "the nodes did not start", START_SECONDS, folder)
        yield slurm
    finally:
        stop(slurm, daemons)
        guard.communicate()


def watch(folder: Path) -> None:
    """Wait until the cluster's process ends, then clean up. This also works if that process is killed."""
    # The other process holds the write end of this pipe. The input ends with that process.
    sys.stdin.read()
    terminate(leftovers(folder), 5)
    shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Run the command in the arguments with a cluster and return its exit status."""
    if sys.argv[1:2] == [GUARD]:
        watch(Path(sys.argv[2]))
        return 0
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    # On SIGTERM, the cluster and its jobs stop too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with cluster() as slurm:
        return subprocess.run(sys.argv[1:], env=slurm.environment).returncode


if __name__ == "__main__":
    sys.exit(main())
