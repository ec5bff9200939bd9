"""Jobs with artifacts and caches, and what became of them."""

import re

from checker.jobs import make_job
from checker.run import Run

CACHE = {"key": "k", "paths": ["v"]}
ARCHIVE = {"paths": ["out/"], "name": "n", "expire_in": "1 day", "when": "on_success", "artifact_type": "archive",
           "artifact_format": "zip"}


def dependency(job_id, file="artifacts.zip"):
    return {"id": job_id, "token": f"glcbt-64_dependency-{job_id}", "name": f"build {job_id}",
            "artifacts_file": {"filename": file, "size": 9}}


class Jobs:
    """Jobs of one run by their names."""

    def __init__(self, run: Run):
        self.run, self.named = run, {}

    def make(self, name, variables=(), failed="", script=(), after=None, **payload):
        """`payload` goes over what every job has."""
        job = make_job(len(self.named) + 1, str(self.run.marks), lines=4, script_after=after)
        job.payload.update(payload)
        job.payload["steps"][0]["script"] += script
        job.payload["variables"] += [{"key": key, "value": value} for key, value in variables]
        if failed:
            job.lost_as, job.expect_exit_code = failed
        self.named[name] = job
        return job

    def state(self, name):
        return self.run.coordinator.jobs[self.named[name].id]

    def log(self, name) -> str:
        """Without colours, timestamps and sections."""
        text = bytes(self.state(name).trace).decode()
        lines = [line[32:] for line in re.sub(r"\x1b\[[0-9;]*[mK]", "", text).splitlines()]
        return "\n".join(line for line in lines if not line.startswith("section_"))

    def sections(self, name) -> list[str]:
        return re.findall(r"section_start:\d+:(\w+)", bytes(self.state(name).trace).decode())

    def final(self, name) -> dict:
        return self.state(name).finals[0]
