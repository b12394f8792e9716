"""Runs steps in forks of one process that has imported the package, so that a step starts at once.

`Steps` starts the server. It reads the arguments of `run_forked` as a line of JSON for each step, and answers
with a line of what that returns.
"""

import contextlib
import json
import os
import pkgutil
import select
import shlex
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from rabbithole.cli import main
from rabbithole.cli.app import use_threads

TIMEOUT_SECONDS = 240


class Steps:
    """A server of steps; use it in a `with` statement."""

    def __enter__(self) -> "Steps":
        """Start the server."""
        command = [sys.executable, "-W", "ignore", __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_error: object) -> None:
        """End the server."""
        self.process.communicate()

    def run(self, command: str, folder: Path) -> subprocess.CompletedProcess[str] | None:
        """Run a rule's shell command, `NAME=VALUE python -m rabbithole ...`, in a folder.

        Returns the exit status and what the step said, None if it did not end in time.
        """
        words = shlex.split(command)
        start = words.index("python")
        environment = dict(word.split("=", 1) for word in words[:start])
        step = {"arguments": words[start + 2 :], "folder": str(folder), "environment": environment}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return None if answer is None else subprocess.CompletedProcess(command, *answer)


def serve() -> None:
    """Answer until the standard input ends."""
    use_threads(1)
    package = import_module("rabbithole")
    for module in pkgutil.walk_packages(package.__path__, "rabbithole."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    for line in sys.stdin:
        print(json.dumps(run_forked(**json.loads(line))), flush=True)


def run_forked(arguments: list[str], folder: str, environment: dict[str, str]) -> tuple[int, str] | None:
    """Run a step in a fork; return its exit status and its messages, None if it did not end in time."""
    with tempfile.TemporaryFile() as messages:
        child = os.fork()
        if not child:
            run_step(arguments, folder, environment, messages.fileno())
        with os.fdopen(os.pidfd_open(child)) as process:
            in_time = bool(select.select([process], [], [], TIMEOUT_SECONDS)[0])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, 9)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        messages.seek(0)
        return (status, messages.read().decode(errors="replace")) if in_time else None


def run_step(arguments: list[str], folder: str, environment: dict[str, str], messages: int) -> None:
    """Run a step as `python -m rabbithole` does, then end this process."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(messages, stream)
    status = 1
    try:
        os.chdir(folder)
        os.environ.update(environment)
        sys.argv = arguments
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
