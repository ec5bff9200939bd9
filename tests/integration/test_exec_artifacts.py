"""`flotilla exec` hands files from job to job as GitLab does: artifacts, variables of a dotenv, caches. Real instances,
real helpers; the embedded coordinator's own answers are in test_embedded_coordinator.py."""

import io
import os
import zipfile

import pytest

from test_exec import Project, states


@pytest.fixture
def project(folder, binary, plugin_dir):
    return Project(folder, binary, plugin_dir)


@pytest.fixture
def carrier(build):
    if not list((build / "helper" / "static").glob("flotilla-helper-static-*")):
        pytest.skip("a build with sanitizers has no static helper")


HANDING_ON = """
stages: [build, test]
make:
  stage: build
  script: [mkdir out, echo made > out/x, echo no > out/x.log, "echo 'WORD=from make' > words.env", "echo '<x/>' > r.xml"]
  artifacts: {paths: [out], exclude: ["out/*.log"], expire_in: 1 week, reports: {dotenv: words.env, junit: r.xml}}
broken:
  stage: build
  allow_failure: true
  script: [echo broken > why, exit 1]
  artifacts: {paths: [why], when: on_failure}
all:
  script: [cat out/x why, test ! -e out/x.log, 'echo "WORD is $WORD"']
  services: [redis]
needs: {script: [test ! -e out, 'echo "word is <$WORD>"'], needs: [{job: make, artifacts: false}]}
none: {script: [test ! -e out, 'test -z "$WORD"'], dependencies: []}
"""


@pytest.mark.usefixtures("carrier")
def test_jobs_get_what_the_jobs_before_them_made(project):
    kept = project.folder / "kept"
    run = project.run_file(HANDING_ON, "--artifacts", kept)
    assert run.returncode == 0, run.output
    assert set(states(run.output).values()) == {"passed", "failed (allowed), exit code 1"}
    assert "all | made\n" in run.output and "all | broken\n" in run.output
    assert "all | WORD is from make\n" in run.output
    assert "needs | word is <>\n" in run.output
    assert "job 'all': 'services' is not supported, ignoring: nothing starts them here" in run.problems
    archive = kept / "1-archive.zip"
    assert f"\narchive of 'make': {archive}, {archive.stat().st_size} bytes\n" in run.output
    assert sorted(path.name for path in kept.iterdir()) == ["1-archive.zip", "1-dotenv.gz", "1-junit.gz", "2-archive.zip"]
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as file:
        assert "out/x" in file.namelist() and "out/x.log" not in file.namelist()


@pytest.mark.usefixtures("carrier")
def test_an_upload_that_is_refused_fails_the_job(project):
    run = project.run_file("""
a: {script: ["echo '# a comment' > bad.env"], artifacts: {reports: {dotenv: bad.env}}}
b: {stage: deploy, script: echo never}
""")
    assert run.returncode == 1
    assert states(run.output)["b"] == "skipped"
    assert states(run.output)["a"].startswith("failed")
    assert run.output.count("artifacts of job a are refused: dotenv: line 1 is not KEY=VALUE\n") == 1, "three times tried"


CACHED = """
stages: [build, test]
fill: {stage: build, script: [if test -e c/f; then cat c/f; else echo fresh; fi, mkdir -p c, echo filled > c/f],
  cache: {key: {files: [.gitlab-ci.yml], prefix: p}, paths: [c]}}
use: {script: cat c/f, cache: {key: {files: [.gitlab-ci.yml], prefix: p}, paths: [c], policy: pull}}
"""


@pytest.mark.usefixtures("carrier")
def test_a_cache_goes_to_the_next_job_and_with_a_folder_to_the_next_run(project):
    first = project.run_file(CACHED)
    assert first.returncode == 0, first.output
    assert "fill | fresh\n" in first.output and "use | filled\n" in first.output
    for word in ("fresh", "filled"):
        run = project.run("--cache", project.folder / "caches", "fill")
        assert f"fill | {word}\n" in run.output, "nothing is left of a run that was not told where"


def test_a_cache_folder_beside_a_configuration_is_refused(project):
    project.write(".gitlab-ci.yml", "a: {script: s}\n")
    project.commit()
    run = project.run("--cache", "x", "--config", "no.toml")
    assert run.returncode == 1
    assert run.problems == ("flotilla exec: --cache is for instances of this machine alone; set cache_dir in no.toml\n")
    assert not os.path.exists(project.top / "x")
