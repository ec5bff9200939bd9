"""A call of AWS as it came: which service and action it is of, and whose key signed it."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs

from cloud.endpoint import Call


@dataclass
class AwsCall(Call):
    form: dict[str, str] = field(default_factory=dict)  # of the Query services
    access_key: str = ""

    def __post_init__(self):
        _, _, credential = self.headers.get("authorization", "").partition("Credential=")
        scope = credential.partition(",")[0].split("/")
        if len(scope) == 5:
            self.access_key, self.service = scope[0], scope[3]
        self.action = self.headers.get("x-amz-target", "").rpartition(".")[2]
        if not self.action:
            self.form = {name: values[0] for name, values in
                         parse_qs(self.body.decode(), keep_blank_values=True).items()}
            self.action = self.form.get("Action", "")
