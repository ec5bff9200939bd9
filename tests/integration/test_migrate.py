"""`flotilla migrate`: files of GitLab Runner become ones that `flotilla config check` takes, and every difference is told."""

import re
import subprocess

import pytest

from conftest import ROOT

EXAMPLES = sorted((ROOT / "tests" / "data").glob("*-*.toml"))
ENTRY = """
# The main one.
[[runners]]
  name = "main" # a name
  url = "https://gitlab.example.com"
  token = "glrt-t1_k9XyZ012345abcdefgh"
  executor = "{executor}" # of old
  limit = 12
"""
DOCKER = """
  [runners.docker]
    image = "alpine" # default
    volumes = ["/cache",
               "/builds"]
"""
MACHINE = """
  # Machines.
  [runners.machine]
    IdleCount = 5
    IdleTime = 600
    MaxBuilds = 100
    MaxGrowthRate = 4
    MachineDriver = "amazonec2"
    MachineOptions = [
      "amazonec2-region=eu-west-1",
      "amazonec2-instance-type=m5.large", # big
      "amazonec2-secret-key=verysecret",
      "amazonec2-ssh-user=admin",
      "amazonec2-use-private-address=true",
    ]
    [[runners.machine.autoscaling]]
      Periods = ["* * 9-17 * * mon-fri *", "0 30 8 * * sat *"]
      Timezone = "Europe/Berlin"
      IdleCount = 20
      IdleScaleFactor = 0.5
      IdleCountMin = 3
      IdleTime = 1800
"""
AUTOSCALER = """
  [runners.autoscaler]
    plugin = "{plugin}"
    max_instances = 3
    [runners.autoscaler.plugin_config]
      name = "group"
      region = "eu-west-1"
"""


@pytest.fixture
def migrated(folder, binary, build):
    """(the new text, what was told), of a text that the check has nothing against afterwards."""
    def run(text, status=0):
        (folder / "old.toml").write_text(text)
        done = subprocess.run([binary, "migrate", folder / "old.toml"], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        if status == 0:
            new = folder / "new.toml"
            new.write_text(done.stdout)
            new.chmod(0o600)
            check = subprocess.run([binary, "config", "check", new, "--plugin-dir",
                                    f"{build}/plugins/aws:{build}/plugins/gcp"], capture_output=True, text=True)
            assert ": 0 errors, 0 warnings" in check.stdout or "there is no [[runners]]" in check.stdout, check.stdout
        return done.stdout, done.stderr.replace(f"{folder}/", "")
    return run


def settings(text):
    """The lines that are no comment, without their blanks."""
    return [re.sub(r"\s+", " ", line).strip() for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_seed_examples_pass_unchanged(binary, example):
    done = subprocess.run([binary, "migrate", example], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (example.read_bytes(), b"")
    assert len(EXAMPLES) == 5


def test_docker_machine_on_aws_becomes_an_autoscaler(migrated):
    text, told = migrated("concurrent = 20 # all\n" + ENTRY.format(executor="docker+machine") + DOCKER + MACHINE)
    assert settings(text) == [
        "concurrent = 20 # all", "[[runners]]", 'name = "main" # a name', 'url = "https://gitlab.example.com"',
        'token = "glrt-t1_k9XyZ012345abcdefgh"', 'executor = "instance" # of old', "limit = 12",
        "[runners.autoscaler]", 'plugin = "aws"', "capacity_per_instance = 1", "max_use_count = 100", "max_instances = 12",
        "[runners.autoscaler.plugin_config]", 'name = "CHANGE-ME"', 'region = "eu-west-1"',
        "[runners.autoscaler.connector_config]", 'username = "admin"', "use_external_addr = false",
        "[runners.autoscaler.scale_throttle]", "limit = 1", "burst = 4",
        "[[runners.autoscaler.policy]]", "idle_count = 5", 'idle_time = "10m0s"',
        "[[runners.autoscaler.policy]]", 'periods = ["* 9-17 * * mon-fri", "30 8 * * sat"]', 'timezone = "Europe/Berlin"',
        "idle_count = 3", "scale_factor = 0.5", "scale_factor_limit = 20", 'idle_time = "30m0s"']
    for kept in ("# The main one.", "  # Machines.", '  # [runners.docker]\n    # image = "alpine" # default\n',
                 '               # "/builds"]\n', '      # "amazonec2-instance-type=m5.large", # big\n'):
        assert kept in text
    assert 'old.toml:8: was executor = "docker+machine"\n' in told
    assert "old.toml:11: jobs run on the instance itself and not in a container" in told
    assert "belong into its launch template: instance-type=m5.large\n" in told
    assert "keys of the cloud do not stand here" in told and "verysecret" not in told
    for line in told.splitlines():
        sentence = line.split(": ", 1)[1]
        assert sentence in re.sub(r"\s*\n\s*#  ", "", text), sentence


def test_docker_machine_on_google_becomes_an_autoscaler(migrated):
    machine = """
  [runners.machine]
    IdleCount = 0
    MachineDriver = "google"
    MachineOptions = ["google-project=my-project", "google-zone=europe-west1-c", "google-machine-type=n1", "engine-label=x"]
    OffPeakPeriods = ["* * 0-7 * * * *"]
    OffPeakTimezone = "UTC"
    OffPeakIdleCount = 1
    OffPeakIdleTime = 60
"""
    text, told = migrated(ENTRY.format(executor="docker+machine").replace("  limit = 12\n", "") + machine)
    new = settings(text)
    assert new[new.index("[runners.autoscaler]"):] == [
        "[runners.autoscaler]", 'plugin = "googlecompute"', "capacity_per_instance = 1", "max_use_count = 0",
        "max_instances = 0", "[runners.autoscaler.plugin_config]", 'name = "CHANGE-ME"', 'project = "my-project"',
        'zone = "europe-west1-c"', "[runners.autoscaler.connector_config]", 'username = "docker-user"',
        "use_external_addr = true", "[[runners.autoscaler.policy]]", "idle_count = 0", 'idle_time = "0s"',
        "[[runners.autoscaler.policy]]", 'periods = ["* 0-7 * * *"]', 'timezone = "UTC"', "idle_count = 1",
        'idle_time = "1m0s"']
    assert "its instance template: machine-type=n1, engine-label=x\n" in told
    assert "no limit was set" in told


MONITORING = """
  [[runners.monitoring.job_queuing_durations]]
    periods = ["* * 9-17 * * mon-fri *"]
    threshold = "1m"
    jobs_running_for_project = '^0$'
"""
PERIODS = [
    ("a year", "* * * * * * 2030", "it tells a year"),
    ("seconds", "10 * * * * * *", "it tells seconds"),
    ("four fields", "* * * *", "it has neither five fields nor six"),
    ("a last day", "* * * L * * *", 'day of the month "L" is not in 1-31'),
]


@pytest.mark.parametrize("period,why", [row[1:] for row in PERIODS], ids=[row[0] for row in PERIODS])
def test_a_period_that_cannot_be_said_is_told(migrated, period, why):
    machine = MACHINE.replace('"* * 9-17 * * mon-fri *"', f'"{period}"')
    text, told = migrated(ENTRY.format(executor="docker+machine") + machine)
    assert f'period "{period}" is left out with its policy: {why}' in told
    assert settings(text).count("[[runners.autoscaler.policy]]") == 1


def test_docker_autoscaler_keeps_its_autoscaler(migrated):
    kept = MONITORING + AUTOSCALER.format(plugin="reg.example/fleeting/aws:latest")
    text, told = migrated(ENTRY.format(executor="docker-autoscaler") + DOCKER + kept)
    assert text.endswith(kept) and "job_queuing_durations" not in told
    assert 'executor = "instance" # of old' in settings(text) and "[runners.docker]" not in settings(text)
    assert 'of plugin "reg.example/fleeting/aws:latest" only the name counts' in told


def test_what_was_not_there_is_left_to_the_check(binary, folder):
    (folder / "bare.toml").write_text(ENTRY.format(executor="docker-autoscaler"))
    done = subprocess.run([binary, "migrate", folder / "bare.toml"], capture_output=True, text=True)
    assert done.returncode == 0 and 'executor = "instance" # of old' in settings(done.stdout)


def test_a_plugin_of_another_cloud_is_told(migrated):
    text, told = migrated(ENTRY.format(executor="instance") + AUTOSCALER.format(plugin="fleeting-plugin-azure"))
    assert 'flotilla brings no plugin "azure"' in told
    assert settings(text) == settings(ENTRY.format(executor="instance") + AUTOSCALER.format(plugin="fleeting-plugin-azure"))


@pytest.mark.parametrize("executor", ["shell", "ssh", "docker", "kubernetes", "custom", "docker+machine", r"a\nb = 1\n"])
def test_what_cannot_come_is_a_comment_that_says_why(migrated, executor):
    text, told = migrated("concurrent = 1\n" + ENTRY.format(executor=executor) + DOCKER)
    assert settings(text) == ["concurrent = 1"]
    assert told.startswith("old.toml:4: this entry is left out: executor") and told.count("\n") == 1
    assert '  # name = "main" # a name\n' in text


WRONG = [
    ("no TOML", "concurrent = [\n", "old.toml:1:16: "),
    ("runners in one line", 'runners = [{executor = "docker-autoscaler"}]\n', "old.toml: is written in a way that"),
    ("machines in one line", ENTRY.format(executor="docker+machine") + '  machine = {MachineDriver = "google"}\n',
     "old.toml: is written in a way that"),
]


@pytest.mark.parametrize("text,problem", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_cannot_be_read_or_changed_is_refused(migrated, text, problem):
    new, told = migrated(text, status=1)
    assert new == "" and f"flotilla: {problem}" in told


def test_the_command_line(binary, folder):
    def ask(*words):
        done = subprocess.run([binary, "migrate", *words], capture_output=True, text=True, cwd=folder)
        return done.returncode, done.stdout, done.stderr
    assert ask() == (2, "", "flotilla migrate: the name of a file is missing; see `flotilla migrate --help`\n")
    assert ask("a", "b") == (2, "", "flotilla migrate: there is no argument 'b'; see `flotilla migrate --help`\n")
    assert ask("nowhere") == (1, "", "flotilla: nowhere: No such file or directory\n")
