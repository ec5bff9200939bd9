"""Artifacts and caches of instances that have nothing: no helper, and no network but the connection of the manager.
The helper is brought there and what it carries passes through that connection (docs/design/transfers.md). With --full
the large file has 2 GiB."""

import io
import os
import re
import shutil
import zipfile

import pytest

from artifact_jobs import ARCHIVE, CACHE, Jobs, dependency
from checker.run import PATIENCE, Run, wait_for
from conftest import need_static_helper
from test_artifacts_interrupted import kept_bytes

MANY = 20000
LARGE_MIB = 2048 if os.environ.get("FLOTILLA_TEST_FULL") else 64
LONG = PATIENCE + LARGE_MIB // 2  # until it is made, packed, sent and back
TREE = [  # of its files, links and modes nothing may be lost
    "rm -rf out; mkdir -p out/a/b out/empty; echo one > out/one; echo two > 'out/a/t w o'; printf '' > out/a/nothing",
    "chmod 700 out/a/b; echo '#!' > out/run; chmod 755 out/run; ln -s a/b out/link; echo x > out/a/b/x.o",
]
LIST = "find out ! -name '*.o' -printf '%p %y %m %l\\n' | sort; find out -type f ! -name '*.o' | sort | xargs -d '\\n' sha256sum"
MANY_FILES = f"""python3 -c '
import os
os.makedirs("out/many")
for i in range({MANY}):
    folder = "out/many/%d" % (i % 100)
    os.makedirs(folder, exist_ok=True)
    open(folder + "/%d" % i, "w").write("%d\\\\n" % (i * i))
with open("out/large", "wb") as file:
    for i in range({LARGE_MIB}):
        file.write(os.urandom(1 << 20))
'"""
FRESH = [("GIT_STRATEGY", "empty")]  # nothing of an earlier job is there
DIGEST = "find out -type f | sort > list; sha256sum list; xargs -d '\\n' -a list cat | sha256sum"

pytestmark = pytest.mark.timeout(3 * LONG)


def out(jobs, name):
    """Where a job writes what it found: a log holds what the checker knows, and nothing else."""
    return jobs.run.folder / f"out {name}"


def after(jobs, name):
    """A dependency on a job of this run."""
    job = jobs.named[name]
    return {**dependency(job.id), "token": job.token}


def archive_of(*entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return data.getvalue()


def cut_off(run):
    """No session of the instance has a network."""
    assert wait_for(lambda: list(run.instances_dir.glob("*/session"))), run.log_tail()
    for session in run.instances_dir.glob("*/session"):
        new = run.folder / "session"
        alone = "unshare -n" if os.geteuid() == 0 else "unshare -rn"
        new.write_text(session.read_text().replace('exec "${SHELL', f'exec {alone} "${{SHELL'))
        new.rename(session)


def git_bash(folder):
    """What is in the PATH of an instance with Windows."""
    path = folder / "git bash"
    path.mkdir()
    (path / "uname").write_text("#!/bin/sh\nif [ \"$1\" = -s ]; then echo MINGW64_NT-10.0-20348; else echo x86_64; fi\n")
    (path / "uname").chmod(0o755)
    return path


class Faults:
    """Answers to uploads and downloads of single jobs, by their ids."""

    def __init__(self):
        self.of = {}
        self.asked = []

    def __call__(self, method, path, _):
        match = re.match(r"/api/v4/jobs/(\d+)/artifacts", path)
        if not match:
            return None
        self.asked.append((method, int(match[1]), path))
        return self.of.get(int(match[1]))

    def count(self, job) -> int:
        return sum(job_id == job.id for _, job_id, _ in self.asked)


def first_jobs(jobs, faults):
    make, offer = jobs.make, jobs.run.coordinator.artifacts.offer
    make("tree", script=[*TREE, f"({LIST}) > '{out(jobs, 'tree')}'"], artifacts=[
        {**ARCHIVE, "paths": ["out/", "$WHERE/*"], "exclude": ["**/*.o"]},
        {**ARCHIVE, "paths": ["out/one"], "artifact_type": "junit", "artifact_format": "gzip", "name": "report"},
        {**ARCHIVE, "paths": ["out/run"], "artifact_type": "dotenv", "artifact_format": "raw", "name": "raw"}],
        variables=[("WHERE", "elsewhere")])
    make("many", script=[MANY_FILES, f"({DIGEST}) > '{out(jobs, 'many')}'"], artifacts=[ARCHIVE], variables=[("ARTIFACT_COMPRESSION_LEVEL", "fastest")])
    make("row 18", artifacts=[{**ARCHIVE, "paths": ["x"]}])
    faults.of[make("row 20", script=TREE, artifacts=[ARCHIVE], failed=("script_failure", 1)).id] = (413, {})
    faults.of[make("row 21", script=TREE, artifacts=[ARCHIVE], failed=("script_failure", 1)).id] = (503, {})
    make("row 23", dependencies=[dependency(404)], failed=("script_failure", 1))
    make("row 24", cache=[CACHE], script=["mkdir v; echo kept > v/file"])
    make("row 44", dependencies=[dependency(440)], variables=FRESH, script=[f"ls > '{out(jobs, 'row 44')}'"])
    offer(440, dependency(440)["token"], archive_of(("fine", "fine"), ("../x", "escaped")))
    make("denied", dependencies=[dependency(403)], failed=("script_failure", 1))
    offer(403, "another token", b"")
    make("git bash", artifacts=[ARCHIVE], variables=[("PATH", f"{git_bash(jobs.run.folder)}:{os.environ['PATH']}")])
    make("env file", script=["echo DIR=out >> \"$GITLAB_ENV\"", *TREE], artifacts=[{**ARCHIVE, "paths": ["$DIR/one"]}])


def second_jobs(jobs):
    for name, command in (("tree", LIST), ("many", DIGEST)):
        jobs.make(f"{name} back", dependencies=[after(jobs, name)], variables=FRESH,
                  script=[f"({command}) > '{out(jobs, name + ' back')}'"])
    jobs.make("cache back", cache=[CACHE], script=[f"cat v/file > '{out(jobs, 'cache back')}'"])


@pytest.fixture(scope="module")
def jobs(module_folder, binary, plugin_dir, build):
    need_static_helper(build)
    faults = Faults()
    run = Run(module_folder, binary, plugin_dir, max_instances=1, concurrent=4, capacity=4, idle_count=1, idle_time="1h")
    run.coordinator.fault = faults
    run.environment["FLOTILLA_LIMITS"] = "carry_pause=1"
    run.start()
    cut_off(run)
    jobs = Jobs(run)
    jobs.faults = faults
    first_jobs(jobs, faults)
    run.coordinator.add(*jobs.named.values())
    assert run.coordinator.wait_all_ended(LONG), run.log_tail()
    first = set(jobs.named)
    second_jobs(jobs)
    run.coordinator.add(*(job for name, job in jobs.named.items() if name not in first))
    assert run.coordinator.wait_all_ended(LONG), run.log_tail()
    for folder in run.instances_dir.glob("*/home/builds"):  # so many files that the provider's own patience would end
        shutil.rmtree(folder)
    jobs.breaches = run.finish()
    return jobs


def test_nothing_else_went_wrong(jobs):
    assert jobs.breaches == [], "\n".join(map(str, jobs.breaches)) + "\n" + jobs.run.log_tail()


def test_the_log_says_which_way_and_why(jobs):
    line = "Artifacts and caches are carried through this connection (neither flotilla-helper nor gitlab-runner answers " \
           "on the instance)"
    assert jobs.log("tree").splitlines().count(line) == 1


def test_sh_on_windows_is_told_what_it_needs(jobs):
    assert jobs.final("git bash")["state"] == "success"
    assert "Artifacts and caches cannot be carried: nothing can be brought to Windows" in jobs.log("git bash")
    assert "Missing gitlab-runner. Uploading artifacts is disabled." in jobs.log("git bash")


def test_a_tree_comes_back_as_it_was(jobs):
    listed = out(jobs, "tree").read_text()
    assert len(listed.splitlines()) == 13 and listed == out(jobs, "tree back").read_text()
    archive, report, raw = jobs.run.coordinator.artifacts.of(jobs.named["tree"].id)
    assert (archive.file_name, report.file_name, raw.file_name) == ("n.zip", "report.gz", "raw")
    assert archive.query == {"artifact_format": "zip", "artifact_type": "archive", "expire_in": "1 day"}
    assert (report.query["artifact_type"], raw.data) == ("junit", b"#!\n")
    log = jobs.log("tree")
    assert log.count("Uploading artifacts...") == 3
    assert re.search(r'^Uploading artifacts as "archive" to coordinator\.\.\. 201 Created', log, re.M)
    assert re.search(r"^Downloading artifacts from coordinator\.\.\. ok", jobs.log("tree back"), re.M)


def test_20000_small_files_and_a_large_one_come_back_byte_for_byte(jobs):
    assert out(jobs, "many").read_text() == out(jobs, "many back").read_text() != ""
    (archive,) = jobs.run.coordinator.artifacts.of(jobs.named["many"].id)
    with zipfile.ZipFile(archive.path) as opened:
        assert sum(not name.endswith("/") for name in opened.namelist()) == MANY + 1


def test_nothing_of_it_was_kept_by_the_manager(jobs):
    assert kept_bytes(jobs.run) < 32_000_000
    assert not [path for path in (jobs.run.folder / "tmp").rglob("*") if path.is_file()]


def test_job_execution_10_5_18_no_file_matches(jobs):
    log = jobs.log("row 18")
    assert re.search(r"^WARNING: x: no matching files\. Ensure that the artifact path is relative to the working directory "
                     r"\(/.*/g/p\)", log, re.M)
    assert re.search(r"^ERROR: No files to upload", log, re.M)
    assert jobs.final("row 18")["state"] == "success" and jobs.faults.count(jobs.named["row 18"]) == 0


def test_job_execution_10_5_20_too_large(jobs):
    assert jobs.faults.count(jobs.named["row 20"]) == 1
    assert re.search(r"^FATAL: too large", jobs.log("row 20"), re.M)


def test_job_execution_10_5_21_unavailable(jobs):
    assert jobs.faults.count(jobs.named["row 21"]) == 6
    assert len(re.findall(r"^WARNING: Retrying\.\.\. .* context=artifacts-uploader", jobs.log("row 21"), re.M)) == 5


def test_job_execution_10_5_23_a_dependency_without_artifacts(jobs):
    assert re.search(r"^FATAL: file does not exist", jobs.log("row 23"), re.M)
    assert "step_script" not in jobs.sections("row 23")
    assert re.search(r"^FATAL: permission denied", jobs.log("denied"), re.M)


def test_job_execution_10_5_24_no_cache_yet(jobs):
    log = jobs.log("row 24")
    places = [log.index(text) for text in (
        "Checking cache for k...", "No URL provided, cache will not be downloaded from shared cache server. Instead a local "
        "version of cache will be extracted.", "WARNING: Cache file does not exist", "Failed to extract cache")]
    assert places == sorted(places)
    assert out(jobs, "cache back").read_text() == "kept\n" and "Successfully extracted cache" in jobs.log("cache back")


def test_job_execution_10_5_44_an_archive_that_leads_out(jobs):
    """The peer refuses the whole archive; here it is the entry (hardening_20)."""
    assert out(jobs, "row 44").read_text() == "fine\n" and "../x" in jobs.log("row 44")
    assert not [path for path in jobs.run.folder.rglob("x") if path.is_file() and path.read_bytes() == b"escaped"]


def test_job_execution_10_5_30_variables_of_the_env_file_count(jobs):
    archives = jobs.run.coordinator.artifacts.of(jobs.named["env file"].id)
    assert len(archives) == 1, jobs.log("env file")
    (archive,) = archives
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.read("out/one") == b"one\n"
