"""A small cloud that answers as AWS documents it, where moto is laxer: a desired capacity above the maximum, an instance
that nobody knows, passwords that are not ready, scaling activities that fail, throttling, pages, clocks, tokens.

tests/integration/test_aws_cloud.py has boto3 read it, so that its answers cannot drift from AWS's.
"""

import threading

from cloud.endpoint import Answer, Endpoint, Fault

from .account import Account, Words
from .call import AwsCall
from .compute import Compute
from .scaling import Group, Scaling
from .wire import Refusal, answer, parameters, refusal


class Cloud:
    def __init__(self, region="us-east-1"):
        self.account = Account(region)
        self.compute = Compute()
        self.scaling = Scaling(self.compute, region)
        self.throttled: dict[str, int] = {}  # how many of the next calls of an action are; "" = of any
        self.lock = threading.RLock()
        self.endpoint = Endpoint(self.ask, kind=AwsCall)
        self.endpoint.clock = self.scaling.clock = self.account.now
        self.url = self.endpoint.url

    def close(self):
        self.endpoint.close()

    def group(self, name="my-linux-asg", **settings) -> Group:
        self.scaling.groups[name] = Group(name, **settings)
        return self.scaling.groups[name]

    def ask(self, call: AwsCall) -> Answer:
        with self.lock:
            try:
                return answer(call.service, call.action, self.act(call))
            except Refusal as problem:
                return refusal(call.service, problem)

    def act(self, call: AwsCall) -> dict:
        self.account.admit(call)
        for name in (call.action, ""):
            if self.throttled.get(name):
                self.throttled[name] -= 1
                raise Words(call.service).throttled()
        asked = parameters(call)
        if call.service == "sts" and call.action == "GetCallerIdentity":
            return {"UserId": call.access_key, "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/runner"}
        for service in (self.scaling, self.compute):
            if act := getattr(service, call.action, None):
                return act(asked)
        raise NotImplementedError(f"the cloud of the tests has no {call.service}:{call.action}")

    def refused(self, call: AwsCall, problem: Refusal) -> Fault:
        """For the endpoint's `fault`: that call is answered so."""
        return Fault(answer=refusal(call.service, problem))
