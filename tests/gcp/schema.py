"""What passes over the wire, by Google's own descriptions of its services (as google-api-python-client brings them).

A parameter or a field of a request that Google does not know is a Breach: it is refused, and it fails the test. One in
an answer of the tests' cloud is an AssertionError. So neither the plugin nor the cloud of the tests can invent one.
"""

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import googleapiclient

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
INTEGERS = {"int32": (-2**31, 2**31 - 1), "uint32": (0, 2**32 - 1), "int64": (-2**63, 2**63 - 1), "uint64": (0, 2**64 - 1)}


class Breach(Exception):
    """A request that Google's description does not allow."""


@functools.cache
def document(service: str) -> dict:
    return json.loads((DOCUMENTS / f"{service}.v1.json").read_text())


@dataclass(frozen=True)
class Method:
    service: str
    id: str  # "instanceGroupManagers.get"
    description: dict
    path: re.Pattern

    def parameters(self, where: str) -> dict:
        return {name: known for name, known in self.description.get("parameters", {}).items() if known["location"] == where}


@functools.cache
def methods(service: str, verb: str) -> list[Method]:
    found, waiting = [], [document(service)]
    while waiting:
        part = waiting.pop()
        waiting += part.get("resources", {}).values()
        found += [Method(service, known["id"].partition(".")[2], known, pattern_of(service, known["path"]))
                  for known in part.get("methods", {}).values() if known["httpMethod"] == verb]
    return found


def pattern_of(service: str, template: str) -> re.Pattern:
    pieces = re.split(r"(\{\+?\w+\})", "/" + document(service)["servicePath"] + template)
    return re.compile("".join(re.escape(piece) if not piece.startswith("{") else
                              f"(?P<{piece.strip('{+}')}>{'.+' if '+' in piece else '[^/]+'})" for piece in pieces))


def method_of(verb: str, target: str) -> tuple[Method, dict] | None:
    """Whom a request is for, and the parameters of its path."""
    path = urlsplit(target).path
    for service in ("compute", "oslogin"):
        for method in methods(service, verb):
            if (match := method.path.fullmatch(path)) and (found := from_path(method, match)):
                return method, found
    return None


def from_path(method: Method, match: re.Match) -> dict | None:
    found = {name: unquote(value) for name, value in match.groupdict().items()}
    rules = method.parameters("path")
    fits = all(re.fullmatch(rules[name].get("pattern", ".*"), value) for name, value in found.items())
    return found if fits else None


# Requests


def asked_by(method: Method, in_path: dict, target: str, headers: dict, body: bytes) -> dict:
    """The parameters of path and query, and the body as "body"."""
    known = {**method.parameters("query"), **document(method.service)["parameters"]}
    given: dict[str, list[str]] = {}
    for name, value in parse_qsl(urlsplit(target).query, keep_blank_values=True, strict_parsing=bool(urlsplit(target).query)):
        given.setdefault(name, []).append(value)
    found = {name: parameter(name, known, values) for name, values in given.items()}
    for name, rule in known.items():
        if rule.get("required") and name not in found:
            raise Breach(f'Required field "{name}" not specified')
    return {**in_path, **found, "body": content(method, headers, body)}


def parameter(name: str, known: dict, values: list[str]):
    if name not in known:
        raise Breach(f'Unknown name "{name}": Cannot bind query parameter')
    rule = known[name]
    if rule.get("repeated"):
        return [scalar(name, rule, value) for value in values]
    if len(values) != 1:
        raise Breach(f'"{name}" is given {len(values)} times')
    return scalar(name, rule, values[0])


def scalar(name: str, rule: dict, text: str):
    if rule["type"] == "boolean":
        if text not in ("true", "false"):
            raise Breach(f'Invalid value at "{name}": {text} is no boolean')
        return text == "true"
    if rule["type"] == "integer":
        if not re.fullmatch(r"-?\d+", text):
            raise Breach(f'Invalid value at "{name}": {text} is no number')
        check_value(name, rule, int(text))
        return int(text)
    check_value(name, rule, text)
    return text


def content(method: Method, headers: dict, body: bytes):
    shape = method.description.get("request")
    if not shape:
        if body:
            raise Breach(f"{method.id} takes no body")
        return None
    if not body:
        raise Breach(f"{method.id} needs a body")
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Breach(f"{method.id}: the body's type is {headers.get('content-type')}")
    try:
        found = json.loads(body)
    except ValueError as problem:
        raise Breach(f"Invalid JSON payload received. {problem}") from problem
    check(method, shape, found)
    return found


def check(method: Method, shape: dict, value, name="body"):
    """Raises a Breach for what the shape does not have."""
    if "$ref" in shape:
        shape = {**document(method.service)["schemas"][shape["$ref"]], **{k: v for k, v in shape.items() if k != "$ref"}}
    kind = shape.get("type", "object")
    if kind == "array":
        must(name, isinstance(value, list), "no list")
        for number, part in enumerate(value):
            check(method, shape["items"], part, f"{name}[{number}]")
    elif kind == "object":
        must(name, isinstance(value, dict), "no object")
        for field, part in value.items():
            inner = shape.get("properties", {}).get(field) or shape.get("additionalProperties")
            if not inner:
                raise Breach(f'Unknown name "{field}" at "{name}": Cannot find field.')
            check(method, inner, part, f"{name}.{field}")
        for field, rule in shape.get("properties", {}).items():
            if method.description["id"] in rule.get("annotations", {}).get("required", ()) and field not in value:
                raise Breach(f'Required field "{field}" of "{name}" not specified')
    else:
        check_value(name, shape, value)


def check_value(name: str, rule: dict, value):
    """Numbers of 64 bits are strings, as everywhere in Google's JSON."""
    kind, form = rule["type"], rule.get("format")
    if kind == "string":
        must(name, isinstance(value, str), "no string")
        must(name, value in rule["enum"] if "enum" in rule else True, f"{value}, which is none of {rule.get('enum')}")
        must(name, re.fullmatch(rule["pattern"], value) if "pattern" in rule else True, f"{value}: {rule.get('pattern')}")
        if form == "byte":
            must(name, re.fullmatch(r"(?:[\w-]{4})*(?:[\w-]{2}==|[\w-]{3}=)?", value, re.ASCII), "no base64 of URLs")
        elif form in INTEGERS:
            must(name, re.fullmatch(r"-?\d+", value) and in_range(int(value), form, rule), f"no {form}")
    elif kind == "integer":
        must(name, isinstance(value, int) and not isinstance(value, bool) and in_range(value, form, rule), f"no {form}")
    elif kind == "boolean":
        must(name, isinstance(value, bool), "no boolean")
    elif kind == "number":
        must(name, isinstance(value, (int, float)) and not isinstance(value, bool), "no number")


def in_range(value: int, form: str, rule: dict) -> bool:
    low, high = INTEGERS[form]
    return max(low, int(rule.get("minimum", low))) <= value <= min(high, int(rule.get("maximum", high)))


def must(name: str, holds, text: str):
    if not holds:
        raise Breach(f'Invalid value at "{name}": {text}')


# Answers


def checked(method: Method, result: dict) -> dict:
    shape = method.description.get("response")
    try:
        assert shape, f"{method.id} has no answer"
        check(method, shape, result, "answer")
    except Breach as problem:
        raise AssertionError(f"{method.id}: {problem}") from problem
    return result
