/* tests/unit/config/test_edit.c - mirrors core/config/edit.c: what is not meant stays as it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/random.h"
#include "core/base/str.h"
#include "core/config/edit.h"
#include "core/config/toml_change.h"

enum verb { SET, UNSET, ADD, REMOVE };

static int apply(enum verb verb, const char *before, size_t runner, const char *key,
                 const char *value, struct buf *ret, struct error *err)
{
    autobuf struct buf text = BUF_INIT;

    buf_add_str(&text, before);
    switch (verb) {
    case SET:
        return edit_set(&text, "F", runner, key, value, ret, err);
    case UNSET:
        return edit_unset(&text, "F", runner, key, ret, err);
    case ADD:
        return edit_add_runner(&text, "F", value, ret, err);
    default:
        return edit_remove_runner(&text, "F", runner, ret, err);
    }
}

static void test_a_change_is_made_where_it_belongs(void **unused)
{
    static const struct {
        const char *why;
        enum verb verb;
        const char *before;
        size_t runner;
        const char *key, *value, *want;
    } rows[] = {
        { "a value gives way, its comment does not", SET,
          "# top\n[[runners]]  # one\n  token = \"a\"   # mine\n\n  id=1\n", 0, "token", "\"b\"",
          "# top\n[[runners]]  # one\n  token = \"b\"   # mine\n\n  id=1\n" },
        { "single quotes stay", SET, "[[runners]]\ntoken = 'a'\n", 0, "token", "\"b\"",
          "[[runners]]\ntoken = 'b'\n" },
        { "but not where they cannot hold the value", SET, "[[runners]]\ntoken = 'a'\n", 0, "token",
          "\"it's\"", "[[runners]]\ntoken = \"it's\"\n" },
        { "of the second entry alone", SET, "[[runners]]\ntoken=\"a\"\n[[runners]]\ntoken=\"a\"\n",
          1, "token", "\"b\"", "[[runners]]\ntoken=\"a\"\n[[runners]]\ntoken=\"b\"\n" },
        { "a name in other letters is the setting", SET, "[[Runners]]\nToken=\"a\"\n", 0, "token",
          "\"b\"", "[[Runners]]\nToken=\"b\"\n" },
        { "a quoted key, spaces in the header", SET, "[[ \"runners\" ]]\n\"token\"=\"a\"\n", 0,
          "token", "\"b\"", "[[ \"runners\" ]]\n\"token\"=\"b\"\n" },
        { "what looks like a key in a string is none", SET,
          "[[runners]]\nname = \"\"\"\ntoken = 1\n[[runners]]\n\"\"\"\ntoken = \"a\"\n", 0, "token",
          "\"b\"", "[[runners]]\nname = \"\"\"\ntoken = 1\n[[runners]]\n\"\"\"\ntoken = \"b\"\n" },
        { "nor in an array, nor behind its comment", SET,
          "[[runners]]\nenvironment = [ # \"]\n  \"token = ]\",\n]\ntoken = \"a\"\n", 0, "token",
          "\"b\"", "[[runners]]\nenvironment = [ # \"]\n  \"token = ]\",\n]\ntoken = \"b\"\n" },
        { "a new key comes behind the entry's own, before its tables", SET,
          "[[runners]]\n\tname = \"a\"  # x\n\n\t# cache\n\t[runners.cache]\n\t\tType = \"s3\"\n",
          0, "id", "7",
          "[[runners]]\n\tname = \"a\"  # x\n\tid = 7\n\n\t# cache\n\t[runners.cache]\n\t\tType = "
          "\"s3\"\n" },
        { "also where there is none yet", SET, "  [[runners]]", 0, "id", "7",
          "  [[runners]]\n    id = 7\n" },
        { "and behind a line that breaks off", SET, "[[runners]]\nname = \"a\"", 0, "id", "7",
          "[[runners]]\nname = \"a\"\nid = 7\n" },
        { "lines end as they did", SET, "[[runners]]\r\nname = \"a\"\r\n", 0, "id", "7",
          "[[runners]]\r\nname = \"a\"\r\nid = 7\r\n" },
        { "a dotted key of a table is another", SET, "[[runners]]\ncache.token = 1\n", 0, "token",
          "\"b\"", "[[runners]]\ncache.token = 1\ntoken = \"b\"\n" },
        { "a key goes with its line", UNSET, "[[runners]]\nid = 1 # x\n# y\nname = \"a\"\n", 0,
          "id", NULL, "[[runners]]\n# y\nname = \"a\"\n" },
        { "one that is not there is none", UNSET, "[[runners]]\nname = \"a\"", 0, "id", NULL,
          "[[runners]]\nname = \"a\"" },
        { "the first entry of all", ADD, "", 0, NULL, "[[runners]]\n  name = \"b\"\n",
          "[[runners]]\n  name = \"b\"\n" },
        { "an entry goes to the end, behind an empty line", ADD, "concurrent = 1 # x", 0, NULL,
          "[[runners]]\n  name = \"b\"", "concurrent = 1 # x\n\n[[runners]]\n  name = \"b\"\n" },
        { "with the file's ends of lines", ADD, "concurrent = 1\r\n", 0, NULL,
          "[[runners]]\nname = \"b\"\n", "concurrent = 1\r\n\r\n[[runners]]\r\nname = \"b\"\r\n" },
        { "an entry goes with what is in it", REMOVE,
          "a = 1\n\n# first\n[[runners]]\nname = \"a\"\n# in it\n[runners.cache]\nx = 1\n# its "
          "last\n\n"
          "# second\n[[runners]]\nname = \"b\"\n",
          0, NULL, NULL, "a = 1\n\n# first\n# second\n[[runners]]\nname = \"b\"\n" },
        { "the last one", REMOVE,
          "[[runners]]\nname = \"a\"\n\n[[runners]]\nname = \"b\"\n# c\n\n# d\n", 1, NULL, NULL,
          "[[runners]]\nname = \"a\"\n\n# d\n" },
        { "the only one", REMOVE, "a = 1\n[[runners]]\nname = \"a\"\n", 0, NULL, NULL, "a = 1\n" },
        { "also where its table stands behind another", REMOVE,
          "[[runners]]\nname = \"a\"\n\n[other]\nx = 1\n\n[runners.cache]\ny = 1\n\n[last]\nz = "
          "1\n",
          0, NULL, NULL, "[other]\nx = 1\n\n[last]\nz = 1\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf got = BUF_INIT;
        struct error err = { 0 };

        if (apply(rows[i].verb, rows[i].before, rows[i].runner, rows[i].key, rows[i].value, &got,
                  &err) < 0)
            fail_msg("%s: %s", rows[i].why, err.message);
        if (!str_eq(buf_str(&got), rows[i].want))
            fail_msg("%s: got\n%s", rows[i].why, buf_str(&got));
    }
}

static void test_what_cannot_be_changed_is_refused(void **unused)
{
    static const struct {
        const char *why;
        enum verb verb;
        const char *before, *value, *message;
    } rows[] = {
        { "entries on one line", SET, "runners = [{token = \"a\"}]\n", "\"b\"",
          "F: is written in a way that flotilla cannot change without harm; change it by hand, or "
          "write its runners as [[runners]] with one key a line" },
        { "a key written with an escape", SET, "[[runners]]\n\"t\\u006fken\" = \"a\"\n", "\"b\"",
          "F: is written in a way that flotilla cannot change without harm; change it by hand, or "
          "write its runners as [[runners]] with one key a line" },
        { "one more beside entries on one line", ADD, "runners = []\n", "[[runners]]\nid = 1\n",
          "F: is written in a way that flotilla cannot change without harm; change it by hand, or "
          "write its runners as [[runners]] with one key a line" },
        { "what is no TOML", REMOVE, "[[runners]]\nname = \n", NULL, "F:2:" },
        { "an entry that is not there", REMOVE, "a = 1\n", NULL,
          "F: there is no such [[runners]] entry any more" },
        { "a value that is none", SET, "[[runners]]\n", "\"b", "F:1:" },
        { "two entries at once", ADD, "", "[[runners]]\n[[runners]]\n",
          "the new entry is not one [[runners]]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf got = BUF_INIT;
        struct error err = { 0 };

        if (apply(rows[i].verb, rows[i].before, 0, "token", rows[i].value, &got, &err) == 0)
            fail_msg("%s: got\n%s", rows[i].why, buf_str(&got));
        if (!str_starts(err.message, rows[i].message))
            fail_msg("%s: %s", rows[i].why, err.message);
    }
}

/* Random files: lines of all kinds in random order, with comments and blank lines between. */

struct made {
    struct buf text;
    size_t n_runners;
};

static const char *pick(const struct rng *rng, const char *const *from, size_t n)
{
    return from[rng_below(rng, n)];
}

static void add_clutter(const struct rng *rng, struct buf *out)
{
    static const char *const clutter[] = {
        "", "\n", "# [[runners]] token = \"no\"\n", "\t \n", "  # \"\"\" ''' [\n", "\n\n# x\n\n"
    };

    buf_add_str(out, pick(rng, clutter, ARRAY_LEN(clutter)));
}

static void add_keys(const struct rng *rng, struct buf *out, unsigned first)
{
    static const char *const values[] = {
        "\"a # b\"",       "'[[runners]]'", "\"\"\"\n[[runners]]\ntoken = \"x\"\n\"\"\"",
        "'''\n# '' \n'''", "[1, # ]\n 2]",  "{ a = 1, b = [\"}\"] }",
        "1979-05-27",      "true",          "0x1f"
    };

    for (unsigned i = 0, n = (unsigned) rng_below(rng, 4); i < n; i++) {
        add_clutter(rng, out);
        buf_addf(out, "%*sk%u %s %s%s\n", (int) rng_below(rng, 3), "", first + i,
                 rng_below(rng, 2) ? "=" : " =\t", pick(rng, values, ARRAY_LEN(values)),
                 rng_below(rng, 3) ? "" : "  # why");
    }
}

static void make_runner(const struct rng *rng, struct made *made)
{
    struct buf *out = &made->text;

    add_clutter(rng, out);
    buf_add_str(out, "[[runners]]\n");
    made->n_runners++;
    add_keys(rng, out, 0);
    if (rng_below(rng, 4))
        buf_addf(out, "  token = %s\n", rng_below(rng, 2) ? "\"old\"  # t" : "'old'");
    add_keys(rng, out, 10);
    for (unsigned i = 0, n = (unsigned) rng_below(rng, 3); i < n; i++) {
        add_clutter(rng, out);
        buf_addf(out, "[runners.t%u]\n", i);
        add_keys(rng, out, 0);
    }
    if (rng_below(rng, 4) == 0) {
        buf_addf(out, "[other%zu]\n", made->n_runners);
        add_keys(rng, out, 0);
        buf_add_str(out, "[runners.late]\n");
        add_keys(rng, out, 0);
    }
}

static void make_file(const struct rng *rng, struct made *made)
{
    add_keys(rng, &made->text, 0);
    for (unsigned i = 0, n = 1 + (unsigned) rng_below(rng, 4); i < n; i++)
        make_runner(rng, made);
    add_clutter(rng, &made->text);
    if (rng_below(rng, 4) == 0)
        buf_add_str(&made->text, "# ends without a newline");
}

struct stretch {
    size_t start, before_end, after_end;
};

/* `after` is `before` with one stretch replaced: where it was, and where it is now. */
static void find_stretch(const char *before, const char *after, struct stretch *ret)
{
    size_t a = strlen(before), b = strlen(after);

    for (ret->start = 0; before[ret->start] && before[ret->start] == after[ret->start];)
        ret->start++;
    while (a > ret->start && b > ret->start && before[a - 1] == after[b - 1]) {
        a--;
        b--;
    }
    ret->before_end = a;
    ret->after_end = b;
}

static void judge_set(const char *before, const char *after)
{
    struct stretch span;

    find_stretch(before, after, &span);
    if (strstr(after, "token = \"new\"") == NULL && strstr(after, "token = 'new'") == NULL)
        fail_msg("the value is not there:\n%s", after);
    /* Of "old" and "new" no letter is the same, and a new line is all that is put in: so the stretch is short. */
    if (span.before_end - span.start > 3 || span.after_end - span.start > 24)
        fail_msg("more was changed than the value:\n%s\n->\n%s", before, after);
}

static void judge_add(const char *before, const char *after)
{
    if (!str_starts(after, before) || !str_ends(after, "[[runners]]\n  name = \"added\"\n"))
        fail_msg("more was changed than the end:\n%s\n->\n%s", before, after);
}

/* Every line that is left was there, in the same order. */
static void judge_removal(const char *before, const char *after)
{
    const char *at = before;

    while (*after) {
        size_t len = strcspn(after, "\n");

        len += after[len] == '\n';
        while (*at && strncmp(at, after, len) != 0) {
            at += strcspn(at, "\n");
            at += *at == '\n';
        }
        if (!*at)
            fail_msg("a line is new or has moved:\n%s\n->\n%s", before, after);
        at += len;
        after += len;
    }
}

static void test_random_files_keep_all_that_is_not_meant(void **unused)
{
    struct rng_seeded seeded;
    unsigned refused = 0;

    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct made made = { 0 };
        autobuf struct buf got = BUF_INIT;
        struct error err = { 0 };
        enum verb verb;
        int r;

        rng_seed(&seeded, seed);
        make_file(&seeded.rng, &made);
        verb = (enum verb[]) { SET, ADD, REMOVE }[seed % 3];
        r = apply(verb, buf_str(&made.text), rng_below(&seeded.rng, made.n_runners), "token",
                  verb == ADD ? "[[runners]]\n  name = \"added\"\n" : "\"new\"", &got, &err);
        refused += r < 0;
        if (r < 0)
            print_message("%s\n", buf_str(&made.text));
        else if (verb == SET)
            judge_set(buf_str(&made.text), buf_str(&got));
        else if (verb == ADD)
            judge_add(buf_str(&made.text), buf_str(&got));
        else
            judge_removal(buf_str(&made.text), buf_str(&got));
        buf_done(&made.text);
    }
    assert_int_equal(refused, 0); /* nothing in them is written in a strange way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_is_made_where_it_belongs),
        cmocka_unit_test(test_what_cannot_be_changed_is_refused),
        cmocka_unit_test(test_random_files_keep_all_that_is_not_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
