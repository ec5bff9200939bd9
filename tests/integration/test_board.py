"""`flotilla exec` on a terminal: the board, and the terminal as it was on every way out. The bytes go through a pty, and
pyte makes a screen of them."""

import contextlib
import os
import re
import signal
import sqlite3

import pytest

from checker.run import wait_for
from terminal import ENTER, LEAVE, Terminal
from test_exec import Project, runner

HOLD = r"""
stages: [first, second]
hold:
  stage: first
  script:
    - printf 'before \033]0;title\007\033[31mred\033[0m \033[5;5Hmoved\n'
    - until [ -e "{go}" ]; do sleep 0.1; done
"\e]0;name\a":
  stage: second
  script: "echo last; exit 3"
  allow_failure: true
"""


@pytest.fixture
def project(folder, binary, plugin_dir):
    return Project(folder, binary, plugin_dir)


class Held:
    """A run on a terminal whose first job waits."""

    def __init__(self, project, **options):
        self.project, self.go = project, project.folder / "go"
        project.write(".gitlab-ci.yml", HOLD.format(go=self.go))
        project.commit()
        environment = {**os.environ, "TMPDIR": str(project.temporary), "TERM": "xterm", **options.pop("environment", {})}
        self.terminal = Terminal(project.command, cwd=project.top, env=environment, **options)

    def release(self):
        self.go.touch()


@pytest.fixture
def held(project):
    made = []

    def make(**options):
        made.append(Held(project, **options))
        return made[-1]

    yield make
    for run in made:
        run.terminal.child.kill()


def test_the_board_tells_what_runs_and_follows_the_window(held):
    run = held()
    terminal = run.terminal
    terminal.expect("before 0;titlered moved")
    # The shell that the job runs in may have said more before; the last lines are the job's.
    lines = terminal.lines()
    assert re.match(r" *\d+:\d\d ", lines[0]) and "0 of 2 jobs done  project, main at " in lines[0]
    assert lines[1].startswith("first  > hold") and " running " in lines[1]
    assert lines[2].startswith(r"second   \x1b]0;name\x07") and lines[2].endswith("waiting")
    assert any(line.startswith("instance ") and line.endswith("  [hold]") for line in lines)
    assert "log of hold:" in lines
    assert not terminal.echoes()
    terminal.resize(8, 40)
    assert wait_for(lambda: terminal.lines()[0].endswith(" project, main…")), terminal.text()
    terminal.expect("before 0;titlered moved")
    assert terminal.lines()[1].startswith("first  > hold")
    terminal.resize(30, 120)
    assert wait_for(lambda: re.search(r" project, main at [0-9a-f]{8}$", terminal.lines()[0])), terminal.text()
    assert terminal.bytes().count(b"\x1b[2J") >= 2, "what the old size left on the screen has to go"
    run.release()
    assert terminal.ended() == 0
    assert terminal.bytes().count(ENTER) == terminal.bytes().count(LEAVE) == 1
    assert b"\x1b]0;" not in terminal.bytes() and b"\x1b[5;5H" not in terminal.bytes()
    left = terminal.after_the_board()
    assert "log of \\x1b]0;name\\x07, which failed (allowed):\n" in left and "\nlast\n" in left
    assert "before" not in left, "a log of a job that passed is nobody's business any more"
    assert "\npipeline passed in " in left
    run.project.assert_nothing_left()


ENDS = [
    ("an interrupt", lambda terminal: terminal.type(b"\x03"), 130),
    ("an interrupt that does not wait", lambda terminal: (terminal.type(b"\x03"),
                                                         wait_for(lambda: b"interrupted" in terminal.bytes()),
                                                         terminal.type(b"\x03")), 130),
    ("SIGTERM", lambda terminal: terminal.child.send_signal(signal.SIGTERM), 130),
    ("SIGQUIT from the keyboard", lambda terminal: terminal.type(b"\x1c"), -signal.SIGQUIT),
    ("a crash", lambda terminal: terminal.child.send_signal(signal.SIGSEGV), -signal.SIGSEGV),
]


@pytest.mark.parametrize("how, status", [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_the_terminal_is_given_back_on_every_end(held, how, status):
    terminal = held().terminal
    terminal.expect("before 0;titlered moved")
    assert not terminal.echoes()
    how(terminal)
    assert wait_for(lambda: terminal.child.poll() is not None)
    assert terminal.echoes()
    assert terminal.ended() == status
    data = terminal.bytes()
    assert data.count(ENTER) == data.count(LEAVE) == 1
    for restored in (b"\x1b[?25h", b"\x1b[?7h"):
        assert data.count(restored) == 1


def test_a_manager_that_stops_itself_gives_the_terminal_back_and_says_why(held):
    run = held()
    terminal = run.terminal
    terminal.expect("before 0;titlered moved")
    ledger, = run.project.temporary.glob("*/state/ledger.db")
    with contextlib.closing(sqlite3.connect(ledger)) as database:
        database.execute("CREATE TRIGGER refuse BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'refused'); END")
        database.commit()
    run.release()
    assert terminal.ended() == 1
    assert "The manager stops here" in terminal.after_the_board()
    assert terminal.bytes().count(ENTER) == terminal.bytes().count(LEAVE) == 1


def test_a_stopped_run_gives_the_terminal_back_and_takes_it_again(held):
    run = held()
    terminal = run.terminal

    def is_stopped():
        with open(f"/proc/{terminal.child.pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    terminal.expect("before 0;titlered moved")
    terminal.type(b"\x1a")
    assert wait_for(is_stopped)
    assert wait_for(lambda: terminal.bytes().endswith(LEAVE))
    assert terminal.echoes()
    os.killpg(terminal.child.pid, signal.SIGCONT)
    assert wait_for(lambda: terminal.bytes().count(ENTER) == 2)
    assert wait_for(lambda: not terminal.echoes())
    run.release()
    assert terminal.ended() == 0
    assert terminal.bytes().count(LEAVE) == 2


def test_problems_wait_until_the_board_is_gone(project):
    project.write(".gitlab-ci.yml", "a: {script: x}\n")
    project.commit()
    arguments = project.with_config(runner("x", plugin="nowhere"))
    terminal = Terminal([*project.command, *arguments], cwd=project.top,
                        env={**os.environ, "TMPDIR": str(project.temporary), "TERM": "xterm"})
    assert terminal.ended() == 1
    sentence = "flotilla exec: runner 'x' can't run jobs: "
    assert sentence in terminal.after_the_board()
    assert b"\n" + sentence.encode() not in terminal.bytes()[:terminal.bytes().rindex(LEAVE)]


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_that_can_move_nothing_gets_lines(held, term):
    run = held(environment={"TERM": term})
    run.release()
    assert run.terminal.ended() == 0
    data = run.terminal.bytes()
    assert ENTER not in data and b"hold | before " in data and b"\x1b]0;" not in data
