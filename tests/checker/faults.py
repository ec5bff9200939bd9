"""What a test that fails says of the product: a breach of the checker's rules or a crash is a fault of it, however seldom
it shows. A pytest plugin, which tests/integration/conftest.py loads: it notes each in the test's properties, and
scripts/run-tests asks no such test again."""

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

CRASHES = {signal.SIGILL, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV, signal.SIGSYS, signal.SIGTRAP}
SIGNAL = re.compile(r"(?:killed by|ended with) signal (\d+)")  # the manager's words for what became of its processes
STARTED = pytest.StashKey[list]()


class Breach(AssertionError):
    """The checker found a breach."""


@pytest.fixture(autouse=True)
def started(monkeypatch, request):
    """Every program that the test starts."""
    programs = request.node.stash[STARTED] = []

    class Noted(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            programs.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)


def crashes(item) -> Iterator[str]:
    """Those of programs that the test started, and those that a manager tells of."""
    for program in item.stash.get(STARTED, []):
        if program.poll() is not None and -program.returncode in CRASHES:
            yield f"a program of the test was ended by signal {-program.returncode}"
    log = item.funcargs["folder"] / "daemon.log" if "folder" in item.funcargs else None
    if log and log.exists():
        told = {int(number) for number in SIGNAL.findall(log.read_text(errors="replace"))}
        yield from (f"a process of the manager was ended by signal {number}" for number in sorted(told & CRASHES))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    if not call.excinfo or call.excinfo.errisinstance(pytest.skip.Exception):
        return
    found = ["the checker found a breach"] if call.excinfo.errisinstance(Breach) else []
    item.user_properties.extend(("fault", text) for text in [*found, *crashes(item)])
