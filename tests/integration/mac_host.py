"""A Mac for tests: our daemon at a socket with a blank in its path, and a fake tart whose VMs are SSH servers."""

from fake_tart import Tart
from nesting_served import Served


class Mac(Served):
    """The daemon with `tart` in its PATH, which is the fake."""

    def __init__(self, build, folder, tart: Tart | None):
        self.tart, self.build = tart, build
        super().__init__(build, folder)

    def start(self):
        self.program = self.build / "nestingd" / "flotilla-nesting"
        self.words = ["serve", "-hypervisor", "tart", "-state", self.state]
        super().start()

    def environment(self):
        return {**super().environment(), **(self.tart.environment if self.tart else {"PATH": "/nonexistent"})}
