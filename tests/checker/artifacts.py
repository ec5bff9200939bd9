"""The part of GitLab's API that takes and gives a job's artifacts (coordinator-protocol.md 1.11, 1.12).

| call | answers | from GitLab's |
| --- | --- | --- |
| POST jobs/ID/artifacts | 201; again 201 for the same file once more, and 400 for another of the same type; 400 without a file; 403 unless the job runs and the token is its own | lib/api/ci/runner.rb, app/services/ci/job_artifacts/create_service.rb, …/jobs_artifacts_spec.rb |
| GET jobs/ID/artifacts | 200 the archive; 401 for a token that is none, 404 where there is no archive | lib/api/ci/runner.rb |

Left out: redirections to a store of objects and 413, which tests play by `fault`; which types and formats there are.
Bodies are kept in files: they may be larger than what a test should hold. One that breaks off is never an artifact."""

import hashlib
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from .runner_api import UNAUTHORIZED, told, wrong

PIECE = 1 << 20


@dataclass
class Artifact:
    job_id: int
    file_name: str
    query: dict
    path: Path
    size: int

    @property
    def type(self) -> str:
        return self.query.get("artifact_type", "archive")

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        with open(self.path, "rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
        return digest.hexdigest()


class Torn(Exception):
    """The request's body broke off."""


@dataclass
class Hold:
    """Stops an upload in its middle: `begun` tells the test that bytes have come, `go_on` lets the rest come."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


def exactly(read, size) -> Iterator[bytes]:
    while size > 0:
        piece = read(min(size, PIECE))
        if not piece:
            raise Torn
        size -= len(piece)
        yield piece


def body_pieces(request) -> Iterator[bytes]:
    """The body of an HTTP request, chunked or with its length."""
    file = request.rfile
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        yield from exactly(file.read, int(request.headers.get("Content-Length") or 0))
        return
    while size := int(file.readline().partition(b";")[0] or b"x", 16):
        yield from exactly(file.read, size)
        file.readline()
    if file.readline() not in (b"\r\n", b"\n"):
        raise Torn


def take_part(path: Path, content_type: str) -> tuple[str, int]:
    """Leaves of a multipart body its one file; the file's name and size."""
    boundary = re.fullmatch(r'multipart/form-data; boundary="?([^";]+)"?', content_type)[1].encode()
    tail = b"\r\n--" + boundary + b"--"
    with open(path, "r+b") as file:
        head, separator, _ = file.read(8192).partition(b"\r\n\r\n")
        if not separator or not head.startswith(b"--" + boundary + b"\r\n"):
            raise Torn
        name = re.search(rb'form-data; name="file"; filename="([^"]*)"', head)[1].decode()
        start = len(head) + 4
        end = file.seek(0, 2)
        file.seek(max(start - 2, end - len(tail) - 8))
        found = file.read().rfind(tail)
        if found < 0:
            raise Torn
        size = max(start - 2, end - len(tail) - 8) + found - start
        with tempfile.TemporaryFile(dir=path.parent) as kept:
            copy(file, start, size, kept)
            file.truncate(0)
            copy(kept, 0, size, file)
    return name, size


def copy(source, start, size, target):
    source.seek(start)
    target.seek(0)
    while size > 0:
        piece = source.read(min(size, PIECE))
        target.write(piece)
        size -= len(piece)


class ArtifactApi:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="flotilla-artifacts-")
        self.taken: list[Artifact] = []
        self.torn = 0  # uploads that broke off
        self.offers: dict[int, tuple[str, Path]] = {}  # job: its token, its archive
        self.holds: dict[int, Hold] = {}
        self.count = 0
        self.lock = threading.Lock()

    def close(self):
        self.folder.cleanup()

    def new_file(self) -> Path:
        with self.lock:
            self.count += 1
            return Path(self.folder.name) / str(self.count)

    def offer(self, job_id: int, token: str, data: bytes):
        """An earlier job's archive."""
        path = self.new_file()
        path.write_bytes(data)
        self.offers[job_id] = token, path

    def of(self, job_id: int) -> list[Artifact]:
        return [artifact for artifact in self.taken if artifact.job_id == job_id]

    def receive(self, request, job_id: int) -> Path | None:
        """The body; None when it breaks off."""
        path = self.new_file()
        hold = self.holds.get(job_id)
        try:
            with open(path, "wb") as file:
                for piece in body_pieces(request):
                    file.write(piece)
                    if hold:
                        hold.begun.set()
                        hold.go_on.wait(600)
            return path
        except (Torn, ValueError, OSError):
            self.torn += 1
            return None

    def take(self, request, job_id: int, token: str, body: Path) -> tuple[int, dict, bytes]:
        try:
            name, size = take_part(body, request.headers.get("Content-Type", ""))
        except (Torn, TypeError):
            return wrong("file is missing")
        query = {key: values[0] for key, values in parse_qs(urlsplit(request.path).query).items()}
        artifact = Artifact(job_id, name, query, body, size)
        with self.lock:
            former = next((one for one in self.of(job_id) if one.type == artifact.type), None)
            if former and former.sha256 != artifact.sha256:
                return told(400, "another artifact of the same type already exists")
            if not former:
                self.taken.append(artifact)
        if artifact.type == "archive":
            self.offers[job_id] = token, body
        return 201, {}, b"201"

    def give(self, request, job_id: int) -> tuple[int, dict, bytes] | Path:
        """The file, or why not."""
        token, path = self.offers.get(job_id, ("", None))
        if not path:
            return told(404, "404 Not Found")
        return path if request.headers.get("JOB-TOKEN") == token else UNAUTHORIZED
