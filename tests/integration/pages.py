"""The pages of the documentation, taken apart: links, anchors, blocks, commands, settings. For test_docs.py."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATTERNS = ("README.md", "docs/**/*.md", "sdk/template/*.md", "examples/*/*.md")
PAGES = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})


def name_of(page):
    return str(page.relative_to(ROOT))


@dataclass
class Block:
    page: str
    line: int
    language: str
    text: str


def blocks(page):
    """Fenced blocks, and those of four blanks as `sh`: pages of the design have formulas there."""
    found, lines = [], page.read_text(encoding="utf-8").split("\n")
    at = 0
    while at < len(lines):
        fence = re.match(r"( *)```(\w*)$", lines[at])
        begin = at
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            found.append(Block(name_of(page), begin + 1, fence[2], "\n".join(lines[at + 1:end]) + "\n"))
            at = end
        elif lines[at].startswith("    ") and not lines[at - 1].strip() and "design" not in page.parts:
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            found.append(Block(name_of(page), begin + 1, "sh", "".join(line[4:] + "\n" for line in lines[begin:at])))
            continue
        at += 1
    return found


def outside_of_code(page):
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"(`+).+?\1", "", text)


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", outside_of_code(page))


def headings(page):
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.findall(r"^#+ (.*)$", text, re.M)


def anchors(page):
    """As GitLab makes them of headings."""
    seen, made = {}, set()
    for heading in headings(page):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r" ", "-", re.sub(r"[^\w\- ]", "", plain))
        seen[anchor] = seen.get(anchor, -1) + 1
        made.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
    return made


def lines_of(text):
    """The lines of a shell block without comments; those that go on are one."""
    joined = re.sub(r"\\\n *", "", text)
    return [line for line in (re.sub(r"(^| +)#( .*|!.*)?$", "", line).strip() for line in joined.split("\n")) if line]


def words(line):
    """Of one command; what shlex cannot read is none of ours."""
    try:
        return shlex.split(line)
    except ValueError:
        return []


def commands_in(text, program):
    """Each call of the program, at the begin of a line or behind `&&`."""
    argument = r"""(?:'[^']*'|"[^"]*"|[^'"&|>\n])*"""
    calls = re.findall(rf"(?:^|&& )(?:build/)?{program} {argument}", "\n".join(lines_of(text)), re.M)
    return [words(re.sub(r"^&& ", "", call)) for call in calls]


def spans(page):
    """What stands between backticks in running text."""
    text = re.sub(r"^( *)```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return [span for _, span in re.findall(r"(`+)(.+?)\1", text)]
