"""`flotilla run` over a played cloud, by one of the mission's examples: only its coordinator, its files and the endpoint
are the test's own."""

import re
import sqlite3
from pathlib import Path

from checker.run import Run
from checker.watch import Watch

DATA = Path(__file__).resolve().parents[1] / "data"


class CloudWatch(Watch):
    """Sees the instances that have a machine."""

    def __init__(self, machines, *arguments):
        self.machines = machines
        super().__init__(*arguments)

    def instances(self) -> frozenset[str]:
        return frozenset(self.machines.running)


class CloudRun(Run):
    """The example's [runners.autoscaler.plugin_config] begins with a name, under which the endpoint is written; `home`
    is its user's folder of credentials."""

    def __init__(self, folder: Path, binary: Path, plugin_dir: Path, example: str, home: str, endpoint: str, machines,
                 limits: dict, **options):
        super().__init__(folder, binary, plugin_dir, **options)
        self.machines, self.limits = machines, limits
        text = (DATA / example).read_text()
        text = text.replace("https://gitlab.com", self.coordinator.url)
        text = text.replace("<token>", self.coordinator.runner_token)
        text = text.replace(home, f"{folder}/")
        text, found = re.subn(r"^( *\[runners\.autoscaler\.plugin_config\].*\n)( *)(name .*\n)",
                              rf'\1\2\3\2endpoint = "{endpoint}"\n', text, flags=re.M)
        assert found == 1
        self.config.write_text(text)
        self.environment = machines.environment

    def begin_watch(self):
        if not self.watch:
            (self.folder / "tmp").mkdir()
            self.watch = CloudWatch(self.machines, self.instances_dir, self.coordinator.secrets)

    def ledger(self, question: str) -> list[tuple]:
        """Nothing where there is no ledger yet."""
        if not (self.state_dir / "ledger.db").exists():
            return []
        db = sqlite3.connect(f"file:{self.state_dir}/ledger.db?mode=ro", uri=True)
        try:
            return db.execute(question).fetchall()
        except sqlite3.OperationalError:  # its tables are not made yet
            return []
        finally:
            db.close()

    def is_settled(self, cloud: set[str]) -> bool:
        """The fleet is what the cloud has, all of it runs and was never used, and no call is on its way: where the
        policy wants so many, nothing changes any more."""
        known = self.ledger("SELECT id FROM instances WHERE life <> 'gone' AND state = 'running' AND uses = 0")
        return {row[0] for row in known} == cloud and \
            self.ledger("SELECT count(*) FROM instances WHERE life <> 'gone'") == [(len(cloud),)] and \
            self.ledger("SELECT count(*) FROM intents WHERE state = 'open'") == [(0,)]
