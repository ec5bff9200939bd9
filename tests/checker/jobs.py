"""Jobs whose log can be foretold: numbered lines with checksums and a planted secret."""

import json
import secrets
import zlib
from dataclasses import dataclass, field

from .masking import mask


@dataclass
class Job:
    """One job as the coordinator hands it out, and what must come of it."""

    id: int
    payload: dict
    expect_state: str = "success"
    expect_exit_code: int = 0
    secrets: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)  # what the job prints, unmasked
    marks: str = ""  # the file in which the job notes its begin and end
    lost_as: str = ""  # the failure reason, where the test means this job to be cut off, or not to begin
    token: str = ""

    def masked_lines(self) -> list[bytes]:
        patterns = [s.encode() for s in self.secrets]
        text = "".join(line + "\n" for line in self.lines).encode()
        return mask(text, patterns).split(b"\n")[:-1]


def numbered_line(job_id: int, number: int, text: str) -> str:
    checksum = zlib.crc32(f"{job_id}/{number}/{text}".encode())
    return f"line {number:04d} {text} {checksum:08x}"


def make_job(job_id: int, marks: str, lines: int = 20, seconds: float = 0.0, exit_code: int = 0,
             script_after: list[str] | None = None, name: str = "", gate: str = "") -> Job:
    """A job that prints `lines` lines over about `seconds`, some holding a secret, once in two halves.

    It appends "begin ID" and "end ID" with times, its instance and directory to `marks`, a file outside any
    instance, by which the checker sees what really ran, where, and how often. After its lines it waits until
    there is a file `gate`.
    """
    token = "glcbt-" + secrets.token_hex(16)
    hidden = "s3cr3t-" + secrets.token_hex(12)
    printed = []
    for number in range(1, lines + 1):
        text = "plain" if number % 4 else f"<{hidden}>"
        printed.append(numbered_line(job_id, number, text))
    pause = f"sleep {seconds / max(lines, 1):.3f}" if seconds else ":"
    # The shell prints what Python computed; the secret comes from the variable, so that the echoed
    # command holds no copy of it.
    body = []
    for line in printed:
        if hidden in line:
            head, tail = line.split(hidden)
            body.append(f"printf '%s' '{head}'\"${{SECRET%??????}}\"; {pause}; "
                        f"printf '%s\\n' \"${{SECRET#\"${{SECRET%??????}}\"}}\"'{tail}'")
        else:
            body.append(f"printf '%s\\n' '{line}'; {pause}")
    if gate:
        body.append(f"while ! test -e '{gate}'; do sleep 0.05; done")
    # By its path: a busybox that is its own shell has a `date` without nanoseconds built in.
    note = ("printf '%s %s %s %s %s\\n' {what} " + str(job_id) +
            " \"$(/bin/date +%s.%N)\" \"${{FLOTILLA_LOCAL_INSTANCE:-none}}\" \"$PWD\" >> '" + marks + "'")
    script = [note.format(what="begin") + "\n" + "\n".join(body) + "\n" + note.format(what="end")]
    if exit_code:
        script.append(f"exit {exit_code}")
    steps = [{"name": "script", "script": script, "timeout": 3600, "when": "on_success",
              "allow_failure": False}]
    if script_after:
        steps.append({"name": "after_script", "script": script_after, "timeout": 300,
                      "when": "always", "allow_failure": True})
    payload = {
        "id": job_id, "token": token, "allow_git_fetch": False,
        "job_info": {"id": job_id, "name": name or f"job-{job_id}", "stage": "test",
                     "pipeline_id": 1, "project_id": 9, "project_name": "p"},
        "git_info": {"repo_url": "https://gitlab.invalid/g/p.git", "ref": "main", "sha": "1" * 40,
                     "before_sha": "0" * 40, "ref_type": "branch", "refspecs": [], "depth": 0},
        "runner_info": {"timeout": 600},
        "variables": [
            {"key": "GIT_STRATEGY", "value": "none", "public": True, "masked": False},
            {"key": "CI_JOB_TOKEN", "value": token, "public": False, "masked": True},
            {"key": "SECRET", "value": hidden, "public": False, "masked": True, "raw": True},
        ],
        "steps": steps, "image": None, "services": [], "artifacts": None, "cache": [],
        "credentials": [], "dependencies": [],
        "features": {"trace_sections": True,
                     "failure_reasons": ["unknown_failure", "script_failure", "job_canceled",
                                         "runner_system_failure", "job_execution_timeout"]},
    }
    json.dumps(payload)
    return Job(id=job_id, payload=payload, marks=marks, secrets=[hidden, token], lines=printed,
               expect_state="failed" if exit_code else "success", expect_exit_code=exit_code,
               token=token)
