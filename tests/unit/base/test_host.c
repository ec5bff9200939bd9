/* tests/unit/base/test_host.c - mirrors core/base/host.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/host.h"
#include "core/base/str.h"

static void test_architecture_is_the_word_of_go(void **unused)
{
    (void) unused;
#if defined(__x86_64__)
    assert_string_equal(host_architecture(), "amd64");
#elif defined(__aarch64__)
    assert_string_equal(host_architecture(), "arm64");
#else
    assert_false(str_empty(host_architecture()));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_architecture_is_the_word_of_go) };

    return cmocka_run_group_tests_name("base-host", tests, NULL, NULL);
}
