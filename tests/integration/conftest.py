"""Where the binaries of the build under test are, and the machine's limits."""

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from checker.faults import pytest_runtest_makereport, started  # noqa: E402, F401
from checker.processes import processes_of  # noqa: E402
from checker.run import wait_for  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "sample: also run with sanitizers in each run of scripts/test")
    config.addinivalue_line("markers", "longest: begins before all others that stand alone")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that look at one run of many jobs stay on one worker, or each worker would make that run; xdist begins with those.
    Behind them the longest test is the first: at the end the other workers would have nothing to do beside it."""
    items.sort(key=lambda item: not item.get_closest_marker("longest"))
    for item in items:
        shared = [name for name, found in item._fixtureinfo.name2fixturedefs.items() if found[-1].scope == "module"]
        if shared:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))


@pytest.fixture(scope="session")
def build() -> Path:
    """The build directory with -Dfaults=true; scripts/test names it in FLOTILLA_BUILD."""
    path = Path(os.environ.get("FLOTILLA_BUILD", ROOT / "build-test")).resolve()
    if not (path / "core" / "flotilla").exists():
        pytest.fail(f"{path} holds no build; run scripts/test, or set FLOTILLA_BUILD")
    return path


@pytest.fixture(scope="session")
def binary(build) -> Path:
    return build / "core" / "flotilla"


@pytest.fixture(scope="session")
def sanitized(build) -> bool:
    """Sanitizers cost many times the memory of what they watch."""
    options = json.loads((build / "meson-info" / "intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == "b_sanitize") != "none"


def need_static_helper(build):
    """For what is brought to instances."""
    if not list((build / "helper" / "static").glob("flotilla-helper-static-*")):
        pytest.skip("a build with sanitizers has no static helper")


@pytest.fixture(scope="session")
def plugin_dir(build) -> Path:
    return build / "plugins" / "local"


@pytest.fixture(scope="session")
def fakes(build) -> Path:
    """Providers for tests alone."""
    return build / "tests" / "fakes"


@contextlib.contextmanager
def short_folder():
    """A short path: UNIX sockets allow 108 bytes."""
    import tempfile
    path = Path(tempfile.mkdtemp(prefix="flt-", dir="/tmp"))
    yield path
    assert wait_for(lambda: not end_processes(path)), "processes of this test cannot be ended"
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def folder():
    with short_folder() as path:
        yield path


@pytest.fixture(scope="module")
def module_folder():
    """For a run whose jobs many tests look at."""
    with short_folder() as path:
        yield path


def end_processes(folder):
    """What a test that failed has left behind must not trouble the next one."""
    left = processes_of(folder)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    return left


@pytest.fixture(scope="session", autouse=True)
def sshd_is_there():
    if not shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"):
        pytest.skip("sshd is not installed: local instances need it")


@pytest.fixture
def scripted(folder, binary, build):
    from scripted import Scripted
    made = []

    def make(**settings):
        made.append(Scripted(folder, binary, build, **settings))
        return made[-1]

    yield make
    for manager in made:
        manager.close()
