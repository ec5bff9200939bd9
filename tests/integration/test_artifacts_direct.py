"""Artifacts and caches that a helper of the instance carries: how it is called, when, and what the log says
(job-execution.md 1.2, 1.3, 5, 6, 10.5, 10.6). The helper is a stand-in that notes its calls; the real one is in
test_artifacts_stream.py. All jobs run in one manager, whose builds_dir is absolute while its cache_dir is not."""

import hashlib
from pathlib import Path

import pytest

from artifact_jobs import ARCHIVE, CACHE, Jobs, dependency
from checker.run import Run
from git_server import make_repository
from stand_in_helper import StandIn
from stores import s3_store  # noqa: F401: a fixture
from test_run import assert_nothing_lost
from test_supply import cache_settings

FAIL_UPLOADS = 'case $1 in artifacts-uploader) exit 1;; esac'
FAIL_EXTRACTION = 'case $1 in cache-extractor) exit 1;; esac'


class CalledJobs(Jobs):
    """With the calls of their helpers."""

    def __init__(self, run: Run):
        super().__init__(run)
        self.stand_in, self.ours = StandIn(run.folder), StandIn(run.folder, "flotilla-helper")

    def add(self, name, ends="", helper=None, **given):
        (helper or self.stand_in).use(self.make(name, **given), ends)

    def calls(self, name, command=""):
        helper = self.ours if name.startswith("ours") else self.stand_in
        return [call for call in helper.calls(self.named[name]) if call.words[0].startswith(command)]


def both(when):
    return {"artifacts": [{**ARCHIVE, "when": when, "name": when}], "cache": [{**CACHE, "when": when, "key": when}]}


def every_when():
    each = [both(when) for when in ("on_success", "on_failure", "always")]
    return {key: [entry for one in each for entry in one[key]] for key in ("artifacts", "cache")}


def add_all(jobs):
    add = jobs.add
    add("calls", artifacts=[ARCHIVE], cache=[CACHE], dependencies=[dependency(70), dependency(71, "")])
    add("ours", helper=jobs.ours, artifacts=[ARCHIVE], dependencies=[dependency(70)])
    add("options", artifacts=[
        {"paths": ["a b", "$X/*"], "exclude": ["**/*.o"], "untracked": True, "when": "always", "artifact_type": "junit",
         "artifact_format": "gzip"}, {"name": "nothing of it"}], variables=[("RUNNER_GENERATE_ARTIFACTS_METADATA", "1")])
    add("provenance", artifacts=[ARCHIVE],
        variables=[("RUNNER_GENERATE_ARTIFACTS_METADATA", "true"), ("CI_RUNNER_ID", "12")])
    add("row 5", failed=("script_failure", 5), script=["exit 5"], after=["echo \"it is $CI_JOB_STATUS\""], **every_when())
    add("row 6", after=["exit 1"], **every_when())
    add("row 7", failed=("script_failure", 1), after=["exit 1"], variables=[("AFTER_SCRIPT_IGNORE_ERRORS", "false")],
        **every_when())
    add("row 8", failed=("job_execution_timeout", 0), script=["sleep 60"], after=["echo \"it is $CI_JOB_STATUS\""],
        variables=[("RUNNER_SCRIPT_TIMEOUT", "1s")], **both("always"))
    add("row 17", failed=("script_failure", 128), variables=[("GIT_STRATEGY", "clone")], after=["echo not this"],
        **every_when())
    add("row 22", ends=FAIL_UPLOADS, failed=("script_failure", 1),
        artifacts=[ARCHIVE, {**ARCHIVE, "name": "second"}], cache=[CACHE])
    add("row 23", ends="exit 1", failed=("script_failure", 1), dependencies=[dependency(70), dependency(71)],
        variables=[("ARTIFACT_DOWNLOAD_ATTEMPTS", "2"), ("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", "false")],
        after=["echo not this"])
    add("row 25", cache=[{**CACHE, "key": "a\\..\\b/ "}])
    add("row 26", cache=[{**CACHE, "key": ".."}])
    add("row 28", cache=[{**CACHE, "policy": "$P"}], variables=[("P", "pull")])
    add("push", cache=[{**CACHE, "policy": "push"}])
    add("no such policy", failed=("script_failure", 0), cache=[{**CACHE, "policy": "pul"}], **{
        "artifacts": [{**ARCHIVE, "when": "on_failure"}]})
    add("row 29", ends=FAIL_EXTRACTION, cache=[{**CACHE, "fallback_keys": ["f/$P", "..", "g"]}],
        variables=[("CACHE_FALLBACK_KEY", "main-protected. /"), ("P", "one")])
    add("fallbacks", ends='case $* in *other*) ;; *) exit 1;; esac', cache=[{**CACHE, "fallback_keys": ["f", "other", "g"]}],
        variables=[("CACHE_FALLBACK_KEY", "main")])
    add("last fallback", ends=FAIL_EXTRACTION, cache=[CACHE], variables=[("CACHE_FALLBACK_KEY", "$X"), ("X", "main")])
    add("removed", ends=FAIL_EXTRACTION, variables=[("FF_CLEAN_UP_FAILED_CACHE_EXTRACT", "1")],
        script=["ls"], cache=[{"key": "k", "paths": ["half/", "../out", "/tmp/x"]}])
    add("hashed", cache=[{**CACHE, "key": "a/../b"}], variables=[("FF_HASH_CACHE_KEYS", "true"), ("CACHE_REQUEST_TIMEOUT", "3")])
    add("default key", cache=[{"paths": ["v"]}, {"key": "skipped"}])
    add("no helper", variables=[("X", "1")], artifacts=[ARCHIVE], cache=[CACHE], dependencies=[dependency(70)])
    jobs.named["no helper"].payload["variables"].append({"key": "PATH", "value": "/usr/bin:/bin"})
    add("broken env file", failed=("script_failure", 2), cache=[CACHE], artifacts=[{**ARCHIVE, "when": "on_failure"}],
        variables=[("RESTORE_CACHE_ATTEMPTS", "2"), ("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", "false"),
                   ("GIT_STRATEGY", "clone")],
        hooks=[{"name": "post_get_sources_script", "script": ["echo >> \"$GITLAB_ENV\""]}],
        git_info={"repo_url": f"file://{jobs.run.folder}/git/g/p.git", "ref": "main", "depth": 0,
                  "sha": make_repository(jobs.run.folder / "git", "g/p"),
                  "refspecs": ["+refs/heads/main:refs/remotes/origin/main"]})
    add("debug trace", ends="echo \"$CI_JOB_TOKEN\"", variables=[("CI_DEBUG_TRACE", "true")], artifacts=[ARCHIVE])


@pytest.fixture(scope="module")
def jobs(module_folder, binary, plugin_dir):
    folder = module_folder
    # What a job leaves for the next of its slot does not matter here, so each has an instance of its own.
    run = Run(folder, binary, plugin_dir, max_instances=4, concurrent=4, capacity=1, idle_count=0,
              runner_extra=f'  builds_dir = "{folder}/b"\n  helper = "direct"\n  [runners.artifact]\n'
                           '    upload_timeout = "30m"\n')
    jobs = CalledJobs(run)
    add_all(jobs)
    run.coordinator.add(*jobs.named.values())
    run.start()
    traced = f"job {jobs.named['debug trace'].id}"
    jobs.breaches = [breach for breach in run.finish()
                     if traced not in breach and "sections that begin twice" not in breach]
    return jobs


def test_nothing_else_went_wrong(jobs):
    assert_nothing_lost(jobs.run, jobs.breaches)


def test_job_execution_10_6_artifacts(jobs):
    download, upload = jobs.calls("calls", "artifacts")
    url = jobs.run.coordinator.url
    assert download.line == f"artifacts-downloader --url {url} --id 70"
    assert download.token == "glcbt-64_dependency-70", "hardening S4: by its environment alone"
    assert upload.line == (
        f"artifacts-uploader --url {url} --id {upload.job_id} --timeout 30m0s --response-header-timeout 10m0s "
        "--path out/ --name n --expire-in '1 day' --artifact-format zip --artifact-type archive")
    assert upload.token == jobs.named["calls"].token
    assert upload.folder.endswith("/g/p")
    log = jobs.log("calls")
    assert "Downloading artifacts\nDownloading artifacts for build 70 (70)...\nartifacts-downloader of the" in log
    assert "build 71" not in log, "job-execution 1.2: it has no file"
    assert "Uploading artifacts for successful job\nUploading artifacts...\nartifacts-uploader of the stand-in" in log
    assert "Artifacts and caches are carried by gitlab-runner of the instance (helper = \"direct\")" in log


def test_hardening_S4_our_helper_reads_the_token_from_stdin(jobs):
    download, upload = jobs.calls("ours")
    assert download.stdin == "glcbt-64_dependency-70" and upload.stdin == jobs.named["ours"].token
    assert "--token-stdin" in download.words and "--token-stdin" in upload.words
    assert download.token == upload.token == jobs.named["ours"].token, "the job's variable is as GitLab sent it"


def test_job_execution_10_6_cache(jobs):
    extract, archive = jobs.calls("calls", "cache")
    cache = Path(extract.option("--file")).parents[3]
    hashed = hashlib.sha256(b"k").hexdigest()
    assert extract.line == f"cache-extractor --file {cache}/g/p/k/cache.zip --timeout 10"
    assert archive.line == (f"cache-archiver --file {cache}/g/p/k/cache.zip --alternate-file "
                            f"{cache}/g/p/{hashed}/cache.zip --timeout 10 --path v")
    assert ("Checking cache for k...\ncache-extractor of the stand-in\nSuccessfully extracted cache" in jobs.log("calls")
            and "Creating cache k...\ncache-archiver of the stand-in\nCreated cache" in jobs.log("calls"))


def test_job_execution_10_5_27_an_absolute_builds_dir_goes_with_a_relative_cache_dir(jobs):
    """The peer skips every entry."""
    extract = jobs.calls("calls", "cache")[0]
    file = Path(extract.option("--file"))
    assert file.is_absolute() and file.parents[3].name == "cache"
    assert extract.folder.startswith(f"{jobs.run.folder}/b/") and not str(file).startswith(f"{jobs.run.folder}/b/")
    assert "Skipping" not in jobs.log("calls").replace("Skipping Git", "")


def test_options_of_a_selection(jobs):
    (upload,) = jobs.calls("options")
    assert upload.line.endswith("--response-header-timeout 10m0s --path 'a b' --path '$X/*' --exclude '**/*.o' "
                                "--untracked --artifact-format gzip --artifact-type junit"), upload.line


def test_provenance(jobs):
    (upload,) = jobs.calls("provenance")
    words = upload.line
    assert "--generate-artifacts-metadata --runner-id 12 --repo-url https://gitlab.invalid/g/p --repo-digest " in words
    assert "--job-name " in words and "--executor-name instance --runner-name checker --started-at 2" in words
    assert words.index("--started-at") < words.index("--ended-at") < words.index("--schema-version v1")
    assert "--metadata-parameter CI_JOB_TOKEN" in words and jobs.named["provenance"].token not in words


@pytest.mark.parametrize("name,variant", [("row 5", "on_failure"), ("row 6", "on_success"), ("row 7", "on_failure"),
                                          ("row 17", "on_failure")])
def test_job_execution_10_5_5_6_7_17_variants(jobs, name, variant):
    assert [call.option("--name") for call in jobs.calls(name, "artifacts")] == [variant, "always"]
    assert [Path(call.option("--file")).parent.name for call in jobs.calls(name, "cache-archiver")] == [variant, "always"]
    word = "failed" if variant == "on_failure" else "successful"
    assert f"Saving cache for {word} job" in jobs.log(name) and f"Uploading artifacts for {word} job" in jobs.log(name)


def test_job_execution_1_2_order_of_the_stages(jobs):
    assert jobs.sections("row 5") == [
        "prepare_executor", "prepare_script", "get_sources", "restore_cache", "step_script", "after_script",
        "archive_cache_on_failure", "upload_artifacts_on_failure", "cleanup_file_variables"]
    assert jobs.sections("calls") == [
        "prepare_executor", "prepare_script", "get_sources", "restore_cache", "download_artifacts", "step_script",
        "archive_cache", "upload_artifacts_on_success", "cleanup_file_variables"]
    assert jobs.sections("row 17") == [
        "prepare_executor", "prepare_script", "get_sources", "archive_cache_on_failure", "upload_artifacts_on_failure",
        "cleanup_file_variables"]
    assert "it is failed" in jobs.log("row 5") and "not this" not in jobs.log("row 17")


def test_job_execution_10_5_8_uploads_after_the_script_ran_out_of_time(jobs):
    log = jobs.log("row 8")
    assert log.index("it is timedout") < log.index("Uploading artifacts for failed job") < log.index("script timeout:")
    assert len(jobs.calls("row 8", "artifacts-uploader")) == 1


def test_job_execution_10_5_19_no_helper(jobs):
    log = jobs.log("no helper")
    assert jobs.calls("no helper") == []
    for line in ("Missing gitlab-runner. Extracting cache is disabled.", "Missing gitlab-runner. Creating cache is disabled.",
                 "Missing gitlab-runner. Downloading artifacts is disabled.",
                 "Missing gitlab-runner. Uploading artifacts is disabled."):
        assert line in log.splitlines()
    assert jobs.final("no helper")["state"] == "success"


def test_job_execution_10_5_22_the_first_failing_upload_is_the_last(jobs):
    assert [call.option("--name") for call in jobs.calls("row 22", "artifacts")] == ["n"]
    assert "Job failed: run exit (exit code: 1): Process exited with status 1" in jobs.log("row 22")
    assert "Saving cache for successful job" in jobs.log("row 22"), "job-execution 1.2"
    assert jobs.sections("row 22")[-1] == "cleanup_file_variables"


def test_job_execution_10_5_23_a_dependency_that_cannot_be_had(jobs):
    log = jobs.log("row 23")
    assert [call.option("--id") for call in jobs.calls("row 23")] == ["70", "70"], "one call an attempt"
    assert log.count("WARNING: Retrying...") == 1
    assert "step_script" not in jobs.sections("row 23") and "not this" not in log


def test_job_execution_10_5_25_a_key_is_sanitized(jobs):
    line = r'cache key "a\\..\\b/ " sanitized to "b"'
    assert jobs.log("row 25").splitlines().count(line) == 2, "once in each stage"
    assert all("/g/p/b/cache.zip" in call.option("--file") for call in jobs.calls("row 25"))


def test_job_execution_10_5_26_a_key_of_which_nothing_is_left(jobs):
    log = jobs.log("row 26").splitlines()
    assert jobs.calls("row 26") == [] and 'cache key ".." could not be sanitized' in log
    assert "Skipping cache extraction due to empty cache key" in log
    assert "Skipping cache archiving due to empty cache key" in log


def test_job_execution_10_5_28_policies(jobs):
    assert [call.words[0] for call in jobs.calls("row 28")] == ["cache-extractor"]
    assert "Saving cache for successful job\nNot uploading cache k due to policy" in jobs.log("row 28")
    assert [call.words[0] for call in jobs.calls("push")] == ["cache-archiver"]
    assert "\nNot downloading cache k due to policy\n" in jobs.log("push")
    log = jobs.log("no such policy")
    assert "ERROR: Job failed: unknown cache policy pul for k" in log
    assert "step_script" not in jobs.sections("no such policy") and len(jobs.calls("no such policy")) == 1


def test_job_execution_10_5_29_a_protected_fallback_is_not_taken(jobs):
    log = jobs.log("row 29").splitlines()
    assert 'CACHE_FALLBACK_KEY "main-protected. /" not allowed to end in "-protected"' in log
    assert [line for line in log if line.startswith("Checking")] == [
        f"Checking cache for {key}..." for key in ("k", "f/one", "g")]
    assert log.count("Failed to extract cache") == 3 and jobs.final("row 29")["state"] == "success"


def test_fallback_keys_until_one_is_there(jobs):
    keys = [Path(call.option("--file")).parent.name for call in jobs.calls("fallbacks", "cache-extractor")]
    assert keys == ["k", "f", "other"]
    assert [Path(call.option("--file")).parent.name for call in jobs.calls("fallbacks", "cache-archiver")] == ["k"]
    keys = [Path(call.option("--file")).parent.name for call in jobs.calls("last fallback", "cache-extractor")]
    assert keys == ["k", "main"]


def test_paths_are_removed_behind_a_failed_extraction(jobs):
    log = jobs.log("removed").splitlines()
    assert [line for line in log if line.startswith("Removing")] == ["Removing half/"], "the others are not of the project"


def test_hashed_keys(jobs):
    extract, archive = jobs.calls("hashed")
    hashed = hashlib.sha256(b"a/../b").hexdigest()
    assert extract.option("--file").endswith(f"/g/p/{hashed}/cache.zip") and extract.option("--timeout") == "3"
    assert archive.option("--alternate-file").endswith("/g/p/b/cache.zip")
    assert "Checking cache for a/../b..." in jobs.log("hashed") and "sanitized" not in jobs.log("hashed")


def test_an_entry_without_a_key_has_the_jobs_name_and_ref(jobs):
    (name,) = {call.option("--file").partition("/g/p/")[2] for call in jobs.calls("default key")}
    assert name == f"{jobs.named['default key'].payload['job_info']['name']}/main/cache.zip"
    assert len(jobs.calls("default key")) == 2


def test_a_broken_env_file_fails_the_stage_and_is_tried_again(jobs):
    """job-execution 10.5 row 31, and the attempts of restore_cache."""
    assert jobs.log("broken env file").count("WARNING: Retrying...") == 1
    assert "step_script" not in jobs.sections("broken env file")


def test_a_debug_trace_shows_no_token(jobs):
    log = jobs.log("debug trace")
    assert jobs.named["debug trace"].token not in log
    assert "artifacts-uploader --url" not in log, "what has no mask is not traced"


WATCHED = """#!/bin/sh
[ "$1" != --version ] || exit 0
cat /proc/[0-9]*/cmdline >> '{seen}' 2> /dev/null
exec '{helper}' "$@"
"""


@pytest.mark.parametrize("name,shell", [("flotilla-helper", "bash"), ("flotilla-helper", "sh"), ("gitlab-runner", "bash")])
def test_no_command_line_shows_a_signed_url(folder, binary, plugin_dir, build, s3_store, name, shell):  # noqa: F811
    """While our own helper runs; the peer's has no other place for it. Both are our program here."""
    s3_store.bucket("bucket")
    key, seen, program = f"AKIA-{folder.name}", folder / "seen", folder / "bin" / name
    program.parent.mkdir()
    program.write_text(WATCHED.format(seen=seen, helper=build / "helper" / "flotilla-helper"))
    program.chmod(0o755)
    settings = cache_settings(s3_store.url.removeprefix("http://"), f'    Path = "{folder.name}"').replace("AKIAEXAMPLE", key)
    jobs = Jobs(Run(folder, binary, plugin_dir, shell=shell, max_instances=1, runner_extra=settings))
    job = jobs.make("cached", cache=[CACHE], script=["echo content > v"],
                    variables=[("PATH", f"{program.parent}:/usr/local/bin:/usr/bin:/bin")])
    jobs.run.coordinator.add(job)
    jobs.run.start()
    assert_nothing_lost(jobs.run, jobs.run.finish())
    log = jobs.log("cached")
    assert f"carried by {name} of the instance" in log and "Created cache" in log, log
    stored = s3_store.client.list_objects_v2(Bucket="bucket", Prefix=folder.name)["Contents"]
    assert [one["Key"] for one in stored] == [f"{folder.name}/project/9/k"]
    for command in ("cache-extractor", "cache-archiver"):
        assert f"{program}\0{command}\0".encode() in seen.read_bytes(), "nothing was looked at"
    assert (key.encode() in seen.read_bytes()) == (name == "gitlab-runner")
