"""core/web/page/embed.py - the status page's files as a table in C, for core/web/page.c.

Called by the build: embed.py OUTPUT FILE...
"""

import sys
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".svg": "image/svg+xml"}


def main(output, *files):
    files = [Path(file) for file in files]
    with open(output, "w", encoding="ascii") as out:
        out.write('#include "core/web/page.h"\n\n')
        for i, file in enumerate(files):
            out.write(f"static const unsigned char data_{i}[] = {{\n")
            data = file.read_bytes()
            for at in range(0, len(data), 24):
                out.write("    " + " ".join(f"{byte}," for byte in data[at:at + 24]) + "\n")
            out.write("};\n\n")
        out.write("const struct web_page_file web_page_files[] = {\n")
        for i, file in enumerate(files):
            out.write(f'    {{ "{file.name}", "{TYPES[file.suffix]}", data_{i}, sizeof(data_{i}) }},\n')
        out.write("    { 0 }\n};\n")


main(*sys.argv[1:])
