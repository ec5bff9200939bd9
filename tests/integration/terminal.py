"""A terminal for a program under test: a pty, what the program makes of its screen, and every byte that it wrote."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import threading

import pyte

from checker.run import PATIENCE, wait_for

ENTER, LEAVE = b"\x1b[?1049h", b"\x1b[?1049l"


class Terminal:
    def __init__(self, command, rows=24, columns=80, **options):
        self.raw, self.master = b"", None
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.lock = threading.Lock()
        self.master, slave = pty.openpty()
        self._set_size(rows, columns)
        self.child = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **options)
        self.slave = slave  # kept open: the settings outlive the program
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.raw += data
                self.stream.feed(data)

    def _set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        with self.lock:
            self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def lines(self):
        with self.lock:
            return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def bytes(self):
        with self.lock:
            return self.raw

    def type(self, data):
        os.write(self.master, data)

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def expect(self, text, timeout=PATIENCE):
        assert wait_for(lambda: text in self.text(), timeout), f"'{text}' is not on the screen:\n{self.text()}"

    def ended(self, timeout=PATIENCE):
        """The exit status, when all that was written has been read."""
        status = self.child.wait(timeout)
        os.close(self.slave)
        self.reader.join(10)
        os.close(self.master)
        return status

    def after_the_board(self):
        """What the person is left with."""
        return self.bytes()[self.bytes().rindex(LEAVE):].decode().replace("\r\n", "\n")
