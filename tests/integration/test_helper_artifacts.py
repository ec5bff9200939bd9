"""flotilla-helper's commands artifacts-uploader and artifacts-downloader (job-execution.md 6.1 to 6.5, 7 and 10.6), with
a GitLab that keeps what it was asked."""

import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
from checker.certificates import make_certificate
from checker.run import wait_for
from helper_program import credentials, helper, names_in, uploaded, zip_of  # noqa: F401
from recorder import Answer, Recorder, parts_of

# Up

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


# Down

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
