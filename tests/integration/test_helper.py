"""flotilla-helper as an instance's scripts call it: job-execution.md 5.5, 5.6, 6.2 to 6.4, 7, 8.5 and 10.6, with a server
that keeps what it was asked. What comes back is read by Python's own zipfile and MIME parser."""

import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import pytest
from checker.certificates import make_certificate
from checker.run import wait_for
from recorder import Answer, Recorder
from stores import s3_store  # noqa: F401
from test_transfer import parts_of

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


# The program

def test_it_names_itself(helper, static_helper):
    for it in helper, static_helper:
        for word in "--version", "-v":
            done = it.run(word)
            assert (done.status, done.err) == (0, "") and done.out.startswith(b"flotilla-helper ")


def test_it_goes_by_another_name(helper, folder):
    """Images have it as gitlab-runner."""
    link = folder / "gitlab-runner"
    link.symlink_to(helper.binary)
    helper.binary = link
    helper.write(a="1")
    assert helper.run("--version").status == 0
    assert helper.run("--debug", "--log-level=debug", "--log-format", "json", "cache-archiver", "--file", "../c.zip",
                      "--path", "a").status == 0


@pytest.mark.parametrize("words, sentence", [
    (["nonsense"], "FATAL: there is no command 'nonsense'; `flotilla-helper --help` lists them"),
    (["--nonsense"], "there is no option --nonsense"),
    (["cache-extractor", "--fil", "x"], "FATAL: cache-extractor: there is no option --fil; did you mean --file?"),
    (["cache-extractor", "--file"], "FATAL: cache-extractor: option --file needs a value"),
    (["cache-extractor", "--file", "x", "--timeout", "soon"],
     "FATAL: cache-extractor: option --timeout takes a number, not 'soon'"),
    (["cache-archiver", "--file", "x", "--concurrency", "-1"],
     "FATAL: --concurrency must not be negative; 0 is the default"),
    (["cache-archiver"], "FATAL: Missing --file"),
    (["cache-archiver", "--file", "x", "--metadata", "[]"], "FATAL: --metadata must be a JSON object"),
    (["cache-extractor"], "WARNING: Missing cache file"),
    (["cache-init"], "FATAL: No arguments passed, at least one path is required."),
    (["artifacts-uploader"], "FATAL: Missing runner credentials"),
    (["artifacts-uploader", "--url", "http://h", "--token", "t"], "FATAL: Missing build ID"),
    (["artifacts-downloader", "--token", "t"], "FATAL: Incomplete arguments"),
    (["artifacts-uploader", "--url", "http://h", "--id", "1", "--token-stdin"],
     "FATAL: --token-stdin: there is no token on stdin"),
    (["stream"], "FATAL: stream: there is no line of JSON on stdin"),
])
def test_exit_status_1_and_one_sentence_for_a_bad_call(helper, words, sentence):
    done = helper.run(*words)
    assert done.status == 1
    assert sentence in done.lines[-1]


def test_help_lists_every_option_with_its_variable(helper):
    assert b"artifacts-uploader" in helper.run("--help").out
    out = helper.run("artifacts-uploader", "--help").out.decode()
    assert "--compression-level" in out and "[$ARTIFACT_COMPRESSION_LEVEL]" in out


def test_the_manual_has_each_option_of_each_command(helper):
    page = (Path(__file__).parents[2] / "docs" / "flotilla-helper.1").read_text().split(".Sh DESCRIPTION\n")[1]
    for command in re.findall(r"^  ([a-z-]+)  ", helper.run("--help").out.decode(), re.M):
        part = re.search(rf"^\.Ss {command}$.*?(?=^\.S[sh] )", page, re.M | re.S)
        assert part, command
        options = set(re.findall(r"^  --([a-z-]+)", helper.run(command, "--help").out.decode(), re.M))
        assert options == set(re.findall(r"Fl -([a-z-]+)", part.group(0))), command


def test_job_execution_8_5_the_form_of_a_line(helper):
    """Colour, prefix, message padded to 50, reset, space, sorted fields; what is not printable is escaped."""
    helper.write(a="1")
    with Recorder(Answer(500, headers={"X-Request-Id": "rid\x1b[1m"})) as gitlab:
        err = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", "--path", "\x1bb").err
    lines = err.split("\n")
    found = "a: found 1 matching artifact files and directories"
    assert lines[0] == found.ljust(50) + "\x1b[0;m "
    assert lines[1].startswith("\x1b[0;33mWARNING: \\x1bb: no matching files.")
    assert lines[2] == ("\x1b[0;33mWARNING: Uploading artifacts to coordinator... 500 Internal Server Error\x1b[0;m "
                        " correlation_id=rid\\x1b[1m id=7 responseStatus=500 Internal Server Error token=64_exampl")
    assert lines[3] == ("\x1b[0;33m" + "WARNING: Retrying...".ljust(50) + "\x1b[0;m  context=artifacts-uploader"
                        " error=received: 500 Internal Server Error")
    assert lines[-2] == "\x1b[31;1m" + "FATAL: received: 500 Internal Server Error".ljust(50) + "\x1b[0;m "


# Artifacts up

@pytest.mark.sample
def test_job_execution_10_6_the_call_of_an_artifact(helper):
    helper.write(out__a="1", out__b="2", other="3")
    with Recorder(Answer(201, headers={"X-Request-Id": "rid"})) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--timeout", "1h0m0s",
                          "--response-header-timeout", "10m0s", "--path", "out/", "--name", "n", "--expire-in", "1 day",
                          "--artifact-format", "zip", "--artifact-type", "archive")
    assert done.status == 0, done.err
    assert done.lines == ["out/: found 3 matching artifact files and directories",
                          'Uploading artifacts as "archive" to coordinator... 201 Created correlation_id=rid id=7 '
                          "responseStatus=201 Created token=64_exampl"]
    [request] = gitlab.requests
    assert request.path == ("/api/v4/jobs/7/artifacts?artifact_format=zip&artifact_type=archive&expire_in=1%20day")
    assert request.headers["job-token"] == "glcbt-64_exampletoken"
    assert parts_of(request)[0].get_filename() == "n.zip"
    assert names_in(uploaded(request)) == ["out/", "out/a", "out/b"]
    assert done.out == b""


def test_credentials_come_from_the_environment_or_stdin(helper):
    helper.write(a="1")
    with Recorder(Answer(201)) as gitlab:
        by_variable = {"CI_SERVER_URL": gitlab.url, "CI_JOB_TOKEN": "of-the-environment", "CI_JOB_ID": "12"}
        assert helper.run("artifacts-uploader", "--path", "a", environment=by_variable).status == 0
        for token in b"of-stdin", b"of-stdin\n":
            assert helper.run("artifacts-uploader", "--path", "a", "--token-stdin", environment=by_variable,
                              stdin=token).status == 0
    assert [request.headers["job-token"] for request in gitlab.requests] == ["of-the-environment"] + ["of-stdin"] * 2
    assert {request.path for request in gitlab.requests} == {"/api/v4/jobs/12/artifacts"}


def test_hardening_S4_the_token_is_not_to_be_read_in_proc(helper):
    helper.write(a="1")
    gone = threading.Event()
    with Recorder(Answer(201, hold=gone)) as gitlab:
        child = subprocess.Popen([helper.binary, "artifacts-uploader", *map(str, credentials(gitlab)), "--path", "a"],
                                 cwd=helper.project, env=helper.environment(), stderr=subprocess.DEVNULL)
        try:
            assert wait_for(lambda: gitlab.requests)
            told = Path(f"/proc/{child.pid}/cmdline").read_bytes()
        finally:
            gone.set()
            child.communicate(timeout=240)
    assert b"--token" in told and b"example" not in told
    assert child.returncode == 0 and gitlab.requests[0].headers["job-token"] == "glcbt-64_exampletoken"


@pytest.mark.parametrize("words, name", [
    ([], "artifacts.zip"), (["--name", "a/b"], "b.zip"), (["--name", ""], "default.zip"), (["--name", "."], "default.zip"),
    (["--name", "x-$NAME"], "x-v.zip"), (["--name", "$(id)"], "$(id).zip"),
    (["--artifact-format", "gzip"], "artifacts.gz"), (["--artifact-format", "tarzstd"], "artifacts.tar.zst"),
    (["--artifact-format", "zipzstd"], "artifacts.zip"), (["--artifact-format", "raw"], "artifacts"),
])
def test_job_execution_6_1_the_name_of_the_file(helper, words, name):
    helper.write(a="1")
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", *words, environment={"NAME": "v"})
    assert done.status == 0, done.err
    assert parts_of(gitlab.requests[0])[0].get_filename() == name


def test_job_execution_6_2_nothing_to_upload_is_no_failure(helper):
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "x")
    assert done.status == 0 and not gitlab.requests
    assert done.lines == ["WARNING: x: no matching files. Ensure that the artifact path is relative to the working "
                          f"directory ({helper.project})", "ERROR: No files to upload"]


@pytest.mark.parametrize("answer, requests, last", [
    (Answer(413), 1, "FATAL: too large"),
    (Answer(403), 1, "FATAL: permission denied"),
    (Answer(503), 30, "FATAL: service unavailable"),
    (Answer(400), 3, "FATAL: received: 400 Bad Request"),
    (Answer(500), 15, "FATAL: received: 500 Internal Server Error"),
    (Answer(hang_up=True), 3, "FATAL: "),
])
def test_coordinator_V20_how_often_an_upload_is_tried(helper, answer, requests, last):
    helper.write(a="1")
    with Recorder(answer) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a")
    assert done.status == 1 and done.lines[-1].startswith(last)
    assert len(gitlab.requests) == requests
    assert all(names_in(uploaded(request)) == ["a"] for request in gitlab.requests)


def test_coordinator_V20_an_upload_that_succeeds_at_last(helper):
    helper.write(a="1")
    with Recorder(*[Answer(503)] * 25, Answer(201)) as gitlab:
        assert helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a").status == 0
    assert len(gitlab.requests) == 26


def test_a_redirected_upload_goes_to_the_new_address_of_the_same_host(helper):
    helper.write(a="1")
    with Recorder() as gitlab:
        gitlab.answers = [Answer(307, headers={"Location": gitlab.url + "/new/api/v4/jobs/7/artifacts"}), Answer(201)]
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a")
        assert done.status == 0, done.err
        assert [request.path for request in gitlab.requests] == ["/api/v4/jobs/7/artifacts", "/new/api/v4/jobs/7/artifacts"]
        gitlab.requests.clear()
        gitlab.answers = [Answer(307, headers={"Location": gitlab.url})]
        assert helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a").status == 1
        assert len(gitlab.requests) == 3


def test_hardening_N9_a_redirected_upload_takes_no_token_elsewhere(helper):
    helper.write(a="1")
    with Recorder(Answer(201)) as other, Recorder(Answer(307, headers={"Location": other.url})) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a")
    assert done.status == 1 and "redirected to another host" in done.lines[-1]
    assert len(gitlab.requests) == 1 and not other.requests


def test_a_refused_connection_is_tried_three_times(helper):
    helper.write(a="1")
    with Recorder() as gitlab:
        pass
    done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a")
    assert done.status == 1
    assert sum("coordinator... error" in line for line in done.lines) == 3


def test_an_archive_that_cannot_be_made_is_not_sent(helper):
    """raw holds one file; half of it must not look like the whole."""
    helper.write(a="1", b="2")
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", "--path", "b",
                          "--artifact-format", "raw")
    assert done.status == 1 and "ERROR: only one file can be sent as raw" in done.lines
    assert not any(request.whole for request in gitlab.requests)


def test_debug_trace_shows_the_answer(helper):
    helper.write(a="1")
    with Recorder(Answer(400, b"why not", {"X-What": "this"})) as gitlab:
        err = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a",
                         environment={"CI_DEBUG_TRACE": "true"}).err
    assert "Response: HTTP/1.1 400 Bad Request" in err and "X-What: this" in err and "why not" in err


def test_bad_words_in_variables_are_named_and_left(helper):
    helper.write(a="1")
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a",
                          environment={"CI_DEBUG_TRACE": "maybe", "ARTIFACT_COMPRESSION_LEVEL": "best"})
    assert done.status == 0
    assert "WARNING: CI_DEBUG_TRACE is 'maybe', which is not true or false, ignoring" in done.lines
    assert 'WARNING: compression level "best" is invalid, falling back to default' in done.lines


def test_job_execution_6_5_provenance(helper):
    helper.write(a="1")
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", "--generate-artifacts-metadata",
                          "--runner-id", "3", "--repo-url", "https://h/r", "--repo-digest", "abc", "--job-name", "j",
                          "--executor-name", "instance", "--runner-name", "r", "--started-at", "2026-01-01T00:00:00Z",
                          "--ended-at", "2026-01-01T00:00:01Z", "--schema-version", "v1",
                          "--metadata-parameter", "ONE", "--metadata-parameter", "TWO")
    assert done.status == 0, done.err
    assert names_in(uploaded(gitlab.requests[0])) == ["a", "artifacts-metadata.json"]
    assert "TWO" in (helper.project / "artifacts-metadata.json").read_text()


def test_the_meter_is_on_stdout(helper):
    (helper.project / "a").write_bytes(os.urandom(3_000_000))
    with Recorder(Answer(201)) as gitlab:
        done = helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a", "--transfer-meter-frequency", "1s")
    assert re.search(rb"\rUploading artifacts 3\.00 MB \([0-9.]+ [kMGT]?B/s\) {16}\n$", done.out)


def test_the_certificates_of_a_host_lie_in_the_folder_of_the_configuration(helper, folder):
    """As any user but root: root's are in /etc."""
    if os.geteuid() == 0:
        def demote():
            os.setgid(65534)
            os.setuid(65534)
    else:
        demote = None
    certificate = make_certificate(folder)
    program = shutil.copy(helper.binary, folder / "flotilla-helper")  # the build may be root's alone
    helper.write(a="1")
    certs = helper.home / ".gitlab-runner" / "certs"
    certs.mkdir(parents=True)
    for path in folder, helper.home, helper.project, certs:
        path.chmod(0o755)
    (certs / "127.0.0.1.crt").write_bytes(certificate[0].read_bytes())
    with Recorder(Answer(201), certificate=certificate) as gitlab:
        done = subprocess.run([program, "artifacts-uploader", *map(str, credentials(gitlab)), "--path", "a"],
                              cwd=helper.project, env=helper.environment(), preexec_fn=demote, capture_output=True,
                              timeout=240)
        assert done.returncode == 0, done.stderr
        (certs / "127.0.0.1.crt").unlink()
        assert helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a").status == 1
        assert helper.run("artifacts-uploader", *credentials(gitlab), "--path", "a",
                          environment={"CI_SERVER_TLS_CA_FILE": str(certificate[0])}).status == 0


# Artifacts down

@pytest.mark.sample
def test_a_download(helper):
    archive = zip_of(**{"dir/a": "1", "b": "2"})
    with Recorder(Answer(200, archive, {"X-Request-Id": "rid"})) as gitlab:
        done = helper.run("artifacts-downloader", *credentials(gitlab, 41))
    assert done.status == 0, done.err
    assert (helper.project / "dir" / "a").read_text() == "1"
    assert done.lines[0] == (f"Downloading artifacts from coordinator... ok correlation_id=rid host=127.0.0.1:{gitlab.port} "
                             "id=41 responseStatus=200 OK token=64_exampl")
    assert [request.path for request in gitlab.requests] == ["/api/v4/jobs/41/artifacts"]


@pytest.mark.parametrize("direct, status, paths, last", [
    (True, 404, ["?direct_download=true"], "FATAL: file does not exist"),
    (False, 401, [""], "FATAL: permission denied"),
    (False, 403, [""], "FATAL: permission denied"),
    (True, 500, ["?direct_download=true"] + [""] * 10, "FATAL: received: 500 Internal Server Error"),
    (False, 500, [""] * 15, "FATAL: received: 500 Internal Server Error"),
    (False, 400, [""] * 3, "FATAL: received: 400 Bad Request"),
])
def test_coordinator_V20_how_often_a_download_is_tried(helper, direct, status, paths, last):
    with Recorder(Answer(status)) as gitlab:
        done = helper.run("artifacts-downloader", *credentials(gitlab, 41),
                          environment={"FF_USE_DIRECT_DOWNLOAD": str(direct).lower()})
    assert done.status == 1 and done.lines[-1] == last
    assert [request.path for request in gitlab.requests] == ["/api/v4/jobs/41/artifacts" + query for query in paths]


def test_coordinator_V20_a_direct_download_follows_its_redirect(helper):
    with Recorder(Answer(200, zip_of(a="1"))) as store:
        with Recorder(Answer(302, headers={"Location": store.url + "/x?sig=1"})) as gitlab:
            done = helper.run("artifacts-downloader", *credentials(gitlab), "--direct-download")
    assert done.status == 0, done.err
    assert (helper.project / "a").read_text() == "1"
    assert "job-token" not in store.requests[0].headers and f"host=127.0.0.1:{store.port}" in done.lines[0]


def test_a_download_that_was_cut_begins_again(helper):
    archive = zip_of(a="1" * 5000)
    with Recorder(Answer(200, archive[:1000], length=len(archive)), Answer(200, archive)) as gitlab:
        done = helper.run("artifacts-downloader", *credentials(gitlab), "--retry", "1", "--retry-time", "1h")
    assert done.status == 0, done.err
    assert (helper.project / "a").read_text() == "1" * 5000


def test_the_archive_lies_in_the_staging_folder_and_leaves_nothing(helper, folder):
    staging = folder / "staging"
    with Recorder(Answer(200, zip_of(a="1"))) as gitlab:
        done = helper.run("artifacts-downloader", *credentials(gitlab), "--archiver-staging-dir", staging)
        assert done.status == 1 and str(staging) in done.lines[-1]
        staging.mkdir()
        assert helper.run("artifacts-downloader", *credentials(gitlab),
                          environment={"ARCHIVER_STAGING_DIR": str(staging)}).status == 0
    assert not list(staging.iterdir())


def test_job_execution_10_5_44_an_archive_that_leads_outside(helper):
    with Recorder(Answer(200, zip_of(**{"../x": "1", "a": "2"}))) as gitlab:
        helper.run("artifacts-downloader", *credentials(gitlab))
    assert not (helper.project.parent / "x").exists()


def test_what_is_no_archive_fails(helper):
    with Recorder(Answer(200, b"<html>")) as gitlab:
        done = helper.run("artifacts-downloader", *credentials(gitlab))
    assert done.status == 1 and done.lines[-1].startswith("FATAL: ")


# Caches

def archiver(helper, *words, **more):
    return helper.run("cache-archiver", "--file", "../cache/k/cache.zip", "--timeout", "10", *words, **more)


def extractor(helper, *words, **more):
    return helper.run("cache-extractor", "--file", "../cache/k/cache.zip", "--timeout", "10", *words, **more)


NO_UPLOAD = ("No URL provided, cache will not be uploaded to shared cache server. Cache will be stored only locally.")
NO_DOWNLOAD = ("No URL provided, cache will not be downloaded from shared cache server. Instead a local version of cache "
               "will be extracted.")


def test_job_execution_10_6_the_calls_of_a_cache_without_a_store(helper, folder):
    helper.write(v__a="1")
    deep = Path("../../../../../cache/ns/p/k/cache.zip")
    cwd = folder / "b" / "x" / "0" / "ns" / "p"
    cwd.mkdir(parents=True)
    (cwd / "v").mkdir()
    (cwd / "v" / "a").write_text("1")
    done = helper.run("cache-extractor", "--file", deep, "--timeout", "10", cwd=cwd)
    assert (done.status, done.lines) == (1, [NO_DOWNLOAD, "WARNING: Cache file does not exist"])
    (folder / "env").write_text("")
    words = ["cache-archiver", "--file", deep, "--alternate-file", "../../../../../cache/ns/p/0123/cache.zip",
             "--timeout", "10", "--path", "v", "--env-file", folder / "env"]
    done = helper.run(*words, cwd=cwd)
    assert (done.status, done.lines[-1]) == (0, NO_UPLOAD)
    (cwd / "v" / "a").unlink()
    done = helper.run("cache-extractor", "--file", deep, "--timeout", "10", cwd=cwd)
    assert (done.status, done.lines) == (0, [NO_DOWNLOAD])
    assert (cwd / "v" / "a").read_text() == "1"
    assert ((folder / "cache/ns/p").stat().st_mode & 0o777) == 0o700
    assert sorted(path.name for path in (folder / "cache/ns/p/k").iterdir()) == ["cache.zip", "metadata.json"]
    assert (folder / "cache/ns/p/k/metadata.json").read_text() == "{}"


def test_job_execution_5_6_nothing_to_cache(helper):
    done = archiver(helper, "--path", "nope")
    assert (done.status, done.lines[-1]) == (0, "WARNING: No files to cache.")
    assert not (helper.project.parent / "cache").exists()


def test_job_execution_5_6_an_archive_is_made_anew_when_a_file_is_newer(helper, folder):
    helper.write(a="1")
    file = folder / "cache/k/cache.zip"
    assert archiver(helper, "--path", "a").status == 0
    first = file.stat().st_ino
    assert archiver(helper, "--path", "a").lines[-1] == "Archive is up to date!"
    assert file.stat().st_ino == first
    os.utime(helper.project / "a", (time.time() + 10, time.time() + 10))
    assert archiver(helper, "--path", "a").lines[-1] == NO_UPLOAD
    assert file.stat().st_ino != first


def test_job_execution_5_6_the_alternate_file_takes_the_name(helper, folder):
    helper.write(a="1")
    assert archiver(helper, "--path", "a").status == 0
    (folder / "cache/k/cache.zip").rename(folder / "cache/old.zip")
    done = archiver(helper, "--path", "a", "--alternate-file", "../cache/old.zip")
    assert done.lines[-2:] == ["Archive is up to date!", NO_UPLOAD]
    assert (folder / "cache/k/cache.zip").exists() and not (folder / "cache/old.zip").exists()


@pytest.mark.sample
def test_an_upload_to_a_store(helper, folder):
    helper.write(a="1")
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url + "/b/o?X-Amz-Signature=secret", "--header", "Host: x",
                        "--header", "x-amz-meta-cachekey: k")
    assert done.status == 0, done.err
    assert done.lines[-1] == f"Uploading cache.zip to {store.url}/b/o"
    [request] = store.requests
    file = folder / "cache/k/cache.zip"
    assert (request.method, request.body) == ("PUT", file.read_bytes())
    assert request.headers["x-amz-meta-cachekey"] == "k"
    assert request.headers["last-modified"] == formatdate(int(file.stat().st_mtime), usegmt=True)
    assert request.headers["host"] == f"127.0.0.1:{store.port}"


def test_signed_urls_by_stdin(helper, folder):
    """No other process sees them there."""
    helper.write(a="1")
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--options-stdin",
                        stdin=f"--url={store.url}/b/o?sig=1=2\n--header=x-a: b=c\n--header=x-d: e".encode())
    assert done.status == 0, done.err
    [request] = store.requests
    assert (request.path, request.headers["x-a"], request.headers["x-d"]) == ("/b/o?sig=1=2", "b=c", "e")
    assert archiver(helper, "--path", "a", "--options-stdin").lines[-1] == "Archive is up to date!"
    for text, sentence in ((b"--urk=x", "there is no option --urk"), (b"--timeout=x", "takes a number, not 'x'"),
                           (b"--url", "option --url needs a value"),
                           (b"--url=" + bytes(65536), "--options-stdin: stdin cannot be read, or is too long")):
        for command in (archiver, extractor):
            done = command(helper, "--options-stdin", stdin=text)
            assert done.status == 1 and sentence in done.lines[-1], done.err


@pytest.mark.parametrize("check, methods, last", [
    (200, ["HEAD"], "Primary cache already exists remotely, skipping upload"),
    (404, ["HEAD", "PUT"], "Uploading cache.zip to {}/put"),
    (500, ["HEAD", "PUT"], "Uploading cache.zip to {}/put"),
    (None, ["PUT"], "Uploading cache.zip to {}/put"),
])
def test_job_execution_5_6_what_is_up_to_date_is_looked_for_in_the_store(helper, check, methods, last):
    helper.write(a="1")
    assert archiver(helper, "--path", "a").status == 0
    with Recorder(lambda request: Answer(check if request.method == "HEAD" else 200)) as store:
        words = ["--path", "a", "--url", store.url + "/put", "--alternate-file", "../cache/other.zip"]
        done = archiver(helper, *words, *(["--check-url", store.url + "/head"] if check else []))
        assert (done.status, done.lines[-1]) == (0, last.format(store.url))
        assert [request.method for request in store.requests] == methods


def test_job_execution_5_6_a_cache_that_is_too_big_stays_here(helper, folder):
    (helper.project / "a").write_bytes(os.urandom(5000))
    with Recorder(Answer(200)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url, "--max-uploaded-archive-size", "5000")
        size = (folder / "cache/k/cache.zip").stat().st_size
        assert done.status == 0 and not store.requests
        assert done.lines[-1] == (f"Cache archive size ({size}) is too big (Limit is set to 5000). "
                                  "Cache will be stored only locally.")
        os.utime(helper.project / "a", (time.time() + 10, time.time() + 10))
        assert archiver(helper, "--path", "a", "--url", store.url,
                        environment={"CACHE_MAX_UPLOADED_ARCHIVE_SIZE": str(size)}).status == 0
    assert len(store.requests) == 1


@pytest.mark.parametrize("status, tries, last", [
    (500, 3, "FATAL: received: 500 Internal Server Error"), (403, 1, "FATAL: received: 403 Forbidden"),
])
def test_job_execution_5_5_how_often_a_store_is_tried(helper, status, tries, last):
    helper.write(a="1")
    with Recorder(Answer(status)) as store:
        done = archiver(helper, "--path", "a", "--url", store.url)
        assert (done.status, done.lines[-1], len(store.requests)) == (1, last, tries)
        store.requests.clear()
        done = extractor(helper, "--url", store.url)
        assert (done.status, done.lines[-1], len(store.requests)) == (1, last.replace("FATAL", "WARNING"), tries)
        store.requests.clear()
        assert extractor(helper, "--url", store.url, "--retry", "0").status == 1
        assert len(store.requests) == 1


def test_job_execution_5_5_a_miss_is_a_warning(helper):
    with Recorder(Answer(404)) as store:
        done = extractor(helper, "--url", store.url)
    assert (done.status, done.lines) == (1, ["WARNING: file does not exist"])
    assert len(store.requests) == 1


@pytest.mark.sample
def test_job_execution_5_5_a_newer_archive_is_fetched_and_keeps_its_time(helper, folder):
    file = folder / "cache/k/cache.zip"
    with Recorder(Answer(200, zip_of(a="1"), {"Last-Modified": formatdate(1700000000, usegmt=True)})) as store:
        done = extractor(helper, "--url", store.url + "/o?sig=1")
        assert (done.status, done.lines) == (0, [f"Downloading cache from {store.url}/o"])
        assert file.stat().st_mtime == 1700000000 and (helper.project / "a").read_text() == "1"
        assert list(file.parent.iterdir()) == [file]
        (helper.project / "a").unlink()
        done = extractor(helper, "--url", store.url + "/o?sig=1")
        assert (done.status, done.lines) == (0, ["cache.zip is up to date"])
        assert (helper.project / "a").read_text() == "1"
        store.answers = [Answer(200, zip_of(a="2"), {"Last-Modified": formatdate(1700000001, usegmt=True)})]
        assert extractor(helper, "--url", store.url).status == 0
    assert (helper.project / "a").read_text() == "2"
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("primary, alternate, taken", [
    (5, 6, "/b"), (6, 5, "/a"), (5, 5, "/a"), (None, 5, "/b"), (5, None, "/a"), (None, None, "/a"), (500, 5, "/a"),
])
def test_job_execution_5_5_the_newer_of_two_objects(helper, primary, alternate, taken):
    times = {"/a": primary, "/b": alternate}

    def answer(request):
        modified = times[request.path]
        if modified is None or modified == 500:
            return Answer(modified or 404)
        return Answer(200, zip_of(a=request.path), {"Last-Modified": formatdate(1700000000 + modified, usegmt=True)})

    with Recorder(answer) as store:
        done = extractor(helper, "--url", store.url + "/a", "--head-url", store.url + "/a", "--alternate-url",
                         store.url + "/b", "--alternate-head-url", store.url + "/b", "--retry", "0")
        got = [request.path for request in store.requests if request.method == "GET"]
    assert got == [taken]
    assert (done.status == 0) == isinstance(times[taken], int) or times[taken] == 500


@pytest.mark.parametrize("form, magic", [("zip", b"PK"), ("zipzstd", b"PK"), ("tarzstd", b"\x28\xb5\x2f\xfd"),
                                         ("nonsense", b"PK"), ("raw", b"PK")])
def test_job_execution_5_6_formats_keep_the_name(helper, folder, form, magic):
    helper.write(dir__a="1")
    assert archiver(helper, "--path", "dir", environment={"CACHE_COMPRESSION_FORMAT": form}).status == 0
    assert (folder / "cache/k/cache.zip").read_bytes().startswith(magic)
    (helper.project / "dir" / "a").unlink()
    assert extractor(helper).status == 0
    assert (helper.project / "dir" / "a").read_text() == "1"


def test_a_cache_in_s3_from_job_to_job(helper, folder, s3_store):
    helper.write(dir__a="1")
    bucket, key = s3_store.bucket("caches"), "project/1/k"
    words = ["--path", "dir", "--alternate-file", "../old.zip",
             "--url", s3_store.signed("put_object", bucket, key, Metadata={"cachekey": "k"}),
             "--header", "x-amz-meta-cachekey: k", "--check-url", s3_store.signed("head_object", bucket, key)]
    assert archiver(helper, *words).status == 0
    assert s3_store.content(bucket, key) == (folder / "cache/k/cache.zip").read_bytes()
    assert s3_store.client.head_object(Bucket=bucket, Key=key)["Metadata"] == {"cachekey": "k"}
    assert archiver(helper, *words).lines[-1] == "Primary cache already exists remotely, skipping upload"
    (folder / "cache/k/cache.zip").unlink()
    (helper.project / "dir" / "a").unlink()
    done = extractor(helper, "--url", s3_store.signed("get_object", bucket, key))
    assert done.status == 0, done.err
    assert done.lines == [f"Downloading cache from {s3_store.url}/caches/project/1/k"]
    assert (helper.project / "dir" / "a").read_text() == "1"
    assert extractor(helper, "--url", s3_store.signed("get_object", bucket, key)).lines == ["cache.zip is up to date"]
    done = extractor(helper, "--url", s3_store.signed("get_object", bucket, "project/1/other"))
    assert (done.status, done.lines) == (1, ["WARNING: file does not exist"])


# Azure: its service is not here; what goes over the wire is (bench and docs name the real one).

def azure_environment(folder, store, certificate, **more):
    (folder / "env").write_text("".join(f'{key}="{value}"\n' for key, value in {
        "AZURE_STORAGE_ACCOUNT": "acct", "AZURE_STORAGE_DOMAIN": f"localhost:{store.port}",
        "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=secret", **more}.items()))
    return {"SSL_CERT_FILE": str(certificate[0])}


def test_job_execution_5_4_azure_by_its_token(helper, folder):
    helper.write(a="1")
    certificate = make_certificate(folder, "DNS:acct.localhost")
    with Recorder(Answer(201), certificate=certificate) as store:
        environment = azure_environment(folder, store, certificate, CACHE_METADATA='{\\"cachekey\\":\\"k\\"}')
        words = ["--gocloud-url", "azblob://c/project/1/k", "--env-file", folder / "env"]
        done = archiver(helper, "--path", "a", *words, environment=environment)
        assert done.status == 0, done.err
        assert done.lines[-1] == "Uploading cache.zip to azblob://c/project/1/k"
        [request] = store.requests
        assert (request.method, request.path) == ("PUT", "/c/project/1/k?sv=1&sig=secret")
        assert request.headers["x-ms-blob-type"] == "BlockBlob" and request.headers["x-ms-meta-cachekey"] == "k"
        assert json.loads((folder / "cache/k/metadata.json").read_text()) == {"cachekey": "k"}
        # A miss leaves what is here.
        store.answers = [Answer(404)]
        assert extractor(helper, *words, environment=environment).status == 0
        (folder / "cache/k/cache.zip").unlink()
        done = extractor(helper, *words, environment=environment)
        assert (done.status, done.lines) == (1, ["WARNING: Cache file does not exist"])
        store.answers = [Answer(200, zip_of(b="2"))]
        assert extractor(helper, *words, environment=environment).status == 0
    assert (helper.project / "b").read_text() == "2"
    assert "secret" not in done.err


def test_job_execution_5_4_s3_by_temporary_credentials(helper, folder, s3_store):
    helper.write(a="1")
    bucket = s3_store.bucket("temporary")
    (folder / "env").write_text('AWS_ACCESS_KEY_ID="id"\nAWS_SECRET_ACCESS_KEY="s"\nAWS_SESSION_TOKEN="t"\n'
                                'CACHE_METADATA="{\\"cachekey\\":\\"k\\"}"\n')
    words = ["--gocloud-url", f"s3://{bucket}/project/1/k?awssdk=v2&region=us-east-1&use_path_style=true&endpoint="
             + s3_store.url.replace(":", "%3A").replace("/", "%2F"), "--env-file", folder / "env"]
    done = archiver(helper, "--path", "a", *words)
    assert (done.status, done.lines[-1]) == (0, f"Uploading cache.zip to s3://{bucket}/project/1/k"), done.err
    file = folder / "cache/k/cache.zip"
    assert s3_store.content(bucket, "project/1/k") == file.read_bytes()
    assert s3_store.client.head_object(Bucket=bucket, Key="project/1/k")["Metadata"] == {"cachekey": "k"}
    file.unlink()
    (helper.project / "a").unlink()
    assert extractor(helper, *words).status == 0
    assert (helper.project / "a").read_text() == "1"


def test_an_unknown_store_is_refused(helper):
    helper.write(a="1")
    done = archiver(helper, "--path", "a", "--gocloud-url", "gs://bucket/o")
    assert (done.status, done.lines[-1]) == (1, "FATAL: gs: no such store is known; there are azblob and s3")


# Stream

def order(helper, *words, **more):
    return json.dumps({"directory": str(helper.project), "environment": [], "arguments": [*map(str, words)],
                       **more}).encode() + b"\n"


@pytest.mark.sample
def test_stream_artifacts(stream_helper):
    helper = stream_helper
    helper.write(out__a="1")
    done = helper.run("stream", stdin=order(helper, "artifacts-uploader", "--path", "$DIR", "--name", "n",
                                            "--artifact-format", "zip", environment=[["DIR", "out"]]), cwd="/")
    assert done.status == 0, done.err
    line, archive = done.out.split(b"\n", 1)
    assert json.loads(line) == {"file_name": "n.zip"}
    assert names_in(archive) == ["out/", "out/a"]
    done = helper.run("stream", stdin=order(helper, "artifacts-uploader", "--path", "nope"))
    assert (done.status, done.out) == (0, b"")
    done = helper.run("stream", stdin=order(helper, "artifacts-downloader") + zip_of(b="2" * 100000))
    assert (done.status, done.out) == (0, b""), done.err
    assert (helper.project / "b").read_text() == "2" * 100000


@pytest.mark.sample
def test_stream_caches(stream_helper, folder):
    helper = stream_helper
    helper.write(a="1")
    file = folder / "cache/k/cache.zip"
    words = ["cache-archiver", "--file", "../cache/k/cache.zip", "--alternate-file", "../old.zip", "--path", "a"]
    for made in True, False:
        done = helper.run("stream", stdin=order(helper, *words))
        line, archive = done.out.split(b"\n", 1)
        assert json.loads(line) == {"size": file.stat().st_size, "modified": int(file.stat().st_mtime), "made": made}
        assert archive == file.read_bytes()
    done = helper.run("stream", stdin=order(helper, *words, store=False))
    assert (done.status, done.out, done.lines[-1]) == (0, b"", NO_UPLOAD)
    done = helper.run("stream", stdin=order(helper, *words, "--max-uploaded-archive-size", "1"))
    assert (done.status, done.out) == (0, b"")
    (helper.project / "a").unlink()
    extract = order(helper, "cache-extractor", "--file", "../cache/k/cache.zip")
    assert helper.run("stream", stdin=extract).status == 0
    assert (helper.project / "a").read_text() == "1"
    assert helper.run("stream", stdin=extract + zip_of(a="3")).status == 0
    assert (helper.project / "a").read_text() == "3"
    file.unlink()
    assert helper.run("stream", stdin=extract).lines[-1] == "WARNING: Cache file does not exist"
    assert sorted(path.name for path in file.parent.iterdir()) == ["metadata.json"]


def test_stream_takes_what_the_jobs_scripts_have_left(stream_helper, folder):
    helper = stream_helper
    helper.write(x="1")
    (folder / "env").write_text("NAME=of the scripts\n")
    stdin = order(helper, "artifacts-uploader", "--path", "x", "--name", "$NAME", env_file=str(folder / "env"),
                  environment=[["NAME", "of the job"]])
    assert json.loads(helper.run("stream", stdin=stdin).out.split(b"\n", 1)[0]) == {"file_name": "of the scripts.zip"}
    (folder / "env").write_text("\n")
    done = helper.run("stream", stdin=stdin)
    assert done.status == 1 and "line 1 names no variable" in done.lines[-1]


@pytest.mark.parametrize("line, sentence", [
    (b"{}\n", "directory"), (b"nonsense\n", "stream: "), (b'{"directory":"/"}\n', "arguments"),
    (b'{"directory":"/nowhere","arguments":["cache-init"]}\n', "/nowhere"),
    (b'{"directory":"/","arguments":["stream"]}\n', "there is no command 'stream' to run"),
    (b'{"directory":"/","arguments":["cache-init"]}\n', "there is no command 'cache-init' to run"),
    (b'{"directory":"/","arguments":["x"],"environment":[["A"]]}\n', "environment: entry 1"),
])
def test_stream_refuses_a_bad_line(stream_helper, line, sentence):
    done = stream_helper.run("stream", stdin=line)
    assert done.status == 1 and sentence in done.lines[-1] and done.out == b""


def test_the_static_helper_has_no_http(static_helper):
    static_helper.write(a="1")
    with Recorder(Answer(200)) as store:
        for done in (static_helper.run("artifacts-uploader", *credentials(store), "--path", "a"),
                     static_helper.run("artifacts-downloader", *credentials(store)),
                     archiver(static_helper, "--path", "a", "--url", store.url), extractor(static_helper, "--url", store.url)):
            assert done.status == 1 and "has no HTTP" in done.lines[-1]
    assert not store.requests


# The others

def test_cache_init(helper):
    helper.write(a="1", b="1")
    done = helper.run("cache-init", "a", "nope", "b")
    assert done.status == 0 and done.lines[0].startswith("ERROR: failed to chmod path: 'nope'")
    assert [(helper.project / name).stat().st_mode & 0o777 for name in "ab"] == [0o777] * 2


def test_health_check(helper):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [str(server.getsockname()[1]) for server in (one, two)]
        assert helper.run("health-check", "--port", ports[0], "-p", ports[1]).status == 0
        links = {"X_TCP_ADDR": "127.0.0.1", "X_TCP_PORT": "1", "Y_TCP_ADDR": "127.0.0.1", "Y_TCP_PORT": ports[0]}
        assert helper.run("health-check", environment=links).status == 0
    assert helper.run("health-check").lines == ["FATAL: No HOST or PORT found"]
    assert helper.run("health-check", "--port", "x").status == 1


def test_health_check_waits(helper):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # holds the port; nobody listens yet
        child = subprocess.Popen([helper.binary, "health-check", "--port", str(server.getsockname()[1])],
                                 stdout=subprocess.PIPE, env=helper.environment({"FLOTILLA_LIMITS": "helper_pause=10"}))
        assert child.stdout.readline().startswith(b"waiting for TCP connection to localhost on ")
        server.listen()
        child.communicate(timeout=120)
    assert child.returncode == 0


def test_read_logs(helper):
    log = helper.project / "log"
    log.write_bytes(b"0123456789one\ntwo\n" + b"x" * 20000 + b"\n")
    child = subprocess.Popen([helper.binary, "read-logs", "--path", log, "--offset", "10"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=helper.environment({"FLOTILLA_LIMITS": "helper_pause=10"}))
    assert [child.stdout.readline() for _ in range(4)] == [
        b"14 one\n", b"18 two\n", b"16402 " + b"x" * 16384 + b"\n", b"20019 " + b"x" * 3616 + b"\n"]
    with log.open("ab") as file:
        file.write(b"more\n")
    assert child.stdout.readline() == b"20024 more\n"
    log.unlink()
    child.communicate(timeout=120)
    assert child.returncode == 100
    assert helper.run("read-logs", "--path", log, "--wait-file-timeout", "0s").status == 100
    assert helper.run("read-logs", "--path", helper.project).status == 1


# Size

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
