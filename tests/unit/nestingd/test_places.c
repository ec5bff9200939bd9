/* tests/unit/nestingd/test_places.c - mirrors nestingd/places.c; the socket's place is test_nesting_server.py's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/str.h"
#include "nestingd/places.h"

static const char *const variables[] = { "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME" };

static void test_where_the_state_is(void **state)
{
    static const struct {
        const char *chosen, *values[3];
        const char *path; /* NULL = nowhere */
    } rows[] = {
        { "/chosen", { "/systemd", "/xdg", "/home" }, "/chosen" },
        { NULL, { "/systemd", "/xdg", "/home" }, "/systemd" },
        { NULL, { NULL, "/xdg", "/home" }, "/xdg/flotilla-nesting" },
        { NULL, { "", "", "/home" }, "/home/.local/state/flotilla-nesting" },
        { NULL, { NULL, NULL, NULL }, NULL },
        { "a b", { NULL, NULL, NULL }, "HERE/a b" },
    };
    autofree char *here = getcwd(NULL, 0);

    (void) state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        autobuf struct buf path = BUF_INIT;
        autobuf struct buf wanted = BUF_INIT;
        struct error err = { 0 };
        int r;

        for (size_t j = 0; j < ARRAY_LEN(variables); j++)
            (void) (rows[i].values[j] ? setenv(variables[j], rows[i].values[j], 1)
                                      : unsetenv(variables[j]));
        r = places_state(rows[i].chosen, &path, &err);
        if (!rows[i].path) {
            assert_int_equal(r, -ENOENT);
            assert_string_equal(err.message,
                                "there is no HOME to keep the state in: name a folder with -state");
            continue;
        }
        buf_addf(&wanted, "%s%s", str_starts(rows[i].path, "HERE") ? here : "",
                 rows[i].path + (str_starts(rows[i].path, "HERE") ? 4 : 0));
        assert_int_equal(r, 0);
        assert_string_equal(buf_str(&path), buf_str(&wanted));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_the_state_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
