"""A `gitlab-runner` on the instance that is none: it notes how it was called, and ends as it is told.

A job finds it by its PATH variable, as it would find the real one."""

import shlex
from dataclasses import dataclass
from pathlib import Path

SCRIPT = r"""#!/bin/sh
[ "$1" != --version ] || exit 0
call={calls}/$CI_JOB_ID.$$
in=$([ {stdin} = 0 ] || cat)
printf '%s\0' "${{CI_JOB_TOKEN-}}" "$PWD" "$in" "$@" > "$call.new"
mv "$call.new" "$call.$(date +%s%N)"
echo "$1 of the stand-in"
eval "$ENDS"
"""


@dataclass
class Call:
    job_id: int
    token: str  # of its environment
    folder: str
    stdin: str
    words: list[str]

    @property
    def line(self) -> str:
        return shlex.join(self.words)

    def option(self, name: str) -> str:
        return self.words[self.words.index(name) + 1]


class StandIn:
    """`ENDS`, a variable of the job, is what it runs last: `exit 1` for a failure."""

    def __init__(self, folder: Path, name: str = "gitlab-runner"):
        self.calls_dir = folder / f"calls-{name}"
        self.calls_dir.mkdir()
        self.bin = folder / f"bin-{name}"
        self.bin.mkdir()
        program = self.bin / name
        program.write_text(SCRIPT.format(calls=self.calls_dir, stdin=int(name == "flotilla-helper")))
        program.chmod(0o755)

    def use(self, job, ends=""):
        """Puts it into the job's PATH."""
        job.payload["variables"] += [{"key": "PATH", "value": f"{self.bin}:/usr/local/bin:/usr/bin:/bin"},
                                     {"key": "CI_JOB_ID", "value": str(job.id)},
                                     {"key": "ENDS", "value": ends, "raw": True}]

    def calls(self, job) -> list[Call]:
        """In their order."""
        found = []
        for file in self.calls_dir.glob(f"{job.id}.*.*"):
            token, where, stdin, *words = file.read_text().split("\0")[:-1]
            call = Call(job.id, token, where, stdin, words)
            found.append((int(file.name.rpartition(".")[2]), call))
        return [call for _, call in sorted(found, key=lambda pair: pair[0])]
