"""How Google words that it refuses: compute's older form with a reason, and the newer one with a status."""

import json

from cloud.endpoint import Answer

STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS",
            412: "FAILED_PRECONDITION", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}


class Refusal(Exception):
    """An error that a service answers with."""

    def __init__(self, code: int, reason: str, message: str, domain="global", details=(), headers=None, **more):
        super().__init__(f"{code} {reason}: {message}")
        self.code, self.reason, self.message, self.domain = code, reason, message, domain
        self.details, self.headers, self.more = list(details), headers or {}, more

    def answer(self, service="compute") -> Answer:
        error = {"code": self.code, "message": self.message}
        if service == "compute":
            error["errors"] = [{"message": self.message, "domain": self.domain, "reason": self.reason, **self.more}]
        if service != "compute" or self.details:
            error["status"] = STATUSES[self.code]
        if self.details:
            error["details"] = self.details
        return Answer(self.code, json.dumps({"error": error}, indent=2).encode(), "application/json; charset=UTF-8",
                      self.headers)


def not_found(what: str) -> Refusal:
    return Refusal(404, "notFound", f"The resource '{what}' was not found")


def invalid(text: str) -> Refusal:
    return Refusal(400, "invalid", text)


def unauthenticated() -> Refusal:
    message = ("Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
               "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.")
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED",
            "domain": "googleapis.com", "metadata": {"service": "compute.googleapis.com"}}
    return Refusal(401, "authError", message, details=[info], location="Authorization", locationType="header")


def forbidden(permission: str, resource: str) -> Refusal:
    return Refusal(403, "forbidden", f"Required '{permission}' permission for '{resource}'")


def stale() -> Refusal:
    return Refusal(412, "conditionNotMet", "Supplied fingerprint does not match current metadata fingerprint.",
                   location="If-Match", locationType="header")


def rate(code=403) -> Refusal:
    """Compute counts the requests of a minute."""
    message = ("Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
               "'compute.googleapis.com' for consumer 'project_number:1234567890'.")
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com",
            "metadata": {"service": "compute.googleapis.com", "consumer": "projects/1234567890",
                         "quota_limit": "ReadRequestsPerMinutePerProject", "quota_metric": "compute.googleapis.com/read_requests"}}
    return Refusal(code, "rateLimitExceeded", message, domain="usageLimits", details=[info])


def unavailable() -> Refusal:
    return Refusal(503, "backendError", "The service is currently unavailable.")


def broken() -> Refusal:
    return Refusal(500, "internalError", "Internal error. Please try again or contact Google Support.")
