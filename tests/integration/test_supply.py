"""Signed URLs and transfers of a real manager, asked for by a worker in the place of a job's own: what it may have,
what it is refused, and what is left when the manager or a transfer process dies (docs/design/transfers.md)."""

import json
import os
import select
import signal
import subprocess

import pytest

from checker.processes import processes_of
from checker.run import PATIENCE, Run, wait_for
from test_host_keys import ledger
from test_run import assert_nothing_lost
from test_sandbox import status_of
from stores import s3_store  # noqa: F401: a fixture

POINTS = [f"{effect}.{side}" for effect in ("transfer_spawn", "transfer_open", "transfer_commit", "transfer_end")
          for side in ("before", "after")]
PROJECT = "project/9/"  # of the checker's jobs


def cache_settings(address, more=""):
    return f"""  [runners.cache]
    Type = "s3"
    Shared = true
{more}
    [runners.cache.s3]
      ServerAddress = "{address}"
      Insecure = true
      AccessKey = "AKIAEXAMPLE"
      SecretKey = "this-is-the-secret-key"
      BucketName = "bucket"
"""


class Supplied:
    """A run with one job, whose worker was taken over: another one has its place and its lock, and ends the job by
    ending itself."""

    def __init__(self, run, build, **start):
        self.run = run
        job = run.held_job(1)
        job.lost_as = "runner_system_failure"
        run.coordinator.add(job)
        run.start(**start)
        assert wait_for(run.marks.exists), run.log_tail()
        (real,) = run.workers()
        ((seq, key),) = ledger(run, "SELECT seq, worker_key FROM jobs")
        os.kill(real, signal.SIGSTOP)
        self.process = subprocess.Popen(
            [build / "tests" / "integration" / "supply_worker", run.state_dir / "control.sock", str(seq), key,
             run.state_dir / "spool" / f"{seq}.log"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.ask("attach") == {}
        os.kill(real, signal.SIGKILL)
        assert self.ask("take_over") == {}

    def send(self, do, **order):
        self.process.stdin.write(json.dumps({"do": do, **order}).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self):
        """The next one; a manager that dies meanwhile is started again."""
        while not select.select([self.process.stdout], [], [], 0.05)[0]:
            if self.run.process.poll() is not None:
                self.run.start()
        return json.loads(self.process.stdout.readline())

    def ask(self, do, **order):
        self.send(do, **order)
        return self.answer()

    def upload(self, name, content, size=None, whole=True, **request):
        """One try: its end."""
        opened = self.ask("open", request={"kind": "cache_upload", "name": name, **request})
        if opened:
            return opened
        head = json.dumps({"size": len(content) if size is None else size, "modified": 1700000000})
        self.ask("write", text=f"{head}\n{content}")
        self.ask("commit", whole=whole)
        return self.ask("wait")

    def download(self, name, **request):
        file = self.run.folder / "download"
        opened = self.ask("open", request={"kind": "cache_download", "name": name, **request})
        if opened:
            return opened, b""
        self.ask("read", file=str(file))
        return self.ask("wait"), file.read_bytes()

    def transfers(self):
        return [process for process in processes_of(self.run.folder) if process.name == "flotilla-xfer"]

    def kill_transfer(self):
        """The only one; the test holds its stream."""
        assert wait_for(lambda: len(self.transfers()) == 1)
        os.kill(self.transfers()[0].pid, signal.SIGKILL)

    def finish(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0
        return self.run.finish()


@pytest.fixture(scope="module")
def store(s3_store):  # noqa: F811
    """Its host and port; there is a bucket."""
    s3_store.bucket("bucket")
    return s3_store.url.removeprefix("http://")


@pytest.fixture
def get(s3_store):  # noqa: F811
    """get(name) gives what the bucket holds; None = nothing."""
    def read(name):
        try:
            return s3_store.client.get_object(Bucket="bucket", Key=name)["Body"].read()
        except s3_store.client.exceptions.NoSuchKey:
            return None

    return read


@pytest.fixture
def supplied(folder, binary, plugin_dir, build):
    made = []

    def make(settings, limits="", **start):
        run = Run(folder, binary, plugin_dir, max_instances=1, runner_extra=settings)
        if limits:
            run.environment["FLOTILLA_LIMITS"] = limits
        made.append(Supplied(run, build, **start))
        return made[-1]

    yield make
    for one in made:
        one.process.kill()
        one.process.wait()


def test_a_worker_gets_its_own_projects_objects_and_nothing_else(supplied, store, get):
    worker = supplied(cache_settings(store, "    MaxUploadedArchiveSize = 1000"))
    for method in ("GET", "HEAD", "PUT"):
        answer = worker.ask("sign", name="main/k", method=method)
        assert answer["url"].startswith(f"http://{store}/bucket/{PROJECT}main/k?X-Amz-Algorithm="), answer
        assert answer["headers"] == (["x-amz-meta-cachekey: main/k"] if method == "PUT" else [])
    for name in ("../10/k", "k/../../10/x", "k%2f..%2fx", "/k", "k/", "k ", "", "."):
        assert worker.ask("sign", name=name, method="GET") == {"error": "that is no name of a cache archive"}, name
        for kind in ("cache_upload", "cache_download"):
            assert worker.ask("open", request={"kind": kind, "name": name}) == {
                "error": "that is no name of a cache archive"}, name
    assert "nobody carries" in worker.ask("open", request={"kind": "artifact_delete"})["error"]
    assert "kind: is missing" in worker.ask("open", request={})["error"]

    assert worker.upload("k/1", "some archive") == {"result": "ok", "status": 200, "message": ""}
    assert get(PROJECT + "k/1") == b"some archive"
    assert worker.download("k/1") == ({"result": "ok", "status": 200, "message": ""}, b"some archive")
    assert worker.download("k/2") == ({"result": "not_found", "status": 404, "message": "file does not exist"}, b"")

    limit = {"result": "too_large", "status": 0, "message": "the archive has 1001 bytes, the limit is 1000"}
    assert worker.upload("k/3", "x" * 1001) == limit
    assert worker.upload("k/3", "x" * 11, max_bytes=10)["message"] == "the archive has 11 bytes, the limit is 10"
    assert worker.upload("k/3", "x" * 10, max_bytes=2000)["result"] == "ok"
    for name, size, whole, why in (("k/4", None, False, "the archive broke off on the instance"),
                                   ("k/5", 13, True, "the archive is shorter than its helper said"),
                                   ("k/6", 11, True, "the archive is longer than its helper said")):
        assert worker.upload(name, "some archive", size, whole) == {"result": "failed", "status": 0, "message": why}
        assert get(PROJECT + name) is None
    assert_nothing_lost(worker.run, worker.finish())
    log = worker.run.daemon_log.read_text()
    assert "this-is-the-secret-key" not in log and "X-Amz-Signature" not in log


def test_a_frame_that_is_none_ends_the_connection_not_the_job(supplied, store):
    worker = supplied(cache_settings(store))
    frames = [{"type": "sign", "id": 0, "name": "k", "method": "GET"}, {"type": "sign", "id": 7},
              {"type": "transfer", "id": 8}, {"type": "transfer_commit"}, {"type": "delete", "id": 9}]
    for count, frame in enumerate(frames, 1):
        assert "url" in worker.ask("sign", name="k", method="GET")
        worker.ask("tell", frame=frame)
        assert wait_for(lambda: worker.run.daemon_log.read_text().count("sent a frame that is refused") == count)
    for method in ("DELETE", "POST", "get"):
        worker.ask("tell", frame={"type": "sign", "id": 10, "name": "k", "method": method})
    assert "url" in worker.ask("sign", name="k", method="GET")
    assert worker.run.daemon_log.read_text().count("sent a frame that is refused") == len(frames)
    assert_nothing_lost(worker.run, worker.finish())


def test_a_worker_that_asks_without_an_end_is_cut_off(supplied, store):
    worker = supplied(cache_settings(store), limits="requests=3")
    for _ in range(3):
        assert "url" in worker.ask("sign", name="k", method="GET")
    worker.ask("tell", frame={"type": "sign", "id": 10, "name": "k", "method": "GET"})
    assert wait_for(lambda: "more than 3 requests for artifacts and caches" in worker.run.daemon_log.read_text())
    assert_nothing_lost(worker.run, worker.finish())


def open_upload(worker, name):
    return worker.ask("open", request={"kind": "cache_upload", "name": name})


def test_a_transfer_process_is_confined_and_ends_when_nobody_waits(supplied, store, sanitized):
    worker = supplied(cache_settings(store))
    # More than one at a time is no worker of ours, but may be asked for.
    assert open_upload(worker, "a") == {} and open_upload(worker, "b") == {}
    assert wait_for(lambda: len(worker.transfers()) == 2)
    for process in worker.transfers():
        assert wait_for(lambda: status_of(process.pid)["NoNewPrivs"] == "1")
        assert sanitized or wait_for(lambda: int(status_of(process.pid)["CapPrm"], 16) in (0, 1 << 2))
        assert process.cmdline.split(b"\0")[1:-1] == [b"transfer"]
        for secret in (b"AKIA", b"X-Amz", b"this-is-the-secret-key", b"glcbt-", b"glrt-"):
            assert secret not in process.environ
        assert b"HOME=" not in process.environ and b"TMPDIR=" not in process.environ
    assert worker.ask("wait", patience_ms=1)["error"].startswith("no supervisor answered")
    assert wait_for(lambda: len(worker.transfers()) == 1), "a transfer that is told to stop goes on"
    assert open_upload(worker, "c") == {}
    assert open_upload(worker, "d") == {"error": "other transfers of this job have not ended yet"}
    worker.process.kill()
    assert wait_for(lambda: not worker.transfers()), "a transfer outlives its worker's connection"
    worker.process.wait()
    assert_nothing_lost(worker.run, worker.run.finish())


def test_a_transfer_process_that_dies_is_tried_again(supplied, store, get):
    worker = supplied(cache_settings(store))
    assert open_upload(worker, "k") == {}
    worker.ask("write", text='{"size":4}\nha')
    worker.kill_transfer()
    assert worker.ask("wait") == {"result": "retry", "status": 0,
                                  "message": "the transfer process was killed by signal 9"}
    assert worker.upload("k", "half")["result"] == "ok"
    assert get(PROJECT + "k") == b"half"
    assert_nothing_lost(worker.run, worker.finish())


def test_transfers_beyond_the_limit_wait_for_their_turn(supplied, store, get):
    worker = supplied(cache_settings(store), limits="transfers=1")
    assert open_upload(worker, "a") == {}
    worker.send("open", request={"kind": "cache_upload", "name": "b"})
    worker.kill_transfer()
    assert worker.answer() == {}, "its turn came with the end of the other"
    worker.ask("write", text='{"size":4}\nhalf')
    worker.ask("commit", whole=True)
    assert worker.ask("wait")["result"] == "ok"
    assert get(PROJECT + "b") == b"half" and get(PROJECT + "a") is None
    assert_nothing_lost(worker.run, worker.finish())


def test_a_transfer_on_which_nothing_moves_frees_its_place(supplied, store, s3_store):  # noqa: F811
    """Whichever side is silent: an instance that sends nothing or takes nothing, a worker that says nothing."""
    worker = supplied(cache_settings(store), limits="transfers=1,transfer_idle=500")
    assert open_upload(worker, "a") == {}
    assert worker.ask("wait") == {"result": "failed", "status": 0,
                                  "message": "nothing came from the instance for 10 minutes"}
    s3_store.client.put_object(Bucket="bucket", Key=PROJECT + "large", Body=bytes(8 << 20))
    assert worker.ask("open", request={"kind": "cache_download", "name": "large"}) == {}
    assert worker.ask("wait") == {"result": "failed", "status": 0, "message": "the instance took nothing for 10 minutes"}
    assert open_upload(worker, "b") == {}
    # The stream of b is closed by the next order, and nobody says whether it was whole.
    assert open_upload(worker, "c") == {}, "its turn came with the end of the other"
    assert_nothing_lost(worker.run, worker.finish())


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_transfer_process_that_dies_around_its_request(supplied, store, get, side):
    """What a store has taken whole is whole, whether its worker has heard so or not."""
    worker = supplied(cache_settings(store), kill_at=f"transfer_request.{side}:1")
    name = f"request-{side}"
    assert worker.upload(name, "some archive")["result"] == "retry"
    assert get(PROJECT + name) == (b"some archive" if side == "after" else None)
    assert_nothing_lost(worker.run, worker.finish())


def test_a_kill_of_the_manager_around_a_transfer_loses_nothing(supplied, store, get):
    """Each point, one after the other: its worker finds the next manager and tries again until it is done."""
    worker = supplied(cache_settings(store))
    for point in POINTS:
        worker.run.kill()
        worker.run.start(kill_at=f"{point}:1")
        first, name = worker.run.process, point.replace(".", "/")
        ends = [worker.upload(name, f"archive of {point}")]
        while ends[-1].get("result") == "retry":
            ends.append(worker.upload(name, f"archive of {point}"))
        assert ends[-1].get("result") == "ok" and len(ends) <= 3, (point, ends)
        assert wait_for(lambda: first.poll() is not None), f"the manager never passed {point}"
        assert get(PROJECT + name) == f"archive of {point}".encode()
        assert worker.download(name)[1] == f"archive of {point}".encode()
    assert wait_for(lambda: not worker.transfers())
    assert_nothing_lost(worker.run, worker.finish())


def test_artifacts_go_by_the_jobs_token_and_where_gitlab_says(supplied, store):
    worker = supplied(cache_settings(store))
    gitlab = worker.run.coordinator
    seen = []

    def moved_once(method, path, _):
        if "/artifacts" not in path:
            return None
        seen.append((method, path))
        location = f"{gitlab.url}/moved/api/v4/jobs/1/artifacts"
        return (307, {"Location": location}, b"") if len(seen) == 1 else None

    def upload(**request):
        assert worker.ask("open", request={"kind": "artifact_upload", **request}) == {}
        worker.ask("write", text='{"file_name":"a.zip"}\nsome archive')
        worker.ask("commit", whole=True)
        return worker.ask("wait")["result"]

    gitlab.fault = moved_once
    assert upload(format="zip", artifact_type="archive", expire_in="1 day") == "retry"
    assert upload(format="zip", artifact_type="archive", expire_in="1 day") == "ok"
    query = "/api/v4/jobs/1/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1%20day"
    assert seen == [("POST", query), ("POST", "/moved" + query)]
    (artifact,) = gitlab.artifacts.of(1)
    assert (artifact.file_name, artifact.data) == ("a.zip", b"some archive")
    for name in ("", "../a.zip", "a\nb", "x" * 256):
        assert worker.ask("open", request={"kind": "artifact_upload"}) == {}
        worker.ask("write", text=json.dumps({"file_name": name}) + "\nsome archive")
        worker.ask("commit", whole=True)
        assert worker.ask("wait")["message"] == "the archive from the instance has no sound file name"

    gitlab.artifacts.offer(70, "glcbt-dependency", b"of another job")
    file = worker.run.folder / "download"
    for token, result, content in (("glcbt-dependency", "ok", b"of another job"), ("glcbt-other", "denied", b"")):
        assert worker.ask("open", request={"kind": "artifact_download", "job": 70, "token": token}) == {}
        worker.ask("read", file=str(file))
        assert worker.ask("wait")["result"] == result
        assert file.read_bytes() == content
    assert_nothing_lost(worker.run, worker.finish())


def test_settings_that_change_hold_for_what_is_asked_next(supplied, store):
    worker = supplied(cache_settings(store))
    config = worker.run.config
    text = config.read_text()

    def reload(new):
        """What the reload says, or that the manager has looked at the file by itself meanwhile."""
        config.write_text(new)
        done = subprocess.run([worker.run.binary, "reload", "--state-dir", worker.run.state_dir], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode in (0, 3), done.stdout + done.stderr
        assert "this-is" not in done.stdout + done.stderr

    assert "url" in worker.ask("sign", name="k", method="GET")
    reload(text.replace("    Shared = true\n", "").replace("this-is-the", "this-is-another"))
    log = worker.run.daemon_log.read_text()
    assert "cache.s3.SecretKey" in log and "cache.Shared: true → false" in log and "this-is" not in log
    url = worker.ask("sign", name="k", method="GET")["url"]
    assert "/bucket/runner/" in url
    reload(text.replace('      SecretKey = "this-is-the-secret-key"\n', "")
           .replace("      Insecure = true\n", '      Insecure = true\n      AuthenticationType = "access-key"\n'))
    assert worker.ask("sign", name="k", method="GET") == {
        "error": "[runners.cache.s3] needs both 'AccessKey' and 'SecretKey': caches stay on the instances"}
    reload(text.replace('    Type = "s3"\n', ""))
    assert worker.ask("sign", name="k", method="GET") == {"error": "no cache store is configured"}
    assert open_upload(worker, "k") == {"error": "no cache store is configured"}
    assert_nothing_lost(worker.run, worker.finish())
