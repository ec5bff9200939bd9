"""The parameter `fields` of every method: which parts of its answer are wanted, as "items(name,id),nextPageToken" or
"a/b/c". One that the answer does not have by Google's description is a Breach."""

import re

from .schema import Breach, document


def parse(text: str) -> dict:
    """{name: what is wanted of it, {} = all}"""
    tokens = re.findall(r"\w+|[(),/]|.", text)
    found = listed(tokens)
    if tokens:
        raise Breach(f"Invalid field selection {text}")
    return found


def listed(tokens: list[str]) -> dict:
    found = {}
    while True:
        name, of = item(tokens)
        found[name] = of
        if not tokens or tokens[0] != ",":
            return found
        tokens.pop(0)


def item(tokens: list[str]) -> tuple[str, dict]:
    name = tokens.pop(0) if tokens else ""
    if not re.fullmatch(r"\w+", name):
        raise Breach(f"Invalid field selection at {name!r}")
    if tokens and tokens[0] == "/":
        tokens.pop(0)
        return name, dict([item(tokens)])
    if tokens and tokens[0] == "(":
        tokens.pop(0)
        inner = listed(tokens)
        if not tokens or tokens.pop(0) != ")":
            raise Breach(f"Invalid field selection of {name}")
        return name, inner
    return name, {}


def check(wanted: dict, service: str, schema: dict):
    while "$ref" in schema or "items" in schema:
        schema = document(service)["schemas"][schema["$ref"]] if "$ref" in schema else schema["items"]
    for name, of in wanted.items():
        if name not in schema.get("properties", {}):
            raise Breach(f"Invalid field selection {name}")
        check(of, service, schema["properties"][name])


def cut(content, wanted: dict):
    if not wanted:
        return content
    if isinstance(content, list):
        return [cut(one, wanted) for one in content]
    return {name: cut(content[name], of) for name, of in wanted.items() if name in content}


def wanted_of(method, text: str) -> dict:
    wanted = parse(text)
    check(wanted, method.service, method.description["response"])
    return wanted
