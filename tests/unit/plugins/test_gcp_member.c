/* tests/unit/plugins/test_gcp_member.c - mirrors plugins/gcp/member.c: what the host hears of a member, and when. */

#include "plugins/gcp/gcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* After the provider's header, whose `fail` cmocka makes a macro. */
#include <cmocka.h>

#define MINUTE_MS INT64_C(60000)
#define START_MS (1000 * MINUTE_MS)
#define URL "\"instance\": \"https://x/compute/v1/projects/p/zones/europe-west1-b/instances/ci-1\""
#define ERRORS                                                                                     \
    "\"lastAttempt\": {\"errors\": {\"errors\": [{\"code\": \"QUOTA_EXCEEDED\", \"message\": "     \
    "\"Quota 'CPUS' exceeded.\"}]}}"

static const struct gcp_view nobody;

/* With what the look before has shown: the item `before`, or NULL. */
static struct gcp_member read_after(const char *before, const char *text, int64_t now_ms)
{
    struct json_object *item = json_tokener_parse(text);
    struct gcp_member known, member;
    struct gcp_view seen = nobody;

    assert_non_null(item);
    if (before) {
        known = read_after(NULL, before, START_MS);
        seen = (struct gcp_view) { .members = &known, .n = 1 };
    }
    assert_true(member_read(item, NULL, &seen, now_ms, &member));
    json_object_put(item);
    return member;
}

static void test_a_machine_is_known_by_its_name_and_number(void **state)
{
    struct gcp_member member = read_after(
        NULL,
        "{" URL ", \"name\": \"ci-1\", \"id\": \"18446744073709551615\", \"currentAction\": "
        "\"NONE\", \"instanceStatus\": \"RUNNING\"}",
        START_MS);

    (void) state;
    assert_string_equal(member.id, "ci-1/18446744073709551615");
    assert_string_equal(member.zone, "europe-west1-b");
    assert_int_equal(member.state, FLT_STATE_RUNNING);
    assert_true(member.listed);
    assert_string_equal(member.trouble, "");
}

static void test_the_group_s_zone_serves_where_the_item_has_none(void **state)
{
    struct json_object *item =
        json_tokener_parse("{\"name\": \"ci-1\", \"id\": \"7\", \"instanceStatus\": \"RUNNING\"}");
    struct gcp_member member;

    (void) state;
    assert_true(member_read(item, "europe-west1-c", &nobody, START_MS, &member));
    assert_string_equal(member.zone, "europe-west1-c");
    assert_true(member_read(item, NULL, &nobody, START_MS, &member));
    assert_string_equal(member.zone, "");
    json_object_put(item);
}

static void test_an_item_in_an_unknown_form_is_none(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        "{\"name\": \"Ci\", \"id\": \"7\"}",
        "{\"name\": \"ci 1\", \"id\": \"7\"}",
        "{\"name\": \"ci-1\", \"id\": \"-7\"}",
        "{\"name\": \"ci-1\", \"id\": \"7a\"}",
        "{\"name\": \"ci-1\", \"id\": \"123456789012345678901\"}",
        "{\"name\": \"a123456789a123456789a123456789a123456789a123456789a123456789a123\"}",
        "{\"name\": \"ci-1\", \"instance\": \"zones/A/instances/ci-1\"}",
    };
    struct gcp_member member;

    (void) state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct json_object *item = json_tokener_parse(texts[i]);

        if (member_read(item, NULL, &nobody, START_MS, &member))
            fail_msg("%s: %s", texts[i], member.id);
        json_object_put(item);
    }
}

static void test_an_order_without_a_machine_is_not_listed_until_it_fails(void **state)
{
    static const char order[] = "{" URL ", \"name\": \"ci-1\", \"currentAction\": \"CREATING\"}";
    struct gcp_member member = read_after(NULL, order, START_MS);

    (void) state;
    assert_false(member.listed);
    member = read_after(NULL,
                        "{" URL ", \"name\": \"ci-1\", \"id\": \"0\", \"currentAction\": "
                        "\"CREATING\"}",
                        START_MS);
    assert_string_equal(member.id, "ci-1");
    assert_false(member.listed);
    member = read_after(
        NULL, "{" URL ", \"name\": \"ci-1\", \"currentAction\": \"CREATING\", " ERRORS "}",
        START_MS);
    assert_string_equal(member.id, "ci-1");
    assert_true(member.listed);
    assert_int_equal(member.state, FLT_STATE_CREATING);
    assert_string_equal(member.trouble,
                        "Google cannot make it: QUOTA_EXCEEDED: Quota 'CPUS' exceeded.");
    member = read_after(
        NULL, "{" URL ", \"name\": \"ci-1\", \"currentAction\": \"DELETING\", " ERRORS "}",
        START_MS);
    assert_false(member.listed);
    /* Nobody could remove it. */
    member = read_after(NULL, "{\"name\": \"ci-1\", \"currentAction\": \"CREATING\", " ERRORS "}",
                        START_MS);
    assert_false(member.listed);
}

static void test_an_order_that_is_overdue_is_told(void **state)
{
    static const char order[] = "{" URL ", \"name\": \"ci-1\", \"currentAction\": \"CREATING\"}";
    static const char made[] =
        "{" URL ", \"name\": \"ci-1\", \"id\": \"7\", \"currentAction\": \"CREATING\"}";
    struct gcp_member member = read_after(order, order, START_MS + 14 * MINUTE_MS - 1);

    (void) state;
    assert_false(member.listed);
    assert_int_equal(member.since_ms, START_MS);
    member = read_after(order, order, START_MS + 14 * MINUTE_MS);
    assert_true(member.listed);
    assert_non_null(strstr(member.trouble, "has not made it for 14 minutes"));
    member = read_after(order, made, START_MS + 14 * MINUTE_MS);
    assert_string_equal(member.trouble, "");
    /* Its machine went just now: the group has time to make another. */
    member = read_after(made, order, START_MS + 14 * MINUTE_MS);
    assert_false(member.listed);
}

static void test_a_machine_that_is_replaced_is_told_and_its_successor_is_not(void **state)
{
#define MACHINE(number, action, status)                                                            \
    "{" URL ", \"name\": \"ci-1\", \"id\": \"" number "\", \"currentAction\": \"" action           \
    "\", \"instanceStatus\": \"" status "\"}"
    struct gcp_member member = read_after(MACHINE("7", "NONE", "RUNNING"),
                                          MACHINE("7", "RECREATING", "RUNNING"), START_MS);

    (void) state;
    assert_string_equal(member.trouble, "the group replaces it");
    member = read_after(MACHINE("7", "RECREATING", "RUNNING"),
                        MACHINE("8", "RECREATING", "STAGING"), START_MS);
    assert_string_equal(member.trouble, "");
    member = read_after(MACHINE("8", "RECREATING", "STAGING"),
                        MACHINE("8", "RECREATING", "RUNNING"), START_MS);
    assert_string_equal(member.trouble, "");
}

static void test_what_has_stopped_or_is_unfit_is_told(void **state)
{
#define HEALTH(state) "\"instanceHealth\": [{\"detailedHealthState\": \"" state "\"}]"
    static const struct {
        const char *item, *says;
    } rows[] = {
        { MACHINE("7", "NONE", "TERMINATED"), "it has stopped (TERMINATED)" },
        { MACHINE("7", "NONE", "SUSPENDED"), "" },
        { MACHINE("7", "SUSPENDING", "SUSPENDING"), "" },
        { "{" URL ", \"id\": \"7\", \"instanceStatus\": \"RUNNING\", " HEALTH("UNHEALTHY") "}",
          "it fails the group's health check" },
        { "{" URL ", \"id\": \"7\", \"instanceStatus\": \"RUNNING\", " HEALTH("TIMEOUT") "}",
          "it fails the group's health check" },
        { "{" URL ", \"id\": \"7\", \"instanceStatus\": \"RUNNING\", " HEALTH("HEALTHY") "}", "" },
        { "{" URL ", \"id\": \"7\", \"instanceStatus\": \"RUNNING\", " HEALTH("UNKNOWN") "}", "" },
        { "{" URL ", \"id\": \"7\", \"instanceStatus\": \"STAGING\", " HEALTH("UNHEALTHY") "}",
          "" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gcp_member member = read_after(NULL, rows[i].item, START_MS);

        if (strcmp(member.trouble, rows[i].says) != 0 || !member.listed)
            fail_msg("%s: %s", rows[i].item, member.trouble);
    }
}

static void test_when_its_time_ends(void **state)
{
    struct gcp_member member =
        read_after(NULL,
                   "{" URL ", \"id\": \"7\", \"instanceStatus\": \"RUNNING\", \"scheduling\": "
                   "{\"terminationTimestamp\": \"2026-11-26T00:30:00.250-08:00\"}}",
                   START_MS);

    (void) state;
    assert_int_equal(member.ends_ms, INT64_C(1795681800000));
}

static void test_members_are_in_order_and_each_once(void **state)
{
    struct gcp_member members[] = {
        { .id = "b/2" }, { .id = "a/1" }, { .id = "b/2" }, { .id = "a" }
    };
    struct gcp_view view = { .members = members, .n = COUNT(members) };

    (void) state;
    members_settle(&view);
    assert_int_equal(view.n, 3);
    assert_ptr_equal(find_member(&view, "a"), &members[0]);
    assert_ptr_equal(find_member(&view, "a/1"), &members[1]);
    assert_ptr_equal(find_member(&view, "b/2"), &members[2]);
    assert_null(find_member(&view, "b"));
    assert_null(find_member(&nobody, "b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_machine_is_known_by_its_name_and_number),
        cmocka_unit_test(test_the_group_s_zone_serves_where_the_item_has_none),
        cmocka_unit_test(test_an_item_in_an_unknown_form_is_none),
        cmocka_unit_test(test_an_order_without_a_machine_is_not_listed_until_it_fails),
        cmocka_unit_test(test_an_order_that_is_overdue_is_told),
        cmocka_unit_test(test_a_machine_that_is_replaced_is_told_and_its_successor_is_not),
        cmocka_unit_test(test_what_has_stopped_or_is_unfit_is_told),
        cmocka_unit_test(test_when_its_time_ends),
        cmocka_unit_test(test_members_are_in_order_and_each_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
