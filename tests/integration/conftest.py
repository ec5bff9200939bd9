"""Where the binaries of the build under test are, and the machine's limits."""

import os
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))


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
def plugin_dir(build) -> Path:
    return build / "plugins" / "local"


@pytest.fixture
def folder(tmp_path_factory):
    """A short path: UNIX sockets allow 108 bytes."""
    import tempfile
    path = Path(tempfile.mkdtemp(prefix="flt-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def sshd_is_there():
    if not shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"):
        pytest.skip("sshd is not installed: local instances need it")
