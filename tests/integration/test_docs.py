"""The documentation says what is so: its links lead somewhere, its commands run, its settings are taken, and its messages
are those of the sources.

What cannot be run here is named: commands of a cloud's own tools (those of AWS are held against the service's own
description, gcloud's only counted), what installs packages or services (test_packages.py does), and what other machines
run (Macs, hosts of VMs)."""

import gzip
import json
import os
import re
import shutil
import subprocess

import pytest

from checker.coordinator import Coordinator
from checker.jobs import make_job
from checker.run import PATIENCE, wait_for
from conftest import ROOT
from pages import PAGES, anchors, blocks, commands_in, lines_of, links, name_of, spans, words

BLOCKS = [block for page in PAGES for block in blocks(page)]


# Links

def broken(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        if re.match(r"https?://", link):
            if not re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w./%~+@-]*)?(#[\w-]+)?", link):
                yield link
            continue
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            yield link


def test_each_link_leads_somewhere():
    assert {name_of(page): found for page in PAGES if (found := list(broken(page)))} == {}


def test_each_page_is_found_from_the_first_one_in_both_languages():
    here = [ROOT / "docs" / "index.md"]
    for page in here:
        here += [there for link in links(page) if (there := (page.parent / link.partition("#")[0]).resolve()) in PAGES
                 and there not in here]
    assert [name_of(page) for page in PAGES if page not in here and name_of(page).startswith("docs/")] == []
    first, japanese = (set(links(ROOT / "docs" / name)) for name in ("index.md", "index.ja.md"))
    assert first - {"index.ja.md"} <= japanese


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    out = tmp_path_factory.mktemp("docs")
    subprocess.run([ROOT / "scripts" / "docs", out], check=True, capture_output=True, text=True)
    return out


def test_the_html_is_whole_and_loads_nothing_from_elsewhere(html):
    made = list(html.rglob("*.html"))
    assert len(made) >= len(PAGES) + 4
    ids = {page: set(re.findall(r'id="([^"]*)"', page.read_text())) for page in made}
    wrong = []
    for page in made:
        text = page.read_text()
        assert not re.search(r"<script|<img|@import", text) and text.count("<link") == 1, page
        for link in re.findall(r'href="([^"]*)"', text):
            path, _, anchor = link.partition("#")
            there = (page.parent / path).resolve() if path else page
            if not re.match(r"(https?|mailto):", link) and (
                    not there.exists() or (anchor and there in ids and anchor not in ids[there])):
                wrong.append((str(page.relative_to(html)), link))
    assert wrong == []
    assert "<table>" in (html / "docs" / "failures.html").read_text()


# Messages

LITERAL = r'"((?:\\.|[^"\\\n])*)"'


def readable(source):
    """A string of a source, neighbours as one, as the compiler takes them, with `…` for what is inserted."""
    text = "".join(re.findall(LITERAL, re.sub(r'"\s*PRI\w+\s*"', "d", source))).replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\")
    return re.sub(r"%[-+0-9.*]*(?:(?:ll?|z|j|h)?[diouxXcsfgmp]|(?= |$|[^\w%]))", "…", text)


def literals(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
    pieces = re.finditer(rf'{LITERAL}(?:\s*(?:PRI\w+\s*)?{LITERAL})*', text)
    return [readable(piece[0]) for piece in pieces]


def is_within(message, text):
    """Whether the text has all that is sure of the message, in order."""
    at = 0
    for piece in message.split("…"):
        at = text.find(piece.strip(), at)
        if at < 0:
            return False
        at += len(piece.strip())
    return True


def catalogue():
    """What the first column of the tables has between backticks."""
    cells = re.findall(r"^\| (`.*?`) \| ", (ROOT / "docs" / "failures.md").read_text(), re.M)
    return [text for cell in cells for _, text in re.findall(r"(`+)(.+?)\1(?=,|$)", cell)]


def test_each_message_of_the_catalogue_is_in_the_sources():
    said = {text for path in (ROOT / "core").rglob("*.c") for text in literals(path)}
    assert [text for text in catalogue() if not any(is_within(text, one) for one in said)] == []


# Calls that make a sentence of a failure, and which of their words it is.
FAILURES = {"error_set": 2, "error_wrap": 2, "error_errno": 2, "end_make": 1, "end_name_limit": 1, "job_fail_system": 1}


def arguments(text, at):
    depth, found, quoted, begin = 1, [], False, at
    while depth:
        char = text[at]
        if quoted:
            at += char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "([{":
            depth += 1
        elif char in ")]}" or (char == "," and depth == 1):
            depth -= char != ","
            if depth <= 1 and (char == "," or depth == 0):
                found.append(text[begin:at].strip())
                begin = at + 1
        at += 1
    return found


def failures_of(path):
    text = path.read_text()
    for call in re.finditer(rf"\b({'|'.join(FAILURES)})\(", text):
        given = arguments(text, call.end())
        sentence = given[FAILURES[call[1]]] if len(given) > FAILURES[call[1]] else ""
        if sentence.startswith('"'):
            yield readable(sentence)


def test_each_failure_of_a_job_is_in_the_catalogue():
    told, missing = catalogue(), []
    sources = [*(ROOT / "core" / "job").glob("*.c"), *(ROOT / "core" / "job" / "connect").glob("*.c"),
               *(ROOT / "core" / "supervisor").glob("job*.c"), *(ROOT / "core" / "supervisor").glob("worker_*.c")]
    sentences = {text for path in sources for text in failures_of(path)}
    assert len(sentences) > 100
    for text in sentences:
        # Memory that is short says so; what only joins others says nothing.
        if "memory" in text or not re.search(r"[a-z]{3}", text) or text.startswith(("worker: socketpair", "vm: ")):
            continue
        if not any(is_within(text, one) for one in told):
            missing.append(text)
    assert missing == [], "\n".join(sorted(missing))


# Said to whoever called a command, and meant to be enough there.
OF_COMMANDS = ("core/cli", "core/exec", "core/simulate")
# What only passes on words that others made, or is GitLab Runner's own line of what is going on.
NO_FAILURE = ("job …: …, ignoring", "…, ignoring", "job …: … (process …)")


def test_each_warning_of_the_manager_is_in_the_catalogue():
    told, missing, count = catalogue(), [], 0
    for path in sorted((ROOT / "core").rglob("*.c")):
        if str(path.relative_to(ROOT)).startswith(OF_COMMANDS):
            continue
        text = path.read_text()
        for call in re.finditer(r"\b(?:log_error|log_warning)\(", text):
            said = arguments(text, call.end())[0]
            sentence = readable(said) if said.startswith('"') else ""
            if not re.search("[a-z]{4}", sentence) or "memory" in sentence or sentence in NO_FAILURE:
                continue
            count += 1
            if not any(is_within(sentence, one) for one in told):
                missing.append(sentence)
    assert missing == [], "\n".join(sorted(missing))
    assert count > 70


# What pages about clouds and machines quote that others say: a cloud, a shell, a program that is called.
OF_OTHERS = ("git: not found", "Rate exceeded", "HostLimitExceeded", "QUOTA_EXCEEDED", "RESOURCE_NOT_FOUND",
             "Cannot invoke method. Method invocation is supported only on core types in this language mode",
             "… run ID --no-graphics --net-softnet", "… ip ID --wait 300", "… clone …")


def quoted():
    """Between backticks in the first column of each "What may go wrong", and on which page."""
    for page in PAGES:
        section = page.read_text().partition("\n## What may go wrong\n")[2].partition("\n## ")[0]
        for cell in re.findall(r"^\| (.*?) \| ", section, re.M):
            yield from ((name_of(page), text) for _, text in re.findall(r"(`+)(.+?)\1", cell))


def is_said(message, said):
    """As one sentence, or by several that were joined by colons on their way."""
    if message in OF_OTHERS or any(is_within(message, one) for one in said):
        return True
    return any(is_said(message[:at.start()], said) and is_said(message[at.end():], said) for at in re.finditer(": ", message))


def test_what_may_go_wrong_is_in_the_sources():
    said = {text for folder in ("core", "plugins", "sdk", "nestingd", "helper") for path in (ROOT / folder).rglob("*.c")
            for text in literals(path)}
    said |= {text for path in (ROOT / "core").rglob("*.ps1") for text in re.findall("'([^']*)'", path.read_text())}
    messages = list(quoted())
    assert [(page, text) for page, text in messages if not is_said(text, said)] == []
    assert len(messages) > 60 and {page for page, _ in messages} >= {"docs/aws.md", "docs/gcp.md", "docs/mac.md"}
    assert [text for text in OF_OTHERS if not any(text in message for _, message in messages)] == []


# Commands

@pytest.fixture(scope="module")
def help_of(build):
    known = {}

    def ask(command):
        if command not in known:
            known[command] = subprocess.run([build / "core" / "flotilla", *command.split(), "--help"], capture_output=True,
                                            text=True).stdout
        return known[command]
    return ask


def called():
    """Each call of flotilla that a page for users shows, in a block or between backticks."""
    for page in (page for page in PAGES if "design" not in page.parts):
        texts = [block.text for block in blocks(page) if block.language in ("sh", "")] + spans(page)
        for text in texts:
            for call in commands_in(text, "flotilla"):
                yield name_of(page), call


def test_each_command_and_option_exists(help_of):
    commands = set(re.findall(r"^  ([\w-]+)  ", help_of(""), re.M))
    wrong, seen = [], set()
    for page, call in called():
        if len(call) < 2 or not re.fullmatch(r"[a-z-]+", call[1]) or call[1].startswith("--"):
            continue
        seen.add(call[1])
        options = {word.partition("=")[0] for word in call[2:] if re.match(r"--[a-z]", word)}
        if call[1] not in commands or not options <= set(re.findall(r"--[a-z-]+", help_of(call[1]))):
            wrong.append((page, " ".join(call)))
    assert wrong == []
    assert {"run", "exec", "explain", "doctor", "simulate", "plugin"} <= seen


def source_of(script):
    """Of a program of bench/ that is built the source."""
    return next((path for path in (ROOT / script, ROOT / f"{script}.c") if path.is_file()), None)


def test_each_script_exists_and_knows_its_options():
    calls = [call for block in BLOCKS if block.language == "sh"
             for call in re.findall(r"(?<![\w/])(?:build/)?((?:scripts|bench)/[\w.-]+)((?: [\w./-]+)*)", "\n".join(lines_of(block.text)))]
    assert {"scripts/package", "scripts/build-guest", "bench/jobs.py"} <= {script for script, _ in calls}
    wrong = [(script, words) for script, words in calls
             if not source_of(script) or any(option not in source_of(script).read_text()
                                             for option in re.findall(r"--[a-z-]+", words))]
    assert wrong == []


def test_each_block_for_a_shell_is_one():
    """zsh on a Mac reads them as bash does."""
    wrong = []
    for block in BLOCKS:
        if block.language == "sh":
            checked = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
            if checked.returncode:
                wrong.append((block.page, block.line, checked.stderr))
    assert wrong == []


# AWS

def botocore_model(service):
    import botocore
    folder = os.path.join(os.path.dirname(botocore.__file__), "data", service)
    with gzip.open(os.path.join(folder, sorted(name for name in os.listdir(folder) if name[0] == "2")[-1], "service-2.json.gz")) as file:
        return json.load(file)


def dashed(name):
    """As the AWS CLI writes a member or an operation: VPCZoneIdentifier is vpc-zone-identifier."""
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", name).lower()


ALL_COMMANDS = {"--query", "--output", "--region", "--profile", "--filters"}
OF_THE_CLI_ITSELF = {"sso", "configure"}  # no service's operations


def test_aws_knows_each_command_and_option():
    """Held against the description of the services that the AWS CLI itself is made of."""
    models, wrong, count = {}, [], 0
    for page in PAGES:
        texts = [block.text for block in blocks(page) if block.language == "sh"] + spans(page)
        for call in (call for text in texts for call in commands_in(text, "aws")):
            if len(call) < 3 or call[1] in OF_THE_CLI_ITSELF or not re.fullmatch("[a-z-]+", call[2]):
                continue
            service, operation = call[1], call[2]
            model = models.setdefault(service, botocore_model(service))
            found = next((one for name, one in model["operations"].items() if dashed(name) == operation), None)
            count += 1
            if not found:
                wrong.append((name_of(page), service, operation))
                continue
            members = model["shapes"][found["input"]["shape"]]["members"]
            known = {f"--{dashed(name)}" for name in members} | {f"--no-{dashed(name)}" for name in members} | ALL_COMMANDS
            given = {word.partition("=")[0] for word in call[3:] if re.match("--[a-z]", word)}
            wrong += [(name_of(page), operation, option) for option in sorted(given - known)]
    assert wrong == []
    assert count >= 8
    print(f"{count} commands of AWS")


# Settings

FIRST = '[[runners]]\n  name = "n"\n  url = "https://gitlab.example"\n  token = "glrt-t1_abcdefgh"\n  executor = "instance"\n'
PLUGIN = '  [runners.autoscaler]\n    plugin = "none"\n'


def completed(text):
    """A fragment becomes a file that a manager could read."""
    if not re.search(r"^\s*\[\[runners\]\]", text, re.M):
        lines = text.split("\n")
        nested = next((i for i, line in enumerate(lines) if re.match(r"\s*\[runners\.", line)), None)
        if nested is None:
            text = text + FIRST + PLUGIN
        else:
            text = "\n".join(lines[:nested]) + "\n" + FIRST + ("" if "[runners.autoscaler]" in text else PLUGIN) + "\n".join(lines[nested:])
    for key, value in (("url", "https://gitlab.example"), ("token", "glrt-t1_abcdefgh"), ("executor", "instance")):
        if not re.search(rf"^\s*{key}(_file)?\s*=", text, re.M):
            text = text.replace("[[runners]]\n", f'[[runners]]\n  {key} = "{value}"\n', 1)
    if "[runners.autoscaler]" not in text:
        text = re.sub(r"^\s*\[\[?runners\.autoscaler\.", lambda part: PLUGIN + part[0], text, count=1, flags=re.M)
    if not re.search(r"^\s*plugin\s*=", text, re.M):
        text = text.replace("[runners.autoscaler]\n", '[runners.autoscaler]\n    plugin = "none"\n', 1)
    return text


# Settings of the daemon of VMs, which reads a file of its own.
OF_THE_DAEMON = "# /etc/flotilla-nesting.toml"


def test_each_piece_of_configuration_is_taken(build, folder):
    wrong, count = [], 0
    plugins = ":".join(str(path) for path in (build / "plugins").iterdir() if path.is_dir())
    for block in BLOCKS:
        if block.language != "toml" or block.text.startswith(OF_THE_DAEMON):
            continue
        count += 1
        path = folder / "config.toml"
        path.write_text(completed(block.text))
        path.chmod(0o600)
        told = subprocess.run([build / "core" / "flotilla", "config", "check", "--json", path, "--plugin-dir", plugins],
                              capture_output=True, text=True)
        # Files that a reader has and this machine does not are no fault of the page.
        found = [one["sentence"] for one in json.loads(told.stdout)["findings"]
                 if (one["level"] == "error" and "No such file" not in one["sentence"])
                 or re.search(r"has no setting|unknown|no such key", one["sentence"])]
        if found:
            wrong.append((block.page, block.line, found))
    assert wrong == []
    assert count >= 8


# The way of docs/start.md, and what the other pages run

@pytest.fixture
def beginner(build, folder):
    """A machine with flotilla installed, and a GitLab."""
    gitlab = Coordinator()
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "flotilla").symlink_to(build / "core" / "flotilla")
    (folder / "config.toml").write_text(f'state_dir = "{folder}/state"\nconcurrent = 2\ncheck_interval = 1\n')
    (folder / "config.toml").chmod(0o600)
    kept = {name: value for name, value in os.environ.items() if not re.match("CI_|RUNNER_|REGIST|FLOTILLA_", name)}
    environment = {**kept, "HOME": str(folder), "CONFIG_FILE": str(folder / "config.toml"),
                   "PATH": f"{bin_folder}:{os.environ['PATH']}", "FLOTILLA_PLUGIN_PATH": str(build / "plugins" / "local")}

    def run(text, stdin="", check=True, cwd=folder):
        for shown, here in (("/etc/flotilla/config.toml", f"{folder}/config.toml"), ("https://gitlab.example.com", gitlab.url),
                            ("/usr/share/doc/flotilla/examples", f"{ROOT}/examples"), ("RUNNER", "'this machine'"),
                            ("NAME", "'this machine'"), ("JOB", "1"), ("/var/lib/flotilla", f"{folder}/state")):
            text = text.replace(shown, here)
        told = subprocess.run(["bash", "-euc", text], input=stdin, capture_output=True, text=True, timeout=PATIENCE, cwd=cwd,
                              env=environment)
        assert not check or told.returncode == 0, f"{text}\n{told.stdout}{told.stderr}"
        return told
    run.gitlab, run.environment, run.folder = gitlab, environment, folder
    yield run
    gitlab.close()


def shell_blocks(name):
    return [block.text for block in BLOCKS if block.page == name and block.language == "sh"]


# Blocks of docs/start.md that other tests run: packages and the service (test_packages.py, test_systemd.py).
ELSEWHERE = ("scripts/install-packages", "systemctl")


def test_a_beginner_gets_a_job_done(beginner, binary):
    """docs/start.md, block by block; then what the other pages have flotilla say, of the manager that runs by then."""
    pipeline = beginner.folder / "project"
    pipeline.mkdir()
    (pipeline / ".gitlab-ci.yml").write_text("hello:\n  script: echo hello\n")
    subprocess.run("git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm a", shell=True, cwd=pipeline, check=True)
    manager, seen, marks, gate = None, [], beginner.folder / "marks", beginner.folder / "gate"
    try:
        for text in shell_blocks("docs/start.md"):
            if text.startswith(ELSEWHERE):
                continue
            seen.append(text)
            if text.startswith("flotilla exec"):
                assert "hello" in beginner(text, cwd=pipeline).stdout
            elif "register" in text:
                beginner(text, stdin=beginner.gitlab.runner_token)
                assert 'plugin = "local"' in (beginner.folder / "config.toml").read_text()
            elif "doctor" in text:
                told = beginner(text.replace("flotilla doctor", "flotilla doctor || true"))
                assert re.search(r"OK .*this machine", told.stdout), told.stdout
            elif text.startswith("flotilla run"):
                with open(beginner.folder / "log", "w") as log:
                    manager = subprocess.Popen([binary, "run"], env=beginner.environment, cwd=beginner.folder, stderr=log, stdout=log)
                beginner.gitlab.add(make_job(1, str(marks), gate=str(gate)))
                assert wait_for(lambda: marks.exists() and "begin 1" in marks.read_text()), (beginner.folder / "log").read_text()
            else:
                # What a job has printed is in its log a little later.
                wanted = "line 0001" if "flotilla logs" in text else ""
                assert wait_for(lambda: wanted in beginner(text).stdout)
        assert manager and len(seen) >= 6
        gate.touch()
        assert beginner.gitlab.wait_ended(1, PATIENCE), (beginner.folder / "log").read_text()
        run_the_other_pages(beginner)
    finally:
        if manager:
            manager.terminate()
            assert manager.wait(PATIENCE) is not None


# Calls that a machine without clouds, VMs and installed files cannot answer, or that do not end; and why.
NOT_RUN = {
    "flotilla plugin try": "orders an instance in a cloud",
    "flotilla plugin check ./example.so": "test_template.py runs it",
    "flotilla plugin info ./example.so": "test_template.py builds it",
    "flotilla exec": "test_exec.py, test_exec_vm.py",
    "flotilla coordinator": "test_coordinator_command.py",
    "flotilla run": "test_run.py; it does not end",
    "flotilla simulate --config idle-0-5m.toml": "compares files that the reader has made",
    "flotilla simulate --config config.toml --jobs jobs.csv": "wants a file of the reader's",
    "flotilla simulate --config config.toml --poisson 100000/30d": "bench/simulate.py; a month takes seconds",
    "flotilla simulate --config config.toml --daily 200:10 --for 14d": "the same",
    "flotilla drain": "test_operator.py",
    "flotilla undrain": "test_operator.py",
}


def run_the_other_pages(run):
    lines = [re.sub(r"\bbuild/flotilla\b", "flotilla", line) for block in BLOCKS
             if block.language == "sh" and block.page != "docs/start.md" for line in lines_of(block.text)]
    calls = [re.sub(r" --plugin-dir \S+", "", line) for line in lines if line.startswith("flotilla ")]
    assert len(calls) >= 15
    done = [line for line in calls if not line.startswith(tuple(NOT_RUN))]
    assert [start for start in NOT_RUN if not any(line.startswith(start) for line in calls) and "drain" not in start] == []
    for line in done:
        told = run(line, check=False)
        # Others are answers, as of an audit that found something; 2 is a wrong command line.
        assert told.returncode in (0, 1, 3) and "Usage:" not in told.stderr, f"{line}\n{told.stdout}{told.stderr}"
    assert len(done) >= 9


def test_each_command_is_of_a_kind_that_is_known(capsys):
    """Whoever adds a command of another program says here how it is known to be right. What cannot be checked is
    counted."""
    known = {
        "of the shell and its tools": r"install|cat|echo|rm|cp|mkdir|cd|export|chmod|curl|printf|ssh|git|make|openssl|ip|nft|getent",
        "of AWS, held against its description above": r"aws",
        "of Google Cloud, which nothing here can check": r"gcloud|gsutil",
        "of a Mac": r"brew|tart|sudo|launchctl|security",
        "of packages and services": r"apt-get|apt|systemctl|journalctl|useradd|usermod|systemd-analyze|systemd-run",
        "of the project": r"flotilla\S*|build/\S+|scripts/\S+|bench/\S+|meson|ninja|plugins/\S+|examples/\S+",
    }
    heads, lines = {}, []
    for block in BLOCKS:
        if block.language != "sh" or "<<" in block.text or "'{" in block.text or "'[" in block.text:
            continue
        for line in lines_of(block.text):
            head = words(line)[:1]
            lines += head
            if head and re.match(r"[\w./-]+$", head[0]):
                heads.setdefault(head[0], (block.page, block.line))
    unknown = {head: where for head, where in heads.items() if not re.fullmatch("|".join(known.values()), head)}
    assert unknown == {}
    counts = {kind: sum(bool(re.fullmatch(pattern, head)) for head in lines) for kind, pattern in known.items()}
    assert counts["of Google Cloud, which nothing here can check"] > 3
    with capsys.disabled():
        print("\ncommands in the docs:", ", ".join(f"{count} {kind}" for kind, count in counts.items()))
