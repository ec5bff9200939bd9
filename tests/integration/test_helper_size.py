"""flotilla-helper with much to carry: 64 MiB in one file and 20,000 files, byte for byte, in 64 MiB of memory."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from helper_program import Helper, credentials
from recorder import Answer, Recorder


@pytest.fixture
def in_memory(build):
    """A helper whose files lie in memory: disks take long for many files."""
    with tempfile.TemporaryDirectory(prefix="flt-", dir="/dev/shm") as folder:
        yield Helper(build / "helper" / "flotilla-helper", Path(folder))


@pytest.fixture
def stored():
    """A GitLab that gives back what it was sent last."""
    kept = {}

    def answer(request):
        if request.method == "POST":
            kept["archive"] = archive_in(request)
            request.body = b""
            return Answer(201)
        return Answer(200, kept["archive"])

    with Recorder(answer) as gitlab:
        gitlab.kept = kept
        yield gitlab


def archive_in(request):
    """Without Python's parser, which is slow over megabytes."""
    boundary = b"--" + request.headers["content-type"].split("boundary=")[1].encode()
    assert request.body.startswith(boundary + b"\r\n") and request.body.endswith(b"\r\n" + boundary + b"--\r\n")
    return request.body[request.body.index(b"\r\n\r\n") + 4:-len(boundary) - 6]


def peak_memory_kib(helper, *words, cwd):
    """The most of any process of this call."""
    code = ("import resource, subprocess, sys; status = subprocess.run(sys.argv[1:]).returncode; "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)")
    done = subprocess.run([sys.executable, "-c", code, helper.binary, *map(str, words)], cwd=cwd, capture_output=True,
                          timeout=240, env=helper.environment())
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def up_and_down(helper, gitlab, sanitized):
    target = helper.home / "target"
    target.mkdir()
    peaks = [peak_memory_kib(helper, "artifacts-uploader", *credentials(gitlab), "--path", ".", cwd=helper.project),
             peak_memory_kib(helper, "artifacts-downloader", *credentials(gitlab), cwd=target)]
    assert sanitized or max(peaks) <= 64 * 1024, peaks
    return target


def test_one_file_of_64_MiB(in_memory, stored, sanitized):
    helper = in_memory
    block = os.urandom(1 << 20)
    with (helper.project / "big").open("wb") as file:
        for n in range(64):
            file.write(n.to_bytes(4, "big") + block[4:])
    target = up_and_down(helper, stored, sanitized)
    assert subprocess.run(["cmp", helper.project / "big", target / "big"]).returncode == 0


def test_20000_small_files(in_memory, stored, sanitized):
    helper = in_memory
    for folder_number in range(200):
        sub = helper.project / f"d{folder_number}"
        sub.mkdir()
        for number in range(100):
            (sub / f"f{number}").write_text(f"{folder_number} {number}\n")
    target = up_and_down(helper, stored, sanitized)
    assert subprocess.run(["diff", "-r", helper.project, target]).returncode == 0
