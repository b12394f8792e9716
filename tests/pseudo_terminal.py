"""Run a command in a terminal of its own, look at its screen, and press keys."""

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyte

CTRL_C = b"\x03"


@dataclass
class Terminal:
    """A terminal in which a command runs. frames: the different screens so far, as text."""

    command: list[str]
    folder: Path
    columns: int = 100
    rows: int = 30
    frames: list[str] = field(default_factory=list)

    def run(self, press: bytes = b"", when: Callable[[str], bool] = lambda _screen: False) -> int:
        """Run the command to its end; return its exit status. press: a key, once a screen fits `when`."""
        screen = pyte.HistoryScreen(self.columns, self.rows, history=1000)
        stream = pyte.ByteStream(screen)
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            os.environ["TERM"] = "xterm-256color"
            os.execv(self.command[0], self.command)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            if not select.select([terminal], [], [], 0.5)[0]:
                continue
            try:
                data = os.read(terminal, 65536)
            except OSError:
                # Linux's way to say that the other side has closed the terminal.
                break
            stream.feed(data)
            text = "\n".join(line.rstrip() for line in screen.display).strip()
            if not self.frames or text != self.frames[-1]:
                self.frames.append(text)
            if press and when(text):
                os.write(terminal, press)
                press = b""
        os.close(terminal)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        rolled_off = ["".join(line[x].data for x in range(self.columns)) for line in screen.history.top]
        self.frames.append("\n".join(line.rstrip() for line in [*rolled_off, *screen.display]).strip())
        return status
