"""docs/flotilla.1 and what the commands say of themselves."""

import re
import subprocess
from pathlib import Path

OPTIONS_OF_STATUS = ["explain", "fleet", "logs", "ssh", "drain", "undrain", "remove", "hold", "release", "audit"]
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "flotilla.1"


def ask(binary, *arguments):
    return subprocess.run([binary, *arguments], capture_output=True, text=True, check=True).stdout


def commands(binary):
    return re.findall(r"^  ([\w-]+)  ", ask(binary, "--help"), re.M)


def test_the_synopsis_has_each_command_with_its_options(binary):
    synopsis = PAGE.read_text().split(".Sh SYNOPSIS\n")[1].split(".Sh ")[0]
    told = {}
    for call in synopsis.split(".Nm flotilla\n")[1:]:
        command = re.match(r"\.Cm ([\w-]+)", call).group(1)
        told.setdefault(command, set()).update("--" + name for name in re.findall(r"Fl -([a-z-]+)", call))
    assert told == {command: set(re.findall(r"--[a-z-]+", ask(binary, command, "--help"))) for command in
                    commands(binary)}


def test_each_command_has_a_page_of_its_own(binary, build):
    """docs/split-manual makes them."""
    pages = {path.stem.partition("-")[2]: path for path in (build / "docs").glob("flotilla-*.1")}
    assert sorted(pages) == sorted(commands(binary))
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages.values()], capture_output=True, text=True)
    assert lint.stdout == ""
    for command, page in pages.items():
        text = re.sub(r".\x08", "", ask("mandoc", "-T", "ascii", page))
        assert re.search(rf"^NAME\n +flotilla-{command} - \w", text, re.M), text
        assert len(re.search(r"^DESCRIPTION\n(.*?)^SEE ALSO", text, re.M | re.S).group(1)) > 50, text
        assert set(re.findall(r"--[a-z-]+", ask(binary, command, "--help"))) <= set(re.findall(r"--[a-z-]+", text)), command


def test_each_variable_that_is_a_setting_of_jobs_is_described():
    sources = "".join(path.read_text() for path in (ROOT / "core" / "job").glob("*.c"))
    calls = r'(?:variables_get|variables_flag|setting_bool|attempts_of|limit_of)\([^;"]*"([A-Z_]+)"'
    pages = "".join((ROOT / "docs" / name).read_text() for name in ("jobs.md", "git.md", "artifacts.md"))
    # What GitLab tells of itself is no setting.
    named = {name for name in re.findall(calls, sources) if not name.startswith("CI_") or name.startswith("CI_DEBUG_")}
    assert {"RUNNER_SCRIPT_TIMEOUT", "GIT_STRATEGY", "CACHE_FALLBACK_KEY"} <= named
    assert [name for name in sorted(named) if f"`{name}" not in pages] == []


def test_each_command_and_each_option_is_described(binary):
    page = PAGE.read_text().split(".Sh DESCRIPTION\n")[1]
    for command in commands(binary):
        part = re.search(rf"^\.Ss {command}(?= |$).*?(?=^\.S[sh] )", page, re.M | re.S)
        assert part, command
        for option in re.findall(r"--([a-z-]+)", ask(binary, command, "--help")):
            described = part.group(0) + (page if command in OPTIONS_OF_STATUS else "")
            assert f"Fl -{option}" in described or option == "plugin-dir", (command, option)
