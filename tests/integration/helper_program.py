"""flotilla-helper as an instance's scripts call it, for the tests of test_helper*.py. Use as a fixture:
`from helper_program import helper`. What comes back is read by Python's own zipfile and MIME parser."""

import io
import os
import platform
import re
import subprocess
import zipfile
from dataclasses import dataclass

import pytest
from recorder import parts_of

NO_PAUSES = "transfer_pause=0,helper_pause=0"


@dataclass
class Done:
    status: int
    out: bytes
    err: str
    lines: list  # of stderr, without colours and padding


class Helper:
    def __init__(self, binary, folder):
        self.binary = binary
        self.project = folder / "project"
        self.home = folder / "home"
        for path in self.project, self.home:
            path.mkdir(exist_ok=True)

    def environment(self, extra=None):
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")}
        return {**kept, "HOME": str(self.home), "FLOTILLA_LIMITS": NO_PAUSES, **(extra or {})}

    def run(self, *words, environment=None, stdin=b"", cwd=None):
        done = subprocess.run([self.binary, *map(str, words)], cwd=cwd or self.project, input=stdin, timeout=240,
                              capture_output=True, env=self.environment(environment))
        err = done.stderr.decode()
        lines = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in err.splitlines()]
        return Done(done.returncode, done.stdout, err, [re.sub(" +", " ", line).strip() for line in lines])

    def write(self, **files):
        for name, content in files.items():
            path = self.project / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


@pytest.fixture
def helper(build, folder):
    return Helper(build / "helper" / "flotilla-helper", folder)


def static_binary(build):
    return build / "helper" / "static" / f"flotilla-helper-static-{platform.machine()}"


@pytest.fixture
def static_helper(build, folder, sanitized):
    if sanitized:
        pytest.skip("no static program takes sanitizers")
    return Helper(static_binary(build), folder)


@pytest.fixture
def stream_helper(build, folder, sanitized):
    """The one whose command this is, or with sanitizers the other."""
    return Helper(build / "helper" / "flotilla-helper" if sanitized else static_binary(build), folder)


def names_in(archive):
    return sorted(zipfile.ZipFile(io.BytesIO(archive)).namelist())


def zip_of(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def uploaded(request):
    [part] = parts_of(request)
    return part.get_payload(decode=True)


def credentials(gitlab, job=7):
    return ["--url", gitlab.url, "--token", "glcbt-64_exampletoken", "--id", job]


def archiver(helper, *words, **more):
    return helper.run("cache-archiver", "--file", "../cache/k/cache.zip", "--timeout", "10", *words, **more)


def extractor(helper, *words, **more):
    return helper.run("cache-extractor", "--file", "../cache/k/cache.zip", "--timeout", "10", *words, **more)


NO_UPLOAD = ("No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.")
NO_DOWNLOAD = ("No URL provided, cache will not be downloaded from shared cache server. Instead a local version of cache "
               "will be extracted.")
