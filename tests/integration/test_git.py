"""The stage "Getting source from Git repository" as a job sees it (docs/git.md): real git on an instance against
`git http-backend`, many jobs in one manager's run.

Each scenario is a function that gives jobs to one manager one after the other; scenarios of a list run side by side on
one instance, each in a project of its own. Those that are named after a row of job-execution.md hold it."""

import ast
import itertools
import re
import shutil
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from checker.certificates import make_certificate
from checker.jobs import make_job
from checker.run import PATIENCE, Run
from git_server import GitServer, add_commit, git, make_repository
from test_shells import use_shell

AT_ONCE = 3
RETRY_SOON = ("FF_USE_EXPONENTIAL_BACKOFF_STAGE_RETRY", "false")


class World:
    """A manager with one instance, and a server with repositories below /gitlab."""

    def __init__(self, folder, binary, plugin_dir, shell="sh", runner_extra="", with_clone_url=False):
        self.folder, self.root, self.server = folder, folder / "git", GitServer(folder / "git")
        if with_clone_url:
            runner_extra += f'  clone_url = "{self.server.url}/gitlab"\n'
        self.run = Run(folder, binary, plugin_dir, shell=shell, capacity=AT_ONCE, idle_count=1, max_instances=1,
                       idle_time="1h", runner_extra=runner_extra)
        self.run.start()
        self.ids = itertools.count(1)
        self.out = folder / "out"
        self.out.mkdir()

    def make(self, path, **parts):
        return make_repository(self.root, "gitlab/" + path, **parts)

    def programs(self, name, **scripts) -> str:
        """A PATH on which these come first."""
        folder = self.folder / name
        folder.mkdir()
        for program, text in scripts.items():
            (folder / program).write_text("#!/bin/sh\n" + text)
            (folder / program).chmod(0o755)
        return f"{folder}:/usr/local/bin:/usr/bin:/bin"

    def job(self, *args, **changes):
        """Runs a job with these commands in a project; its log without colours, and what it wrote to $OUT."""
        return self.run_job(*args, **changes)[:2]

    def run_job(self, path, sha, commands, variables=(), hooks=(), url="", **changes):
        """The same, and its final state."""
        job_id = next(self.ids)
        job = make_job(job_id, str(self.run.marks), lines=4, script_after=changes.pop("after", None))
        self.server.passwords.add(job.token)
        out = self.out / str(job_id)
        url = url or self.server.url
        job.payload["allow_git_fetch"] = changes.pop("fetch", True)
        job.payload["job_info"]["project_id"] = 1 + zlib.crc32(path.encode())
        job.payload["git_info"] = {
            "repo_url": url.replace("://", f"://gitlab-ci-token:{job.token}@") + f"/gitlab/{path}.git", "ref": "main",
            "sha": sha, "before_sha": "0" * len(sha), "ref_type": "branch", "depth": 1,
            "refspecs": [f"+{sha}:refs/pipelines/1", "+refs/heads/main:refs/remotes/origin/main"],
            **changes.pop("git_info", {})}
        strategy = [v for v in job.payload["variables"] if v["key"] != "GIT_STRATEGY"]
        job.payload["variables"] = strategy + [
            v if isinstance(v, dict) else {"key": v[0], "value": v[1]}
            for v in (("OUT", str(out)), ("CI_PROJECT_PATH", path), *variables)]
        job.payload["hooks"] = [{"name": name, "script": lines} for name, lines in hooks]
        job.payload["steps"][0]["script"] += commands
        for name, value in changes.items():
            setattr(job, name, value)
        self.run.coordinator.add(job)
        assert self.run.coordinator.wait_ended(job_id, PATIENCE), f"job {job_id} did not end"
        log = re.sub(r"\x1b\[[0-9;]*[mK]|\r", "", bytes(self.run.coordinator.jobs[job_id].trace).decode())
        return log, out.read_text() if out.exists() else "", self.run.coordinator.jobs[job_id].finals[0]


def those(*scenarios):
    """A test of these, which is named after the rows that they hold."""
    rows = [scenario.__name__ for scenario in scenarios if re.match("job_execution_10_|hardening_", scenario.__name__)]
    return pytest.mark.parametrize("scenarios", [pytest.param(scenarios, id="-".join(rows) or "all")])


def git_repeats_itself(breach):
    """Git says each submodule's name for each command in all of them; two may come at one time."""
    _, found, lines = breach.partition(": lines twice: ")
    return found and all(text.startswith((b"Entering '", b"Synchronizing submodule url"))
                         for _, _, text in ast.literal_eval(lines))


def play(world, scenarios):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        played = {scenario.__name__: pool.submit(scenario, world) for scenario in scenarios}
    breaches = [breach for breach in world.run.finish() if not git_repeats_itself(breach)]
    world.server.close()
    failed = {name: repr(future.exception()) for name, future in played.items() if future.exception()}
    logs = "".join(bytes(state.trace).decode() for state in world.run.coordinator.jobs.values()) if failed else ""
    assert not failed and not breaches, "\n".join([*map(": ".join, failed.items()), *breaches, world.run.log_tail(), logs])


def check(log, *wanted, without=()):
    for text in wanted:
        assert text in log, f"no {text!r} in:\n{log}"
    for text in without:
        assert text not in log, f"there is {text!r} in:\n{log}"


# Strategies and attempts.

HOOKS = [("pre_get_sources_script", ["echo pre >> $OUT"]), ("post_get_sources_script", ["echo post >> $OUT"])]


def job_execution_10_5_13(world):
    for old in ("", "old\n"):
        log, out = world.job("s/none", "1" * 40, ["ls >> $OUT", "touch old"], [("GIT_STRATEGY", "none")], HOOKS)
        check(log, "Skipping Git repository setup\n", "Skipping Git checkout\n", "Skipping Git submodules setup\n")
        assert out == old


def job_execution_10_5_14(world):
    for _ in range(2):
        log, out = world.job("s/empty", "1" * 40, ["pwd > $OUT; ls -A >> $OUT", "touch old"],
                             [("GIT_STRATEGY", "empty")], HOOKS)
        check(log, "Skipping Git repository setup and creating an empty build directory\n", "Skipping Git checkout\n")
        assert re.fullmatch(r"/\S+/s/empty-empty\n", out), out


def job_execution_10_5_15(world):
    sha = world.make("s/bogus")
    log, out = world.job("s/bogus", sha, ["cat README > $OUT"], [("GIT_STRATEGY", "bogus")])
    check(log, "WARNING: GIT_STRATEGY: expected either 'clone', 'fetch', 'none' or 'empty' got \"bogus\", using default "
               "value 'fetch'\n")
    assert out == "hello\n"


def job_execution_10_5_16(world):
    sha = world.make("s/again")
    world.server.refuse_below["/gitlab/s/again"] = 1
    log, out = world.job("s/again", sha, ["cat README > $OUT"], [("GET_SOURCES_ATTEMPTS", "2"), RETRY_SOON])
    check(log, "WARNING: Retrying...\n", "Deleting tracked and untracked files...\n")
    assert re.findall(r"section_start:\d+:(get_sources|clear_worktree|step_script)", log) == [
        "get_sources", "clear_worktree", "get_sources", "step_script"] and out == "hello\n"


def job_execution_10_5_17(world):
    sha = world.make("s/fails")
    world.server.refuse_below["/gitlab/s/fails"] = 1000
    log, out, final = world.run_job("s/fails", sha, ["echo script > $OUT"], after=["echo after > $OUT"],
                                    lost_as="script_failure", expect_exit_code=128)
    check(log, "ERROR: Job failed: run exit (exit code: 128)", without=["Running after_script", "Retrying"])
    assert out == "" and final["failure_reason"] == "script_failure"


def job_execution_4_1_an_unknown_submodule_strategy(world):
    log, out, final = world.run_job("s/unknown", "1" * 40, ["echo script > $OUT"], [("GIT_SUBMODULE_STRATEGY", "all")],
                                    lost_as="script_failure")
    check(log, 'unknown GIT_SUBMODULE_STRATEGY "all": must be none, normal or recursive')
    assert out == "" and final["state"] == "failed"


def job_execution_4_4_the_order_of_a_fetch(world):
    sha = world.make("s/order")
    for how in ("Created fresh repository.\n", ""):
        log, out = world.job("s/order", sha, ["echo script >> $OUT"], hooks=HOOKS)
        order = ["$ echo pre", "Gitaly correlation ID: ", "Fetching changes with git depth set to 1...\n",
                 "empty Git repository in" if how else "Reinitialized existing Git repository in", how,
                 f"Checking out {sha[:8]} as detached HEAD (ref is main)...\n", "Skipping Git submodules setup\n", "$ echo post"]
        places = [log.find(line) for line in order if line]
        assert places == sorted(places) and -1 not in places, log
        assert out == "pre\npost\nscript\n"
    correlation = re.search("Gitaly correlation ID: ([0-9a-f]{32})\n", log)[1]
    requests = [r for r in world.server.requests if r.headers.get("X-Gitaly-Correlation-ID") == correlation]
    assert requests and all(r.headers["User-Agent"].startswith("flotilla ") for r in requests)


def job_execution_4_4_no_correlation_id(world):
    sha = world.make("s/quiet")
    log, _ = world.job("s/quiet", sha, [], [("FF_USE_GITALY_CORRELATION_ID", "false")])
    check(log, without=["Gitaly correlation ID"])
    assert not any("X-Gitaly-Correlation-ID" in r.headers for r in world.server.requests if "/s/quiet" in r.path)


def job_execution_4_3_a_clone_loses_its_configuration_and_keeps_its_kind(world):
    first = world.make("s/sha256", object_format="sha256")
    second = add_commit(world.root, "gitlab/s/sha256", "hello again\n")
    hook = [("pre_get_sources_script", ["ls -d $CI_PROJECT_DIR.tmp/.gitlab-runner.ext.conf >> $OUT || echo gone >> $OUT",
                                        "grep -c include $CI_PROJECT_DIR/.git/config >> $OUT || :"])]
    for sha, text, line in ((first, "gone\nhello\n", "Created fresh"), (second, "gone\n0\nhello again\n", "Reinitialized")):
        log, out = world.job("s/sha256", sha, ["cat README >> $OUT"], hooks=hook,
                             git_info={"repo_object_format": "sha256"})
        check(log, line, without=["replaced by a clone"])
        assert out == text


def job_execution_3_1_a_place_of_the_jobs_own(world):
    sha = world.make("s/place")
    for line in ("Created fresh", "Reinitialized"):
        log, out = world.job("s/place", sha, ["pwd > $OUT; cat README >> $OUT; git fetch -q origin main"],
                             [("GIT_CLONE_PATH", "$CI_BUILDS_DIR/own/place")])
        check(log, line)
        assert out.endswith("/builds/own/place\nhello\n")


def hardening_1(world):
    world.make("s/nasty")
    ref, folder = "$(touch${IFS}evil|sh)", world.root / "gitlab/s/nasty.git"
    git(folder, "branch", ref, "main")
    log, out = world.job("s/nasty", git(folder, "rev-parse", "main"), [
        "git for-each-ref --format='%(refname)' refs/remotes > $OUT; printf '%s\\n' \"$CI_COMMIT_REF_NAME\" >> $OUT",
        "ls -A . $CI_PROJECT_DIR.tmp ~ | grep evil >> $OUT || echo nothing >> $OUT"], [("CI_COMMIT_REF_NAME", ref)],
        git_info={"ref": ref, "refspecs": [f"+refs/heads/{ref}:refs/remotes/origin/{ref}"]})
    check(log, f"as detached HEAD (ref is {ref})...\n")
    # GitLab's values are expanded once, which takes the dollar sign for a variable that is none.
    assert out.startswith(f"refs/remotes/origin/{ref}\n") and out.endswith("\nnothing\n"), out


@those(job_execution_10_5_16, job_execution_10_5_17, job_execution_10_5_13, job_execution_10_5_14, job_execution_10_5_15,
       hardening_1, job_execution_4_1_an_unknown_submodule_strategy, job_execution_4_4_the_order_of_a_fetch,
       job_execution_4_4_no_correlation_id, job_execution_4_3_a_clone_loses_its_configuration_and_keeps_its_kind,
       job_execution_3_1_a_place_of_the_jobs_own)
def test_strategies_attempts_and_the_order_of_things(folder, binary, plugin_dir, scenarios):
    world = World(folder, binary, plugin_dir, runner_extra="  [runners.custom_build_dir]\n    enabled = true\n")
    play(world, scenarios)


# Credentials and submodules, from clone_url with a folder in it.

def make_submodules(world, group):
    """A project with submodules by a relative, a whole and an SSH URL, the first of them with one of its own."""
    deep = world.make(f"{group}/deep", text="deep\n")
    lib = world.make(f"{group}/lib", text="lib\n", submodules={"deep": ("../deep.git", deep)})
    whole = world.make(f"{group}/whole", text="whole\n")
    ssh = world.make(f"{group}/ssh", text="ssh\n")
    return world.make(f"{group}/p", submodules={
        "lib": ("../lib.git", lib), "dir/whole": (f"{world.server.url}/gitlab/{group}/whole.git", whole),
        "ssh": (f"git@gitlab.test:{group}/ssh.git", ssh)})


SSH = [("GIT_SUBMODULE_FORCE_HTTPS", "true"), ("CI_SERVER_HOST", "gitlab.test")]
RECURSIVE = [("GIT_SUBMODULE_STRATEGY", "recursive"), *SSH]


def job_execution_4_6_submodules_with_the_jobs_credentials(world):
    sha = make_submodules(world, "c")
    read = "cat README lib/README lib/deep/README dir/whole/README ssh/README >> $OUT"
    # The job's own git has them, too: in the project, in its submodules, and to push.
    own = ["git fetch -q origin main", "git -C lib/deep fetch -q origin main", "git -C ssh fetch -q",
           "git push -q origin HEAD:refs/heads/pushed-$CI_JOB_STATUS-$CI_CONCURRENT_ID",
           "grep -rlF \"$CI_JOB_TOKEN\" . $CI_PROJECT_DIR.tmp/git-template $CI_PROJECT_DIR.tmp/.g* >> $OUT || :"]
    for _ in range(2):
        log, out = world.job("c/p", sha, [read, *own], RECURSIVE)
        check(log, "Updating/initializing submodules recursively with git depth set to 1...\n", "Updated submodules\n",
              "Configuring submodules to use parent git credentials...\n", without=["failed", "cannot be used"])
        assert out == "hello\nlib\ndeep\nwhole\nssh\n", out
    assert git(world.root / "gitlab/c/p.git", "branch", "--list", "pushed-running-*")


def job_execution_4_6_some_submodules(world):
    sha = make_submodules(world, "n")
    show = ["find lib dir ssh -name README | sort | tr '\\n' ' ' > $OUT"]
    for variables, there in (
            ([("GIT_SUBMODULE_STRATEGY", "normal"), *SSH], "dir/whole/README lib/README ssh/README "),
            ([*RECURSIVE, ("GIT_SUBMODULE_PATHS", "lib  dir/whole")], "dir/whole/README lib/README lib/deep/README "),
            ([*RECURSIVE, ("GIT_SUBMODULE_PATHS", ":(exclude)lib")], "dir/whole/README ssh/README "), ([], "")):
        _, out = world.job("n/p", sha, show, variables, fetch=False)
        assert out == there, (variables, out)


def job_execution_4_6_depth_flags_and_a_second_try(world):
    lib = world.make("f/lib", text="one\n")
    sha = world.make("f/p", submodules={"lib": ("../lib.git", lib)})
    add_commit(world.root, "gitlab/f/lib", "two\n")
    newest = add_commit(world.root, "gitlab/f/lib", "three\n")
    world.server.refuse_below["/gitlab/f/lib"] = 2  # git itself tries twice
    show = ["cat lib/README > $OUT", "git -C lib rev-list --count HEAD >> $OUT"]
    log, out = world.job("f/p", sha, show, [*RECURSIVE, ("GIT_SUBMODULE_DEPTH", "2"),
                                            ("GIT_SUBMODULE_UPDATE_FLAGS", "--remote --jobs 2")])
    check(log, "recursively with git depth set to 2...\n", "WARNING: Updating submodules failed. Retrying...\n",
          without=["Updated submodules"])
    assert out == "three\n2\n" and newest
    log, out = world.job("f/p", sha, show, [*RECURSIVE, ("GIT_SUBMODULE_DEPTH", "few")])
    check(log, 'GIT_SUBMODULE_DEPTH: expected int got "few", using default value: 1\n')
    assert out.startswith("one\n")


def job_execution_4_2_credentials_in_every_directory(world):
    sha = world.make("w/p")
    clone = ["cd \"$CI_PROJECT_DIR.tmp\"; rm -rf other", "git clone -q $CI_REPOSITORY other 2> /dev/null && cat other/README >> $OUT || echo refused >> $OUT"]
    address = ("CI_REPOSITORY", f"{world.server.url}/gitlab/w/p.git")
    terminal = ("GIT_TERMINAL_PROMPT", "0")
    everywhere = ("FF_GIT_URLS_WITHOUT_TOKENS", "true")
    for variables, text in (([], "refused\n"), ([everywhere], "hello\n"), ([everywhere, ("GIT_STRATEGY", "none")], "hello\n"),
                            ([("GIT_STRATEGY", "none")], "refused\n")):
        _, out = world.job("w/p", sha, clone, [address, terminal, *variables])
        assert out == text, (variables, out)
    # What a job tells git for all its repositories is known to its later stages and to no later job.
    _, out = world.job("w/p", sha, ["git config --global user.name me"], [everywhere],
                       after=["git config user.name >> $OUT"])
    _, later = world.job("w/p", sha, ["git config user.name >> $OUT || echo nobody >> $OUT"], [everywhere])
    assert (out, later) == ("me\n", "nobody\n")


def no_credential_store_hears_of_the_token(world):
    sha = world.make("h/p")
    for _ in range(2):
        _, out = world.job("h/p", sha, ["git fetch -q origin main; ls -A ~ > $OUT"],
                           hooks=[("pre_get_sources_script", ["git config --global credential.helper store"])])
        assert ".gitconfig\n" in out and ".git-credentials\n" not in out


def hardening_11_what_an_earlier_job_left_runs_nothing(world):
    """And S8 for the project itself over HTTP; more of it in tests/unit/job/test_fetch.c."""
    first, evil = world.make("e/p"), world.folder / "evil"
    second = add_commit(world.root, "gitlab/e/p", "two\n")
    attack = [f"printf '#!/bin/sh\\ntouch {evil}\\n' > run; chmod +x run; mkdir -p .git/hooks",
              "for h in post-checkout pre-auto-gc reference-transaction post-index-change; do cp run .git/hooks/$h; done",
              "for c in core.fsmonitor core.sshCommand core.askPass credential.helper core.pager core.gitProxy; do "
              "git config $c \"$PWD/run\"; done", "git config filter.evil.smudge \"$PWD/run\"; mkdir -p .git/info",
              "echo '* filter=evil' > .git/info/attributes; echo '* filter=evil' > .gitattributes",
              "printf '[include]\\npath = %s\\n' \"$PWD/more\" > .git/config.worktree; git config extensions.worktreeConfig true",
              f"echo '[core] fsmonitor = touch {evil}' > more; git config --add include.path \"$PWD/more\"; rm -f {evil}",
              # What the next job's files will be in.
              "rm -rf \"$CI_PROJECT_DIR.tmp/git-template\"; ln -s \"$PWD/.git\" \"$CI_PROJECT_DIR.tmp/git-template\""]
    world.job("e/p", first, attack)
    hostile = [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.fsmonitor"), ("GIT_CONFIG_VALUE_0", f"touch {evil}"),
               ("GIT_EXTERNAL_DIFF", f"touch {evil}"), ("GIT_SSH_COMMAND", f"touch {evil}")]
    log, out = world.job("e/p", second, ["unset GIT_CONFIG_COUNT; cat README > $OUT; git status --porcelain >> $OUT"], hostile)
    check(log, "Reinitialized", without=["replaced by a clone"])
    assert out == "two\n" and not evil.exists()


@those(job_execution_4_6_submodules_with_the_jobs_credentials, job_execution_4_6_some_submodules,
       job_execution_4_2_credentials_in_every_directory, job_execution_4_6_depth_flags_and_a_second_try,
       no_credential_store_hears_of_the_token, hardening_11_what_an_earlier_job_left_runs_nothing)
def test_credentials_and_submodules(folder, binary, plugin_dir, scenarios):
    play(World(folder, binary, plugin_dir, shell="bash", with_clone_url=True), scenarios)


# What depends on the instance: git-lfs, a newer git, certificates; and what stays behind.

def job_execution_4_4_large_files(world):
    large = {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"}
    pointer = world.server.add_large(b"large content\n")
    lib = world.make("l/lib", files={"sub.bin": pointer, **large})
    sha = world.make("l/p", files={"a.bin": pointer, **large}, submodules={"lib": ("../lib.git", lib)})
    show = ["cat a.bin >> $OUT"]
    log, out = world.job("l/p", sha, [*show, "cat lib/sub.bin >> $OUT"], RECURSIVE)
    check(log, "Pulling LFS files...\n")
    assert out == "large content\nlarge content\n"
    _, out = world.job("l/p", sha, [*show, "cat lib/sub.bin >> $OUT"], [*RECURSIVE, ("GIT_LFS_SKIP_SMUDGE", "true")], fetch=False)
    assert out == pointer + pointer
    # An instance without git-lfs: no such command of git, and nobody told git to filter by it.
    without = world.programs("no-lfs", **{"git-lfs": "exit 1\n"})
    unfiltered = [f"git config --global filter.lfs.{key} '{value}'"
                  for key, value in (("required", "false"), ("process", ""), ("smudge", ""))]
    log, out = world.job("l/p", sha, show, [("PATH", without), ("GIT_STRATEGY", "clone")],
                         [("pre_get_sources_script", unfiltered)])
    assert out == pointer


def job_execution_4_5_native_clones(world):
    first = world.make("v/p")
    second = add_commit(world.root, "gitlab/v/p", "two\n")
    # Debian 12's git is older; it knows all that a clone of a branch is told.
    newer = world.programs("newer", git=f'[ "$1" != version ] || exec echo git version 2.49.1\nexec {shutil.which("git")} "$@"\n')
    flags = [("FF_USE_GIT_NATIVE_CLONE", "true"), ("GIT_STRATEGY", "clone"), ("GIT_CLONE_EXTRA_FLAGS", "--origin origin --no-tags")]
    show = ["cat README > $OUT; git config remote.origin.tagOpt >> $OUT; git rev-list --count HEAD >> $OUT",
            "git fetch -q origin main"]
    log, out = world.job("v/p", second, show, [*flags, ("PATH", newer)])
    check(log, "Cloning repository for main with git depth set to 1...\n", f"Checking out {second[:8]} as detached HEAD",
          without=["Fetching changes"])
    assert out == "two\n--no-tags\n1\n"
    # The branch has gone on since.
    _, out = world.job("v/p", first, show, [*flags, ("PATH", newer)])
    assert out.startswith("hello\n")
    log, out = world.job("v/p", second, ["cat README > $OUT"], flags)
    check(log, "WARNING: FF_USE_GIT_NATIVE_CLONE needs git 2.49 or newer on the instance", "Fetching changes with",
          without=["Cloning repository"])
    assert out == "two\n"


def job_execution_4_2_a_server_with_a_certificate_of_its_own(world):
    files = make_certificate(world.folder)
    sha = world.make("t/p")
    server = GitServer(world.root, certificate=files)
    server.passwords = world.server.passwords
    text = open(files[0], encoding="ascii").read()
    _, out = world.job("t/p", sha, ["git fetch -q origin main; cat README > $OUT"],
                       [{"key": "CI_SERVER_TLS_CA_FILE", "value": text, "file": True}], url=server.url)
    log, _ = world.job("t/q", sha, [], url=server.url, lost_as="script_failure", expect_exit_code=128)
    server.close()
    assert out == "hello\n"
    check(log, "certificate")


def job_execution_4_4_a_tag_and_more_commits(world):
    first = world.make("g/p")
    second = add_commit(world.root, "gitlab/g/p", "two\n")
    git(world.root / "gitlab/g/p.git", "tag", "v1", first)
    show = ["git describe --tags > $OUT; git rev-list --count HEAD >> $OUT"]
    _, out = world.job("g/p", first, show, git_info={"ref": "v1", "ref_type": "tag", "refspecs": ["+refs/tags/v1:refs/tags/v1"]})
    assert out == "v1\n1\n"
    log, out = world.job("g/p", second, show, git_info={"depth": 0})
    check(log, "Fetching changes...\n")
    assert out.endswith("\n2\n")


def job_execution_4_7_nothing_stays(world):
    sha, flag = world.make("z/p"), ("FF_ENABLE_JOB_CLEANUP", "true")
    hook = [("pre_get_sources_script", ["ls $CI_PROJECT_DIR >> $OUT 2> /dev/null || echo nothing >> $OUT",
                                        "cat $CI_PROJECT_DIR/README >> $OUT 2> /dev/null || :"])]
    evil = world.folder / "evil"
    leave = ["echo changed > README; touch new", f"git config core.fsmonitor 'touch {evil}'; rm -f {evil}"]
    world.job("z/p", sha, leave, [flag])
    assert not evil.exists(), "the clean-up ran what the job left"
    _, out = world.job("z/p", sha, [], [flag, ("GIT_STRATEGY", "clone")], hook)
    assert out == "README\nhello\n"
    _, out = world.job("z/p", sha, [], hooks=hook)
    assert out == "nothing\n"
    log, _ = world.job("z/p", sha, ["touch new"], [flag, ("GIT_STRATEGY", "none")])
    check(log, "Skipping build directory cleanup step\n")
    _, out = world.job("z/p", sha, ["ls > $OUT"], [("GIT_STRATEGY", "none")])
    assert out == "README\nnew\n"


@those(job_execution_4_4_large_files, job_execution_4_5_native_clones, job_execution_4_7_nothing_stays,
       job_execution_4_2_a_server_with_a_certificate_of_its_own, job_execution_4_4_a_tag_and_more_commits)
def test_what_depends_on_the_instance_and_what_stays_there(folder, binary, plugin_dir, scenarios):
    world = World(folder, binary, plugin_dir)
    use_shell(world.run, "sh", "busybox")
    play(world, scenarios)
