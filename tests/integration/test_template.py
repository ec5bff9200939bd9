"""sdk/template as a stranger meets it: an installed flotilla, a copy of the folder, pkg-config, and nothing else."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, Run
from conftest import ROOT


@pytest.fixture(scope="module")
def prefix(build, tmp_path_factory) -> Path:
    """What `meson install` puts below its prefix, wherever that is."""
    root = tmp_path_factory.mktemp("installed")
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root], check=True,
                   stdout=subprocess.DEVNULL)
    return next(root.rglob("bin/flotilla")).parents[1]


@pytest.fixture
def copy(prefix, folder):
    """The template, out of the tree, with an environment in which it finds the installed flotilla."""
    target = folder / "my-cloud"
    shutil.copytree(prefix / "share" / "flotilla" / "template", target)
    (target / "config.toml").chmod(0o600)
    packages = next(prefix.rglob("flotilla-provider.pc")).parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOTILLA_")}
    environment.update(PKG_CONFIG_PATH=str(packages), TMPDIR=str(folder),
                       PATH=f"{prefix / 'bin'}:{os.environ['PATH']}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)

    def make(*arguments):
        done = subprocess.run(["make", "-s", *arguments], cwd=target, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    make("CPPFLAGS=-Werror")
    return target, make


def test_it_builds_keeps_the_contract_and_works(copy):
    _, make = copy
    report = make("check")
    assert " 0 failed, " in report, report
    assert "FAIL" not in report
    steps = make("try")
    assert steps.endswith("runner 'example' works\n"), steps


def test_it_is_installed_where_flotilla_looks_for_plugins(copy, folder, prefix):
    _, make = copy
    make("install", f"DESTDIR={folder}/root")
    [installed] = (folder / "root").rglob("example.so")
    assert installed.parent == folder / "root" / next(prefix.rglob("lib*/**/plugins")).relative_to("/")


def test_it_runs_jobs_by_its_name_from_a_plugins_folder(copy, folder, prefix):
    target, _ = copy
    run = Run(folder, prefix / "bin" / "flotilla", target, plugin="example", max_instances=2,
              coordinator=Coordinator(poll_seconds=0.5))
    run.config.write_text(run.config.read_text().replace('      name = "checker"\n', "      max_size = 2\n"))
    run.start()
    try:
        run.coordinator.add(*(make_job(i, str(run.marks)) for i in (1, 2)))
        assert run.coordinator.wait_all_ended(PATIENCE), run.log_tail()
        assert [run.coordinator.jobs[i].finals[0]["state"] for i in (1, 2)] == ["success"] * 2, run.log_tail()
        assert run.stop() == 0
        assert list((run.state_dir / "example").iterdir()) == []
        left = subprocess.run(["pgrep", "-f", str(run.state_dir / "example")], capture_output=True, text=True)
        assert left.stdout == ""
    finally:
        run.watch.stop()
        run.kill()
        run.coordinator.close()


def test_what_messages_and_manual_pages_name_is_installed(prefix):
    docs = next(prefix.rglob("share/doc/flotilla"))
    assert (docs / "aws-policy.json").read_bytes() == (ROOT / "docs" / "aws-policy.json").read_bytes()
    assert {path.name for path in docs.glob("*.md")} >= {path.name for path in (ROOT / "docs").glob("*.md")}
    for page in docs.rglob("*.md"):
        for link in re.findall(r"\]\(([\w./-]+)\)", page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)
