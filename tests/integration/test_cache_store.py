"""Caches in a store, here moto's S3, by both ways: through the manager, and by flotilla-helper on the instance, whose
artifacts are brought here, too. The caches on the instance are taken away between a job and its successor."""

import hashlib
import re
import shutil
import zipfile

import pytest

from artifact_jobs import ARCHIVE, CACHE, Jobs, dependency
from checker.run import PATIENCE, Run
from stores import s3_store  # noqa: F401: a fixture

LIMIT = 100_000
STORE = """\
  [runners.cache]
    Type = "s3"
    Path = "below"
    MaxUploadedArchiveSize = {limit}
    [runners.cache.s3]
      ServerAddress = "{address}"
      Insecure = true
      AccessKey = "AKIAEXAMPLE"
      SecretKey = "this-is-the-secret-key"
      BucketName = "jobs-caches"
"""
PREFIX = "below/runner/checkerRu/project/9/"
KEEP = ["mkdir -p v; echo \"$CI_JOB_NAME\" > v/file"]
WAYS = ("stream", "direct")


def add_for_way(jobs, build, way):
    """A job that keeps, and one that keeps too much; then their successors."""
    path = [("PATH", f"{build / 'helper'}:/usr/local/bin:/usr/bin:/bin")] if way == "direct" else []

    def variables(name, *more):
        return [*path, ("CI_JOB_NAME", f"{way} {name}"), *more]

    jobs.make(f"{way} keeps", variables=variables("keeps"), script=KEEP, cache=[{**CACHE, "key": f"{way}-k"}])
    jobs.make(f"{way} hashed", variables=variables("hashed", ("FF_HASH_CACHE_KEYS", "true")), script=KEEP,
              cache=[{**CACHE, "key": f"{way}-h"}])
    jobs.make(f"{way} too much", variables=variables("too much"), script=["mkdir -p v; head -c 200000 /dev/urandom > v/file"],
              cache=[{**CACHE, "key": f"{way}-big"}])
    jobs.make(f"{way} artifacts", variables=variables("artifacts"), script=["mkdir -p out; echo x > out/file"],
              artifacts=[ARCHIVE])

    def successors():
        earlier = jobs.named[f"{way} artifacts"]
        show = [f"cat v/file out/file > '{jobs.run.folder}/{way} finds' 2> /dev/null || :"]
        fresh = [*path, ("GIT_STRATEGY", "empty")]
        jobs.make(f"{way} finds", variables=fresh, cache=[{**CACHE, "key": f"{way}-k", "policy": "pull"}], script=show,
                  dependencies=[{**dependency(earlier.id), "token": earlier.token}])
        jobs.make(f"{way} falls back", variables=fresh, cache=[
            {**CACHE, "key": f"{way}-none", "fallback_keys": [f"{way}-k"], "policy": "pull"}])
        jobs.make(f"{way} former name", variables=fresh, cache=[{**CACHE, "key": f"{way}-h", "policy": "pull"}])
    return successors


@pytest.fixture(scope="module")
def jobs(module_folder, binary, plugin_dir, build, s3_store):  # noqa: F811
    if not list((build / "helper" / "static").glob("flotilla-helper-static-*")):
        pytest.skip("a build with sanitizers has no static helper")
    run = Run(module_folder, binary, plugin_dir, max_instances=1, concurrent=4, capacity=4, idle_count=1, idle_time="1h",
              runner_extra=STORE.format(address=s3_store.url.removeprefix("http://"), limit=LIMIT))
    run.environment["FLOTILLA_LIMITS"] = "carry_pause=1"
    jobs, bucket = Jobs(run), s3_store.bucket("jobs-caches")
    successors = [add_for_way(jobs, build, way) for way in WAYS]
    run.coordinator.add(*jobs.named.values())
    run.start()
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    for cache in run.instances_dir.glob("*/home/cache"):
        shutil.rmtree(cache)
    first = set(jobs.named)
    for add in successors:
        add()
    run.coordinator.add(*(job for name, job in jobs.named.items() if name not in first))
    assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
    listed = s3_store.client.list_objects_v2(Bucket=bucket)["Contents"]
    jobs.objects = {entry["Key"]: s3_store.client.head_object(Bucket=bucket, Key=entry["Key"]) for entry in listed}
    jobs.breaches = run.finish()
    return jobs


def test_nothing_else_went_wrong(jobs):
    assert jobs.breaches == [], "\n".join(map(str, jobs.breaches))[:5000] + "\n" + jobs.run.log_tail()


@pytest.mark.parametrize("way", WAYS)
def test_a_cache_goes_to_the_store_and_comes_back(jobs, way):
    assert jobs.objects[f"{PREFIX}{way}-k"]["Metadata"] == {"cachekey": f"{way}-k"}
    assert (jobs.run.folder / f"{way} finds").read_text() == f"{way} keeps\nx\n"
    assert "Created cache" in jobs.log(f"{way} keeps") and "Successfully extracted cache" in jobs.log(f"{way} finds")
    assert "No URL provided" not in jobs.log(f"{way} finds")


@pytest.mark.parametrize("way", WAYS)
def test_which_way_the_log_says(jobs, way):
    assert ("are carried through this connection" in jobs.log(f"{way} keeps")) == (way == "stream")
    assert ("are carried by flotilla-helper of the instance" in jobs.log(f"{way} keeps")) == (way == "direct")


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_is_not_there_and_one_to_fall_back_on(jobs, way):
    log = jobs.log(f"{way} falls back")
    assert re.search(rf"Checking cache for {way}-none\.\.\.\n.*WARNING: file does not exist.*\nFailed to extract cache\n"
                     rf"Checking cache for {way}-k\.\.\.\n", log, re.S), log
    assert "Successfully extracted cache" in log


@pytest.mark.parametrize("way", WAYS)
def test_an_archive_above_the_limit_stays_on_the_instance(jobs, way):
    assert f"{PREFIX}{way}-big" not in jobs.objects
    assert re.search(rf"^Cache archive size \(\d+\) is too big \(Limit is set to {LIMIT}\)\. Cache will be stored only locally\.",
                     jobs.log(f"{way} too much"), re.M)


@pytest.mark.parametrize("way", WAYS)
def test_a_hashed_key_and_the_same_one_without_the_flag(jobs, way):
    digest = hashlib.sha256(f"{way}-h".encode()).hexdigest()
    assert f"{PREFIX}{digest[:2]}/{digest}" in jobs.objects
    assert "Successfully extracted cache" in jobs.log(f"{way} former name"), "the other name is looked for, too"


@pytest.mark.parametrize("way", WAYS)
def test_artifacts_by_the_same_way(jobs, way):
    (archive,) = jobs.run.coordinator.artifacts.of(jobs.named[f"{way} artifacts"].id)
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.read("out/file") == b"x\n"
    assert re.search(r'^Uploading artifacts as "archive" to coordinator\.\.\. 201 Created', jobs.log(f"{way} artifacts"), re.M)
    assert re.search(r"^Downloading artifacts from coordinator\.\.\. ok", jobs.log(f"{way} finds"), re.M)
