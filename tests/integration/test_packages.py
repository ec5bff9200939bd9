"""packaging/debian and scripts/package: the packages in a fresh Debian, from the first installation to the purge."""

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from debian_root import DebianRoot

pytestmark = pytest.mark.timeout(1800)  # the mirror may be slow

PACKAGES = ["flotilla", "flotilla-dev", "flotilla-gitlab-runner", "flotilla-helper", "flotilla-isolation-nesting",
            "flotilla-nesting", "flotilla-provider-aws", "flotilla-provider-gcp", "flotilla-provider-local", "flotilla-provider-static"]
OLDER = "0.0.9"
CONFIG = """\
# Mine.
[[runners]]
  name = "packed"
  url = "http://127.0.0.1:1"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "instance"
  [runners.autoscaler]
    plugin = "aws"
    max_instances = 1
    [runners.autoscaler.plugin_config]
      name = "my-linux-asg"
      region = "eu-west-1"
"""
# Another package of that name, with the same program.
GITLAB_RUNNER = """
mkdir -p /other/DEBIAN /other/usr/bin
printf 'Package: gitlab-runner\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >/other/DEBIAN/control
touch /other/usr/bin/gitlab-runner
dpkg-deb --build /other /other.deb
dpkg -i /other.deb
rm -r /other /other.deb
"""
PIPELINE = "greet:\n  script: ['echo \"greetings of $(cat greeting)\"']\n"


def pack(out, *arguments, **environment):
    done = subprocess.run([ROOT / "scripts" / "package", *arguments, out], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym", **environment})
    assert done.returncode == 0, done.stdout[-4000:]
    return {path.name.split("_")[0]: path for path in out.glob("*.deb")}


@pytest.fixture(scope="module")
def release(build) -> Path:
    """A build for /usr: the one that scripts/test has made before, else the one under test."""
    folder = Path(os.environ.get("FLOTILLA_RELEASE") or build)
    options = json.loads((folder / "meson-info" / "intro-buildoptions.json").read_text())
    if next(option["value"] for option in options if option["name"] == "prefix") != "/usr":
        pytest.skip(f"{folder} is not for /usr; `meson configure {folder} --prefix=/usr` and ninja make it so")
    return folder


@pytest.fixture(scope="module")
def packages(release, tmp_path_factory):
    return pack(tmp_path_factory.mktemp("packages"), "--prebuilt", release, DPKG_DEB_COMPRESSOR_TYPE="none")


@pytest.fixture(scope="module")
def root(packages, tmp_path_factory):
    """With all packages installed, and what sdk/template/README.md says that a provider's author needs."""
    made = DebianRoot(tmp_path_factory.mktemp("debian"), "bookworm",
                      ["gcc", "git", "libc6-dev", "libjson-c-dev", "make", "openssh-server", "pkg-config"],
                      list(packages.values()))
    yield made
    shutil.rmtree(made.path)


def older(package, folder):
    """The same package as if it were of an earlier version."""
    tree = folder / package.stem
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    version = re.search(r"^Version: (.*)$", control.read_text(), re.M).group(1)
    control.write_text(control.read_text().replace(f"Version: {version}\n", f"Version: {OLDER}\n")
                       .replace(f"= {version})", f"= {OLDER})"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, folder / package.name], check=True,
                   stdout=subprocess.DEVNULL)


def test_each_part_is_a_package(packages):
    assert sorted(packages) == PACKAGES


def test_a_restart_is_all_that_an_upgrade_does_to_a_manager(packages, tmp_path):
    """deb-systemd-invoke does nothing where systemd is not the init, as in the root of these tests."""
    subprocess.run(["dpkg-deb", "--control", packages["flotilla"], tmp_path], check=True)
    assert "deb-systemd-invoke $_dh_action 'flotilla.service'" in (tmp_path / "postinst").read_text()
    assert "_dh_action=restart" in (tmp_path / "postinst").read_text()
    before = (tmp_path / "prerm").read_text().split("deb-systemd-invoke stop")[0]
    assert '"$1" = remove' in before.splitlines()[-2]


def test_a_fresh_machine_has_what_flotilla_needs(root):
    assert re.fullmatch(r"flotilla \d+\.\d+\.\d+\n", root.run("flotilla", "--version"))
    listed = root.run("flotilla", "plugin", "list")
    for plugin in ("fleeting-plugin-aws", "fleeting-plugin-googlecompute", "fleeting-plugin-static", "local", "nesting"):
        assert re.search(rf"\b{plugin}\b", listed), listed
    root.run("flotilla-helper", "--version")
    root.run("flotilla-nesting", "version")
    assert root.sh("stat -c '%U %a' /etc/flotilla; ls -A /etc/flotilla") == "flotilla 700\n"
    assert root.sh("getent passwd flotilla").split(":")[5:] == ["/var/lib/flotilla", "/bin/sh\n"]  # of the package for local instances


def test_each_package_has_its_pages_of_the_manual(root):
    listed = root.sh("dpkg -L flotilla | grep -o '[^/]*\\.[15]\\.gz'").split()
    assert {"flotilla.1.gz", "flotilla-run.1.gz", "flotilla-migrate.1.gz", "flotilla.toml.5.gz"} <= set(listed)
    assert root.sh("dpkg -L flotilla-helper flotilla-nesting | grep -o '[^/]*\\.1\\.gz'").split() == [
        "flotilla-helper.1.gz", "flotilla-nesting.1.gz"]


def test_scripts_find_the_name_of_gitlab_runner(root):
    assert root.run("gitlab-runner", "--version").splitlines()[0].split()[0] == "Version:"
    assert root.sh("readlink -f /usr/share/man/man1/gitlab-runner.1.gz") == "/usr/share/man/man1/flotilla.1.gz\n"


def test_what_is_said_names_files_that_are_there(root):
    """The plugins' sentences name pages by the place that they were built for."""
    named = set(re.findall(rb"/usr/share/doc/flotilla/[a-z-]+\.[a-z]+",
                           b"".join(path.read_bytes() for path in root.path.glob("usr/lib/*/flotilla/plugins/*.so"))))
    assert {b"/usr/share/doc/flotilla/aws-policy.json", b"/usr/share/doc/flotilla/gcp-role.yaml"} <= named
    assert [name for name in named if not (root.path / name.decode()[1:]).exists()] == []


def test_a_pipeline_runs_on_local_instances(root):
    project = root.path / "project"
    project.mkdir()
    (project / ".gitlab-ci.yml").write_text(PIPELINE)
    (project / "greeting").write_text("a fresh Debian\n")
    root.sh("cd /project && git init -q -b main && git add . && git -c user.name=x -c user.email=x@localhost "
            "commit -qm x && chown -R flotilla /project && usermod --shell /usr/sbin/nologin flotilla")
    run = {"user": "flotilla", "HOME": "/project"}
    assert "usermod --shell /bin/sh flotilla" in root.sh("cd && ! flotilla exec", **run)
    root.run("/var/lib/dpkg/info/flotilla-provider-local.postinst", "configure")
    assert "greetings of a fresh Debian" in root.sh("cd && flotilla exec", **run)
    shutil.rmtree(project)


def test_a_provider_is_built_from_the_package_alone(root):
    """sdk/template/README.md, word for word but for the place."""
    told = root.sh("cp -r /usr/share/flotilla/template /my-cloud && cd /my-cloud && chmod 600 config.toml && "
                   "make && make check && make try && make install && flotilla plugin info example")
    assert " 0 failed, " in told and "runner 'example' works\n" in told
    [installed] = root.path.glob("usr/lib/*/flotilla/plugins/example.so")
    installed.unlink()  # no package's: no purge would take it away


def manager_config(port):
    return CONFIG.replace('plugin = "aws"', 'plugin = "local"').replace('region = "eu-west-1"', "max_size = 1").replace(
        "# Mine.\n", f'listen_address = "127.0.0.1:{port}"\n')


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


SERVED = """
"$@" >/tmp/manager.log 2>&1 &
until exec 3<>/dev/tcp/127.0.0.1/$PORT; do kill -0 $! || { cat /tmp/manager.log; exit 1; }; sleep 0.1; done 2>/dev/null
printf 'GET /health/live HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3
cat <&3
kill -QUIT $!
wait $!
rm /tmp/manager.log
"""


def container_file():
    """Its instructions, as (word, rest)."""
    text = (ROOT / "packaging" / "container" / "Containerfile").read_text().replace("\\\n", "")
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_file_makes_a_manager_that_serves(root):
    """Each of its lines in this root, which is of the same Debian; there is no program here that would build an image."""
    instructions = container_file()
    assert [word for word, _ in instructions] == ["FROM", "ARG", "RUN", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL",
                                                  "ENTRYPOINT", "CMD"]
    said = dict(instructions)
    assert said["FROM"].endswith("debian:12-slim") and said["STOPSIGNAL"] == "SIGQUIT"
    name, _, value = said["ARG"].partition("=")
    for word, rest in instructions:
        if word == "RUN":
            root.sh(re.sub(r"--mount=type=bind,source=build/packages,target=/packages ", "", rest), **{name: value.strip('"')})
    port = free_port()
    config = root.path / "etc" / "flotilla" / "config.toml"
    config.write_text(manager_config(port))
    root.sh("chown flotilla: /etc/flotilla/config.toml; chmod 600 /etc/flotilla/config.toml")
    command = json.loads(said["ENTRYPOINT"]) + json.loads(said["CMD"])
    answer = root.run("bash", "-c", SERVED, "bash", *command, user=said["USER"], PORT=str(port), HOME="/var/lib/flotilla")
    assert "HTTP/1.1 200" in answer, answer
    assert root.sh("stat -c %U /var/lib/flotilla/ledger.db") == "flotilla\n"
    root.sh("rm -r /var/lib/flotilla /etc/flotilla/config.toml")


def test_an_upgrade_keeps_what_people_have_made(root, packages, tmp_path):
    for package in packages.values():
        older(package, tmp_path)
    (root.path / "packages" / "older").mkdir()
    for package in tmp_path.glob("*.deb"):
        shutil.copy(package, root.path / "packages" / "older")
    root.sh("dpkg --purge $(dpkg-query -f '${Package}\\n' -W 'flotilla*')")
    root.sh(GITLAB_RUNNER)
    root.sh("dpkg -i /packages/older/*.deb")
    assert root.sh("dpkg -S /usr/bin/gitlab-runner") == "flotilla-gitlab-runner: /usr/bin/gitlab-runner\n"
    assert OLDER in root.sh("dpkg-query -f '${Version}' -W flotilla")
    config = root.path / "etc" / "flotilla" / "config.toml"
    config.write_text(CONFIG)
    root.sh("chown flotilla:flotilla /etc/flotilla/config.toml; chmod 600 /etc/flotilla/config.toml; "
            "install -d -o flotilla -m 700 /var/lib/flotilla; touch /var/lib/flotilla/ledger.db; "
            "dpkg-statoverride --update --add root root 0711 /etc/flotilla")
    root.sh("dpkg -i /packages/*.deb")
    assert OLDER not in root.sh("dpkg-query -f '${Version}\\n' -W 'flotilla*'")
    assert config.read_text() == CONFIG
    assert root.sh("stat -c '%U %a' /etc/flotilla/config.toml /etc/flotilla") == "flotilla 600\nroot 711\n"
    root.sh("dpkg-statoverride --remove /etc/flotilla; chown flotilla: /etc/flotilla; chmod 700 /etc/flotilla")
    told = root.run("flotilla", "config", "check", "/etc/flotilla/config.toml", user="flotilla")
    assert "config.toml: 0 errors" in told


def test_a_purge_leaves_the_account_and_says_what_the_cloud_has(root):
    root.sh("install -d /etc/flotilla /var/lib/flotilla; [ -e /etc/flotilla/config.toml ] || "
            "echo 'name = \"my-linux-asg\"' >/etc/flotilla/config.toml; touch /var/lib/flotilla/ledger.db")
    root.sh("dpkg --remove $(dpkg-query -f '${Package}\\n' -W 'flotilla*')")
    assert (root.path / "etc" / "flotilla" / "config.toml").exists()
    told = root.sh("dpkg --purge $(dpkg-query -f '${Package}\\n' -W 'flotilla*')")
    assert "Instances that still exist in a cloud are not" in told and 'name = "my-linux-asg"' in told
    assert "glrt-" not in told
    assert root.named("flotilla") == []
    assert root.run("find", "/", "-xdev", "-user", "flotilla") == ""


@pytest.mark.skipif(not os.environ.get("FLOTILLA_TEST_FULL"), reason="two whole builds: scripts/test --full")
def test_the_same_files_give_the_same_bytes(tmp_path):
    first, second = pack(tmp_path / "first"), pack(tmp_path / "second")
    assert sorted(first) == PACKAGES
    assert {name: path.read_bytes() for name, path in first.items()} == \
        {name: path.read_bytes() for name, path in second.items()}
