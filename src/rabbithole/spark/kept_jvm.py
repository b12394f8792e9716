"""Hand the JVM of a step to the next step of the same run: to start one, and Spark in it, takes seconds.

A JVM ends when its standard input is closed, so it belongs to the process that holds that pipe: the step, and
between two steps a process of its own (`python -m rabbithole.spark.kept_jvm`). That one waits for a step
that asks for the JVM, and ends it if none does, or if the run ends. So a killed step or run takes its JVM
with it.
"""

import hashlib
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rabbithole.job_lifetime import PARENT, open_parent

if TYPE_CHECKING:
    # The process that keeps a JVM starts without pydantic.
    from rabbithole.specs.data import SparkOptions

IDLE_SECONDS = 10
"""How long a JVM waits for the next step. Its memory is not free for other steps meanwhile."""

ANSWER_SECONDS = 5

END_SECONDS = 30
"""How long a JVM may take to end."""

MESSAGE_BYTES = 2000


@dataclass(frozen=True)
class Jvm:
    """A JVM that waits for commands on a port of this machine.

    process: its id; secret: proves that a command comes from this user; folder: of its files, removed with
    it; stdin: the write end of the pipe that keeps it alive; lock: of the folder (see `io.scratch`). stdin
    and lock are file descriptors of this process.
    """

    process: int
    port: int
    secret: str
    folder: Path
    stdin: int
    lock: int

    def release(self) -> None:
        """Close this process's descriptors; the JVM ends unless another process holds its pipe."""
        os.close(self.stdin)
        os.close(self.lock)

    def end(self) -> None:
        """End the JVM and remove its files, which it may write until its end."""
        try:
            ended = [os.pidfd_open(self.process)]
        except OSError:
            ended = []
        os.close(self.stdin)
        select.select(ended, [], [], END_SECONDS if ended else 0)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def take_jvm(options: "SparkOptions") -> Jvm | None:
    """Return a JVM that an earlier step of this run left, started with the same options; None without one."""
    if PARENT not in os.environ:
        return None
    for path in _folder().glob(f"{_name(options)}-*"):
        with suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS)
            try:
                client.connect(str(path))
            except ConnectionRefusedError:
                # Its process was killed.
                path.unlink(missing_ok=True)
                continue
            # Anyone can create a file in the folder for temporary files.
            if _user_of(client) != os.getuid():
                continue
            message, descriptors, _, _ = socket.recv_fds(client, MESSAGE_BYTES, 2)
            if len(descriptors) == 2:
                jvm = _described(message, *descriptors)
                if _is_alive(jvm):
                    return jvm
                jvm.end()
    return None


def keep_jvm(jvm: Jvm, options: "SparkOptions") -> bool:
    """Hand a JVM to a process that keeps it for the next step; return whether that was possible.

    Only steps of a run on Linux can. After that the JVM is no longer this process's.
    """
    with suppress(OSError, subprocess.SubprocessError), socket.socket(socket.AF_UNIX) as server:
        parent = open_parent()
        if parent is None:
            return False
        path = _folder() / f"{_name(options)}-{os.getpid()}"
        server.bind(str(path))
        try:
            path.chmod(0o600)
            server.listen(1)
            descriptors = (server.fileno(), jvm.stdin, jvm.lock, parent)
            # It goes on in a child process, so that this one need not wait for it.
            subprocess.run(
                [sys.executable, "-m", __name__, *map(str, descriptors), str(IDLE_SECONDS)],
                input=json.dumps([jvm.process, jvm.port, jvm.secret, str(jvm.folder)]).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=descriptors,
                # Ctrl-C in the terminal is for the run, whose end that process sees.
                start_new_session=True,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            path.unlink()
            raise
        finally:
            os.close(parent)
        jvm.release()
        return True
    return False


def main() -> None:
    """Offer a JVM until a step takes it, the run or the JVM ends, or the time is up."""
    listening, stdin, lock, parent = map(int, sys.argv[1:5])
    idle = float(sys.argv[5])
    offer = sys.stdin.buffer.read()
    if os.fork():
        return
    with socket.socket(fileno=listening) as server:
        poll = select.poll()
        for descriptor, events in ((listening, select.POLLIN), (parent, select.POLLIN), (stdin, 0)):
            poll.register(descriptor, events)
        ready = [descriptor for descriptor, _ in poll.poll(idle * 1000)]
        Path(server.getsockname()).unlink(missing_ok=True)
        if ready == [listening]:
            client, _ = server.accept()
            with client:
                socket.send_fds(client, [offer], [stdin, lock])
        else:
            _described(offer, stdin, lock).end()


def _described(offer: bytes, stdin: int, lock: int) -> Jvm:
    """Return a JVM as the process that keeps it describes it."""
    process, port, secret, folder = json.loads(offer)
    return Jvm(process, port, secret, Path(folder), stdin, lock)


def _folder() -> Path:
    return Path(tempfile.gettempdir())


def _name(options: "SparkOptions") -> str:
    """Return the beginning of a socket's name: the same for steps that can share a JVM."""
    shared = [options.to_json(), os.environ.get(PARENT), sys.executable, str(Path.cwd()), os.getuid()]
    return f"rabbithole-jvm-{hashlib.sha256(json.dumps(shared).encode()).hexdigest()[:16]}"


def _user_of(client: socket.socket) -> int:
    """Return the user id of the process at the other end of a socket."""
    credentials = struct.Struct("3i")
    _, user, _ = credentials.unpack(
        client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    )
    return int(user)


def _is_alive(jvm: Jvm) -> bool:
    """Return whether a process still reads the JVM's standard input."""
    poll = select.poll()
    poll.register(jvm.stdin, 0)
    return not poll.poll(0)


if __name__ == "__main__":
    main()
