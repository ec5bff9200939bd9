"""tests/lint/test_lint.py - each rule of scripts/lint finds its planted bad file and passes its good twin."""
import pathlib
import shutil
import subprocess
import sys

import pytest

LINT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "lint"

# rule, path, bad line, good line, why
PLANTED = [
    ("banned-call", "core/job/a.c", "strcpy(a, b);", "str_copy(a, sizeof(a), b);", "a copy without a limit"),
    ("banned-call", "plugins/x/a.c", "n = atoi(text);", "n = parse(text); /* not atoi(text) */", "silent zero"),
    ("banned-call", "sdk/lib/a.c", "x = system (cmd);", "x = vm->system(cmd);", "a member is no library call"),
    ("banned-call", "core/job/a.c", "p = alloca(n);", 'log_error("alloca(n)");', "a literal calls nothing"),
    ("banned-call", "plugins/x/a.c", 'n = sscanf(text, "%d", &x);', "ok = number_parse(text, 9, &x);",
     "rubbish behind the number is not seen"),
    ("banned-call", "core/base/a.c", 'n = sscanf(text, "%d", &x);', "x = strtoll(text, &end, 10);",
     "core/base is where numbers are parsed"),
    ("banned-call", "plugins/x/a.c", "n = strtol(text, NULL, 10);", "ok = number_parse(text, 9, &n);",
     "no number is taken for 0"),
    ("banned-call", "core/exec/a.c", "n = strtoull(text, &end, 10);", "ok = parse_i64(text, 0, 9, &n) == 0;",
     "a sign is taken, and the range is not ours"),
    ("silent-skip", "tests/unit/a.c", "skip();", 'harness_skip("there is no sshd");', "nobody would know why"),
    ("bare-allocation", "core/job/a.c", "p = malloc(n);", "p = mem_alloc(n);", "tests could not make it fail"),
    ("bare-allocation", "core/fleet/a.c", "p = strdup(s);", "p = mem_strdup(s);", "strdup() allocates too"),
    ("format-literal", "core/job/a.c", "log_error(text);", 'log_error("%s", text);', "text from outside as a format"),
    ("format-literal", "core/job/a.c", "error_set(err, -1, text);", 'error_set(err, f(a, b), "x");',
     "commas of inner calls do not count"),
    ("format-literal", "sdk/lib/a.c", "snprintf(a, sizeof(a), fmt, 1);", 'snprintf(a, n, FORMAT "\\n", 1);',
     "a constant in capitals is a literal"),
    ("quoted-format", "core/job/shell/a.c", 'add(out, "cd \'%s\'", dir);', 'add(out, "cd %s", quoted);',
     "single quotes in a format"),
    ("quoted-format", "core/job/shell/a.c", r'add(out, "cd \"%s", dir);', 'add(out, "cd " "%s", quoted);',
     "escaped double quotes"),
    ("quoted-format", "core/job/shell/a.c", 'add(out, "\'" "%s", dir);', 'add(out, "\' %s", dir);',
     "literals side by side are one"),
    ("quoted-format", "core/job/shell/a.c", 'buf_addf(out, "printf \'%s\'", x);',
     'buf_add_str(out, "printf \'%s\\n\' ");', "what is appended as it is holds no format"),
    ("quoted-format", "core/job/stage.c", 'mem_printf("cat \'%s\'", path);',
     'error_set(err, -1, "no file \'%s\'", path);', "every writer of a script, but no sentence for people"),
    ("include-direction", "core/base/a.c", '#include "core/config/config.h"', '#include "core/base/buf.h"',
     "base stands on nothing"),
    ("include-direction", "core/job/trace/a.c", '#include "core/store/ledger.h"', '#include "core/base/buf.h"',
     "a job worker has no ledger"),
    ("include-direction", "core/fleet/a.c", '#include "core/supervisor/internal.h"',
     '#include "core/config/config.h"', "the fleet is pure"),
    ("include-direction", "sdk/lib/a.c", '#include "core/base/buf.h"', "#include <flotilla/provider.h>",
     "the SDK stands alone"),
    ("plugin-include", "plugins/x/a.c", '#include "core/base/buf.h"', "#include <flotilla/provider.h>",
     "a plugin sees the SDK only"),
    ("cloexec", "core/job/a.c", "fd = open(p, O_RDONLY);", "fd = open(p, O_RDONLY | O_CLOEXEC);", "would be inherited"),
    ("cloexec", "core/job/a.c", "fd = socket(AF_UNIX, SOCK_STREAM, 0);",
     "fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);", "sockets too"),
    ("cloexec", "sdk/lib/a.c", "fd = accept(l, NULL, NULL);", "fd = accept4(l, NULL, NULL, SOCK_CLOEXEC);",
     "accept() cannot set the flag"),
    ("cloexec", "core/job/a.c", 'f = fopen(p, "r");', 'f = fopen(p, "re");', "stdio has a letter for it"),
    ("portable", "nestingd/a.c", "fd = accept4(l, NULL, NULL, 0);", "fd = fd_accept(l);", "no Mac has it"),
    ("portable", "nestingd/tart/a.c", "#include <sys/epoll.h>", "#include <poll.h>", "nor its headers"),
    ("portable", "core/base/buf.c", "explicit_bzero(p, n);", "secret_wipe(p, n);", "what the daemon takes of others, too"),
    ("portable", "nestingd/a.c", "#ifdef A\nint x = SOCK_CLOEXEC;\n#endif",
     "#ifdef __APPLE__\n#else\nint x = SOCK_CLOEXEC;\n#endif", "unless it is for where there is one"),
    ("portable", "nestingd/a.c", "n = send(fd, p, n, MSG_NOSIGNAL);", "/* send() knows MSG_NOSIGNAL elsewhere. */",
     "a comment calls nothing"),
    ("machine-path", "docs/a.md", "see /wor" + "k/main/docs", "see docs/", "nobody else has this folder"),
    ("unfinished", "core/job/a.c", "/* TO" + "DO: later */", "/* Later calls find it closed. */", "belongs in an issue"),
    ("untold", "core/store/a.c", 'f("CREATE TABLE unheard (id INTEGER)");', 'f("CREATE TABLE holds (id INTEGER)");',
     "a table"),
    ("untold", "core/job/a.c", 'n = fault_limit_ms("unheard", 9);', 'n = fault_limit_ms("hold", 9);', "a time"),
    ("untold", "core/job/a.c", 'EFFECT("unheard", r = f());', 'EFFECT("hold_row", r = f());', "an effect"),
]


def run(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return subprocess.run([sys.executable, LINT, "--root", root, path], capture_output=True, text=True, check=False)


def c_file(path, line):
    body = f"{line}\n" if line.startswith(("#", "/*")) else f"void f(void)\n{{\n    {line}\n}}\n"
    return f"/* {path} - planted. */\n{body}"


def contents(path, line):
    return c_file(path, line) if path.endswith(".c") else line + "\n"


@pytest.mark.parametrize("rule,path,bad,good,why", PLANTED, ids=[f"{row[0]}: {row[4]}" for row in PLANTED])
def test_rule_finds_the_bad_and_passes_the_good(tmp_path, rule, path, bad, good, why):
    found = run(tmp_path, path, contents(path, bad))
    assert found.returncode == 1, why
    assert f" {rule}: " in found.stdout, found.stdout

    passed = run(tmp_path, path, contents(path, good))
    assert f" {rule}: " not in passed.stdout, passed.stdout


def test_file_header_must_name_the_file(tmp_path):
    for text in ("int x;\n", "/* core/job/b.c - another. */\nint x;\n", "/* core/job/a.c */\nint x;\n"):
        assert " file-header: " in run(tmp_path, "core/job/a.c", text).stdout
    assert " file-header: " not in run(tmp_path, "core/job/a.c", "/* core/job/a.c - this. */\nint x;\n").stdout


@pytest.mark.skipif(not shutil.which("clang-format-14"), reason="clang-format-14 is not installed")
def test_format_differs_from_clang_format(tmp_path):
    shutil.copy(LINT.parents[1] / ".clang-format", tmp_path)
    bad = run(tmp_path, "core/job/a.c", "/* core/job/a.c - planted. */\nint  x ;\n")
    assert bad.returncode == 1 and " format: " in bad.stdout
    good = run(tmp_path, "core/job/a.c", "/* core/job/a.c - planted. */\nint x;\n")
    assert good.returncode == 0, good.stdout


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed")
def test_a_manual_page_that_mandoc_warns_of(tmp_path):
    page = ".Dd November 25, 2026\n.Dt A 1\n.Os\n.Sh NAME\n.Nm a\n.Nd planted\n.Sh DESCRIPTION\n.Bl -tag -width Ds\n"
    bad = run(tmp_path, "docs/a.1", page + ".It a\n.El\n.Xx unknown\n")
    assert bad.returncode == 1 and "docs/a.1:11: manual: " in bad.stdout
    good = run(tmp_path, "docs/a.1", page + ".It a\nText.\n.El\n")
    assert good.returncode == 0, good.stdout


def test_a_vector_without_a_test_is_missed(tmp_path):
    path = "tests/unit/fleet/a.c"
    rows = [f'"autoscaler_V{number:02}",' for number in range(1, 70)]
    for last, missing in (("/* autoscaler_V70 */", True), ('"autoscaler_V70 (a row)",', False)):
        found = run(tmp_path, path, "\n".join([f"/* {path} - planted. */", *rows, last]))
        assert ("no test is named after autoscaler_V70" in found.stdout) == missing, found.stdout
        assert "V69" not in found.stdout
    (tmp_path / path).write_text("\n".join([f"/* {path} - planted. */", *rows]))
    other = tmp_path / "tests" / "integration" / "test_b.py"
    other.parent.mkdir()
    for text, missing in (('def test_b():\n    """autoscaler_V70"""\n', True),
                          ("def test_autoscaler_V70_holds():\n    pass\n", False)):
        other.write_text(text)
        assert ("V70" in run(tmp_path, path, (tmp_path / path).read_text()).stdout) == missing


def test_excused_line_passes_with_a_reason_only(tmp_path):
    bad = "    fd = open(p, O_RDONLY);\n"
    head = "/* core/job/a.c - planted. */\nvoid f(void)\n{\n"
    excused = run(tmp_path, "core/job/a.c", head + "    /* lint: cloexec: the child reads it. */\n" + bad + "}\n")
    assert " cloexec: " not in excused.stdout
    bare = run(tmp_path, "core/job/a.c", head + "    /* lint: cloexec: */\n" + bad + "}\n")
    assert " cloexec: " in bare.stdout


def test_every_rule_has_a_planted_file():
    listed = subprocess.run([sys.executable, LINT, "--list"], capture_output=True, text=True, check=True).stdout
    rules = {line.split(":")[0] for line in listed.splitlines()}
    assert rules == {row[0] for row in PLANTED} | {"file-header", "format", "manual", "vector"}
