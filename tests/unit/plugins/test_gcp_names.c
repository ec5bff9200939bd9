/* tests/unit/plugins/test_gcp_names.c - mirrors plugins/gcp/names.c: names that are the same for the same request, and tell
 * who ordered. */

#include "plugins/gcp/gcp.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* After the provider's header, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define REQUEST "6b1f0a3c-6c57-4c8e-9d5e-0a8f4c1d2e3f"
#define LONG "a123456789a123456789a123456789a123456789a123456789a1234567"
#define NOW INT64_C(1790000000000) /* an epoch is milliseconds since 1970 */

static bool is_google_name(const char *name)
{
    size_t len = strlen(name);

    return len >= 1 && len <= GCP_NAME_MAX && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && name[len - 1] != '-';
}

static void test_the_base_is_what_the_group_says(void **state)
{
    static const struct {
        const char *wanted, *base;
    } rows[] = {
        { "ci", "ci" },
        { "ci-runner", "ci-runner" },
        { "ci-####", "ci" },
        { "ci-", "ci" },
        { "", "my-group" },
        { "###", "my-group" },
        { LONG, "a123456789a123456789a123456789a1" },
        { "a23456789a23456789a23456789a234-x", "a23456789a23456789a23456789a234" },
    };
    char base[GCP_NAME_MAX + 1];

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        names_base(rows[i].wanted, "my-group", base);
        if (strcmp(base, rows[i].base) != 0)
            fail_msg("%s: %s", rows[i].wanted, base);
    }
    names_base("", LONG, base);
    assert_string_equal(base, "a123456789a123456789a123456789a1");
}

static const struct gcp_orderer by_one = { NOW, "4f2a1c" };

static void test_names_fit_and_tell_who_ordered(void **state)
{
    static const int64_t epochs[] = { 1, 35, 36, NOW, NOW + 1, INT64_C(32503680000000) };
    static const char *const bases[] = { "c", "ci-runner", "a123456789a123456789a123456789a1" };
    char name[GCP_NAME_MAX + 1];
    struct gcp_orderer got;

    (void) state;
    for (size_t i = 0; i < COUNT(epochs); i++)
        for (size_t j = 0; j < COUNT(bases); j++)
            for (uint32_t n = 0; n <= 9999; n += 1111) {
                struct gcp_orderer by = { epochs[i], "4f2a1c" };

                names_make(bases[j], &by, REQUEST, n, name);
                if (!is_google_name(name) || !names_read(bases[j], name, &got) ||
                    got.epoch != epochs[i] || strcmp(got.manager, "4f2a1c") != 0)
                    fail_msg("%s: %" PRIi64 " %s", name, got.epoch, got.manager);
            }
}

static void test_the_same_request_has_the_same_names(void **state)
{
    char one[GCP_NAME_MAX + 1], two[GCP_NAME_MAX + 1];

    (void) state;
    names_make("ci", &by_one, REQUEST, 3, one);
    names_make("ci", &by_one, REQUEST, 3, two);
    assert_string_equal(one, two);
    names_make("ci", &by_one, REQUEST, 4, two);
    assert_string_not_equal(one, two);
    names_make("ci", &by_one, "another", 3, two);
    assert_string_not_equal(one, two);
}

static void test_a_manager_is_the_same_under_another_name_of_its_machine(void **state)
{
    char one[GCP_MANAGER_SIZE], two[GCP_MANAGER_SIZE];

    (void) state;
    names_manager("s_1.a@here", one);
    names_manager("s_1.a@there", two);
    assert_string_equal(one, two);
    names_manager("s_2.a@here", two);
    assert_string_not_equal(one, two);
    names_manager("", two);
    assert_string_equal(two, GCP_NO_MANAGER);
}

static void test_other_names_tell_nothing(void **state)
{
    static const char *const names[] = {
        "",
        "ci",
        "ci-x7k2",
        "ci-a-b-c-0",
        "cx-1-4f2a1c-01234567-0",
        "ci-1-4f2a1c-0123456-0",
        "ci-1-4f2a1-01234567-0",
        "ci-1-4f2a1c-01234567-",
        "ci-1-4f2a1c-01234567-x",
        "ci-1-4f2a1c-0123456g-0",
        "ci--4f2a1c-01234567-0",
        "ci-1234567890-4f2a1c-01234567-0",
        "cii-1-4f2a1c-01234567-0",
    };
    struct gcp_orderer got;

    (void) state;
    for (size_t i = 0; i < COUNT(names); i++)
        if (names_read("ci", names[i], &got))
            fail_msg("%s: %" PRIi64, names[i], got.epoch);
    assert_true(names_read("ci", "ci-1-4f2a1c-01234567-0", &got));
    assert_int_equal(got.epoch, 1);
}

static void expect_uuid(const char *text)
{
    assert_int_equal(strlen(text), GCP_UUID_SIZE - 1);
    assert_int_equal(strspn(text, "0123456789abcdef-"), GCP_UUID_SIZE - 1);
    for (size_t i = 0; text[i]; i++)
        assert_int_equal(text[i] == '-', i == 8 || i == 13 || i == 18 || i == 23);
}

static void test_each_call_of_a_request_has_an_id_of_its_own(void **state)
{
    char first[GCP_UUID_SIZE], second[GCP_UUID_SIZE], again[GCP_UUID_SIZE];

    (void) state;
    names_request(REQUEST, 0, first);
    assert_string_equal(first, REQUEST);
    names_request(REQUEST, 1, second);
    expect_uuid(second);
    names_request(REQUEST, 2, again);
    assert_string_not_equal(second, again);
    names_request(REQUEST, 1, again);
    assert_string_equal(second, again);
    names_request("r-1", 0, first); /* Google takes UUIDs alone */
    expect_uuid(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_base_is_what_the_group_says),
        cmocka_unit_test(test_names_fit_and_tell_who_ordered),
        cmocka_unit_test(test_the_same_request_has_the_same_names),
        cmocka_unit_test(test_a_manager_is_the_same_under_another_name_of_its_machine),
        cmocka_unit_test(test_other_names_tell_nothing),
        cmocka_unit_test(test_each_call_of_a_request_has_an_id_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
