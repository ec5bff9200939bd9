"""core/job/shell/embed.py - a script as a string of C, without what only its readers need: comments and indentation.

Called by the build: embed.py SCRIPT OUTPUT NAME.
"""

import sys


def lines_of(text):
    for line in text.splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line


def main(script, output, name):
    with open(script, encoding="ascii") as source:
        lines = list(lines_of(source.read()))
    quoted = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    with open(output, "w", encoding="ascii") as out:
        out.write('#include "core/job/shell/powershell_functions.h"\n\n')
        out.write(f"const char {name}[] =\n")
        out.write("\n".join(f'    "{line}\\n"' for line in quoted) + ";\n")


main(*sys.argv[1:])
