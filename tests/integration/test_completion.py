"""packaging/completion in the shells themselves: whatever --help tells is offered, and its values as what they are."""

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

import pytest

from checker.run import PATIENCE
from conftest import ROOT

FILES = ROOT / "packaging" / "completion"
BASH = """
source {files}/flotilla.bash
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_flotilla
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
# What zsh itself would show: its own functions for that want a terminal, which test_a_tab_completes has.
ZSH = """
_describe() {{ [[ $1 == -o ]] && shift; print -l -- ${{${{(P)2}}%%:*}} }}
_files() {{ [[ $1 == -/ ]] && print -l -- *(/) || print -l -- * }}
words=({words}) CURRENT=${{#words}} PREFIX={last}
source {files}/_flotilla
"""


def completed_by(shell, binary, words, folder):
    """What the shell offers for the last word."""
    quoted = " ".join(shlex.quote(word) for word in words)
    if shell == "fish":
        script = f"source {FILES}/flotilla.fish; complete --do-complete {shlex.quote(' '.join(words))}"
        command = ["fish", "--no-config", "--private", "--command", script]
    elif shell == "zsh":
        command = ["zsh", "-fc", ZSH.format(files=FILES, words=quoted, last=shlex.quote(words[-1]))]
    else:
        command = ["bash", "--norc", "-c", BASH.format(files=FILES, words=quoted)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, stdin=subprocess.DEVNULL,
                          env={**os.environ, "PATH": f"{binary.parent}:{os.environ['PATH']}", "HOME": str(folder)})
    assert done.stderr == "", done.stderr
    return [line.split("\t")[0].rstrip("/") for line in done.stdout.splitlines() if line]


@pytest.fixture(params=["bash", "zsh", "fish"])
def offered(request, binary, folder):
    assert shutil.which(request.param), f"{request.param} is not installed; scripts/install-packages test"
    (folder / "some-folder").mkdir()
    (folder / "some-file").touch()
    return lambda *words: completed_by(request.param, binary, ["flotilla", *words], folder)


def ask(binary, *words):
    return subprocess.run([binary, *words, "--help"], capture_output=True, text=True, check=True).stdout


def commands(binary):
    return re.findall(r"^  ([a-z][a-z-]*)  ", ask(binary), re.M)


def test_each_command_is_offered(offered, binary):
    assert {"run", "exec", "status"} < set(commands(binary)) <= set(offered(""))
    assert offered("simu") in (["simulate"], commands(binary))  # zsh filters what it is given later


def test_each_option_of_each_command_is_offered(offered, binary):
    for command in commands(binary):
        told = set(re.findall(r"--[a-z][a-z-]*", ask(binary, command)))
        assert told <= set(offered(command, "--")), command


def test_the_words_of_a_command_are_offered(offered):
    assert {"list", "info", "check", "try"} <= set(offered("plugin", ""))
    assert {"list", "info"} & set(offered("plugin", "list", "")) == set()
    assert "show" in offered("policy", "")


def test_values_are_files_folders_or_words(offered):
    assert {"some-file", "some-folder"} <= set(offered("run", "--config", ""))
    assert offered("run", "--state-dir", "") == ["some-folder"]
    assert {"text", "json"} <= set(offered("run", "--log-format", ""))
    assert offered("exec", "--isolate", "") == ["vm"]
    assert "--config" in offered("status", "--json", "--")
    assert "some-file" in offered("config", "check", "")


START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {files}/flotilla.bash"),
    "zsh": (["zsh", "-f", "-i"], "fpath=({files} $fpath); autoload -U compinit; compinit -u -D"),
    "fish": (["fish", "--no-config", "--private"], "source {files}/flotilla.fish"),
}
CALLED = """#!/bin/sh
for last; do :; done
[ "$last" != --help ] || exec {binary} "$@"
echo "called with $*"
"""


class Terminal:
    def __init__(self, command, folder, environment):
        self.child, self.terminal = pty.fork()
        if self.child == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)

    def type(self, text, wanted):
        """The answer holds what is wanted, between whatever moves the cursor."""
        os.write(self.terminal, text.encode())
        deadline, told = time.monotonic() + PATIENCE, ""
        while wanted not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x08", "", told):
            assert time.monotonic() < deadline, told
            if select.select([self.terminal], [], [], 1)[0]:
                told += os.read(self.terminal, 4096).decode(errors="replace")

    def close(self):
        os.kill(self.child, signal.SIGKILL)
        os.waitpid(self.child, 0)
        os.close(self.terminal)


@pytest.mark.parametrize("shell", START)
def test_a_tab_completes(shell, binary, folder):
    """An interactive shell on a terminal, as a person has it."""
    command, setup = START[shell]
    program = folder / "flotilla"
    program.write_text(CALLED.format(binary=binary))
    program.chmod(0o755)
    terminal = Terminal(command, folder, {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "xterm",
                                          "LANG": "C.UTF-8"})
    try:
        terminal.type(setup.format(files=FILES) + "; echo is-\"\"ready\n", "is-ready")
        terminal.type("flotilla simul\t", "simulate ")
        terminal.type("--his\t", "--history")
        terminal.type("\n", "called with simulate --history")
    finally:
        terminal.close()
