"""A PowerShell on the instance that is none: it keeps each script that it is given, and does what the lines of ours
say, by Python. What the text for sh does, it does by git's own sh, as the real one would; commands of the job must be
such as PowerShell and sh read alike.

It reads values by the rules of PowerShell's grammar that our writer uses, and takes every line that it does not know
for one of the job. test_powershell.py runs the same jobs with a real `pwsh` where there is one.
"""

import base64
import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

OPTIONS = ("-NoProfile -NoLogo -InputFormat text -OutputFormat text -NonInteractive -ExecutionPolicy Bypass "
           "-EncodedCommand").split()
BYTES = r"\[Convert\]::FromBase64String\('([A-Za-z0-9+/=]*)'\)"
VALUE = rf"(?:\(\[Text\.Encoding\]::UTF8\.GetString\({BYTES}\)\)|'((?:[^']|'')*)')"
PATTERN = re.compile(VALUE)
CHECK = "if (-not $?) { if ($LASTEXITCODE) { exit $LASTEXITCODE } exit 1 }"
IGNORED = re.compile(r"\$(ErrorActionPreference|PSNativeCommandUseErrorActionPreference) = .*|trap \{ flotilla_fail \$_ \}|"
                     r"if \(-not \$env:ErrorActionPreference\) .*|Set-PSDebug -Trace 2|if \(\$flotilla_windows\) \{ flotilla_stop .*|exit 0|")


def values(text):
    """Of all expressions in it, in their order."""
    return [base64.b64decode(coded).decode() if coded is not None and match.group(0)[0] == "(" else plain.replace("''", "'")
            for match in PATTERN.finditer(text) for coded, plain in [match.groups()]]


def content(text):
    return base64.b64decode(re.search(rf" \({BYTES}\)", text).group(1))


def run(words, text=b""):
    return subprocess.run(words, input=text, check=False).returncode


def status_of(returncode):
    return returncode if returncode >= 0 else 128 - returncode


def show(text, stream=sys.stdout):
    stream.buffer.write(text.encode() + b"\n")
    stream.flush()


class Script:
    def __init__(self, text):
        _, self.functions, rest = re.split(r"\A(.*?^exit 1\n\}\n)(?=flotilla_|if |\$Error)", text, maxsplit=1, flags=re.M | re.S)
        rest = re.sub(r"^function flotilla_tell.*^flotilla_unzip \$file\n\}\n", "", rest, flags=re.M | re.S)
        self.lines, self.chosen = rest.splitlines(), []
        self.kept = {}

    def run(self):
        command = []
        for line in self.lines:
            if line == CHECK:
                self.check(run(["sh", "-c", "\n".join(command)]))
                command = []
            elif command or not self.ours(line):
                command.append(line)
        if command and command != ["}"]:
            sys.exit(f"stand-in: nothing checks {command}")

    def check(self, returncode):
        if returncode:
            sys.exit(status_of(returncode))

    def ours(self, line):
        verb = re.match(r"flotilla_(\w+)|", line).group(1)
        if verb and hasattr(self, "do_" + verb):
            getattr(self, "do_" + verb)(line)
        elif re.fullmatch(rf"(\$\{{\w+\}} = )?\$\{{env:\w+\}} = {VALUE}", line):
            self.export(re.search(r"\$\{env:(\w+)\}", line).group(1), values(line)[0])
        elif line.startswith("$flotilla_kept = flotilla_hide "):
            self.kept = dict(os.environ)
            for name in values(line):
                os.environ.pop(name, None)
        elif line.startswith("[Environment]::SetEnvironmentVariable("):
            os.environ.pop(values(line)[0], None)
        elif line.startswith("flotilla_print ('Running on ' + "):
            show(f"Running on {os.uname().nodename} via {values(line)[2]}...")
        elif line.startswith("$flotilla_names = "):
            self.chosen = select(line)
        elif line.startswith("exit (flotilla_start "):
            name, *words = values(line)
            sys.exit(status_of(run([name, *words])))
        elif re.fullmatch(r"exit \d+", line):
            sys.exit(int(line[5:]))
        else:
            return line in ("& {", "}") or IGNORED.fullmatch(line)
        return True

    def export(self, name, value):
        os.environ[name] = value

    def do_begin(self, line):
        folder = values(line)[0]
        os.makedirs(folder, mode=0o700, exist_ok=True)
        stat = Path("/proc/self/stat").read_text().rpartition(") ")[2]
        Path(folder, "stage.pid").write_text(f"{os.getpid()} {stat}")

    def do_where(self, _line):
        show("\n" + os.getcwd())

    def do_print(self, line):
        if "'Running on '" in line:
            show(f"Running on {os.uname().nodename} via {values(line)[2]}...")
        else:
            show(values(line)[0])

    def do_section(self, line):
        name, text = values(line)
        show(f"section_start:1:{name}[hide_duration=true,collapsed=true]\r\x1b[0K{text}")
        show(f"section_end:1:{name}\r\x1b[0K")

    def do_cd(self, line):
        os.chdir(values(line)[0])

    def do_directory(self, line):
        os.makedirs(values(line)[0], exist_ok=True)

    def do_remove(self, line):
        self.check(run(["rm", "-rf", "--", values(line)[0]]))

    def do_write(self, line):
        Path(values(line)[0]).write_bytes(content(line))

    def do_load_env(self, line):
        file = Path(values(line)[0])
        os.environ["GITLAB_ENV"] = str(file)
        file.touch()
        for entry in file.read_text().splitlines():
            name, _, value = entry.partition("=")
            os.environ[name] = value

    def do_show(self, _line):
        os.environ.clear()
        os.environ.update(self.kept)

    def do_sh(self, line):
        folder = values(line)[0]
        file = Path(folder, "git-stage.sh")
        file.write_bytes(content(line))
        os.environ["GIT_CEILING_DIRECTORIES"] = os.path.dirname(folder)
        self.check(subprocess.run(["git", "-c", "alias.flotilla-stage=!sh", "flotilla-stage", str(file)], cwd=folder,
                                  stdin=subprocess.DEVNULL, check=False).returncode)
        file.unlink()

    def do_check(self, line):
        assert line.startswith("flotilla_check (flotilla_start "), line
        name, *words, text = values(line)
        self.check(run([name, *words], text.encode()))

    def do_find(self, line):
        found = [name for name in values(line)
                 if subprocess.run(["sh", "-c", f"{name} --version > /dev/null 2>&1"], check=False).returncode == 0]
        machine = os.environ.get("KEPT_MACHINE") or f"{os.uname().sysname} {os.uname().machine}"
        show(f"\n{(found or ['none'])[0]} {machine}")

    def do_upload(self, line):
        place, first, form = values(line)
        if not self.chosen:
            print("ERROR: No files to upload", file=sys.stderr)
            return
        if form == "zip":
            zip_files(place, self.chosen)
        else:
            data = b"".join((gzip.compress if form == "gzip" else bytes)(Path(name).read_bytes()) for name in self.chosen)
            Path(place).write_bytes(data)
        send(first, place)

    def do_keep(self, line):
        file = Path(values(line)[0])
        made = not file.exists() or any(os.stat(name).st_mtime > file.stat().st_mtime for name in self.chosen)
        if made:
            file.parent.mkdir(parents=True, exist_ok=True)
            zip_files(file, self.chosen)
        if "$true" in line:
            send(json.dumps({"size": file.stat().st_size, "modified": int(file.stat().st_mtime), "made": made}), file)

    def do_download(self, _line):
        zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())).extractall()

    def do_restore(self, line):
        file, data = Path(values(line)[0]), sys.stdin.buffer.read()
        if data:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        if not file.exists():
            sys.exit("WARNING: Cache file does not exist")
        zipfile.ZipFile(file).extractall()


def select(line):
    """By the regular expressions, whose dialect is Python's but for their end."""
    _, wanted, _, unwanted = (values(part.replace("\\z", "\\Z")) for part in re.findall(rf"@\(((?:{VALUE}(?:, )?)*)\)", line) for part in part[:1])
    names = [os.path.relpath(os.path.join(folder, name)) for folder, folders, files in os.walk(".") for name in folders + files]
    return sorted(name for name in names if any(re.match(one, name) for one in wanted)
                  and not any(re.match(one, name) for one in unwanted))


def zip_files(file, names):
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.write(name)


def send(line, file):
    sys.stdout.buffer.write(line.encode() + b"\n" + Path(file).read_bytes())
    sys.stdout.flush()


def read_script(stream):
    """What our program on the command line does."""
    length = int(stream.readline())
    text = stream.read(length)
    if not length or len(text) < length:
        sys.exit("stand-in: the script did not arrive whole")
    return base64.b64decode(text).decode()


def keep(folder, loader, script):
    """Under names in the order of their coming."""
    name = f"{os.times().elapsed:017.3f}-{os.getpid()}"
    for kind, text in (("loader", loader), ("script", script)):
        new = Path(folder, f"{name}.new")
        new.write_text(text, newline="")
        new.rename(new.with_suffix(f".{kind}.ps1"))


def main():
    if sys.argv[1:-1] != OPTIONS:
        sys.exit(f"stand-in: called by {sys.argv[1:]}")
    loader, script = base64.b64decode(sys.argv[-1]).decode("utf-16-le"), read_script(sys.stdin.buffer)
    keep(os.environ["KEPT_SCRIPTS"], loader, script)
    Script(script).run()


if __name__ == "__main__":
    main()
