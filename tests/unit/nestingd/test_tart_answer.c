/* tests/unit/nestingd/test_tart_answer.c - mirrors nestingd/tart/answer.c and nestingd/tart/settings.c: what Tart prints,
 * and what a configuration says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/str.h"
#include "nestingd/tart/answer.h"
#include "nestingd/tart/settings.h"

static int add(void *arg, const struct tart_machine *machine)
{
    buf_addf(arg, "%s%s ", machine->name, machine->stopped ? "" : "!");
    return str_eq(machine->name, "end") ? -EEXIST : 0;
}

static void test_a_list_is_read_whole_or_not_at_all(void **unused)
{
    static const struct {
        const char *why, *text;
        int code;
        const char *names, *message;
    } cases[] = {
        { "Tart 2",
          "[ { \"Source\" : \"local\", \"Name\" : \"mac\", \"Running\" : false, \"State\" : "
          "\"stopped\" } ]",
          0, "mac ", NULL },
        { "without State, as before 2.0",
          "[{\"Source\":\"local\",\"Name\":\"a\",\"Running\":true},{\"Source\":\"local\",\"Name\":"
          "\"b\",\"Running\":false}]",
          0, "a! b ", NULL },
        { "one of before Running may run", "[{\"Source\":\"local\",\"Name\":\"a\"}]", 0, "a! ",
          NULL },
        { "a suspended one is to be stopped, too",
          "[{\"Source\":\"local\",\"Name\":\"a\",\"Running\":false,\"State\":\"suspended\"}]", 0,
          "a! ", NULL },
        { "images of registries are none",
          "[{\"Source\":\"OCI\",\"Name\":\"ghcr.io/a/"
          "b:1\"},{\"Source\":\"Local\",\"Name\":\"c\",\"State\":\"stopped\"}]",
          0, "c ", NULL },
        { "unknown members",
          "[{\"Source\":\"local\",\"Name\":\"a\",\"State\":\"running\",\"New\":[1]}]", 0, "a! ",
          NULL },
        { "none", "[\n\n]\n", 0, "", NULL },
        { "whoever reads may end it",
          "[{\"Source\":\"local\",\"Name\":\"end\"},{\"Source\":\"local\",\"Name\":\"a\"}]",
          -EEXIST, "end! ", NULL },
        { "nothing at all is no list", "", -EINVAL, "", "what tart lists: " },
        { "the table", "Source Name Disk Size SizeOnDisk State\nlocal mac 50 20 20 stopped\n",
          -EINVAL, "", "what tart lists: " },
        { "an object", "{}", -EINVAL, "", "what tart lists: it is no JSON array" },
        { "an entry without a name", "[{\"Source\":\"local\"}]", -EINVAL, "",
          "what tart lists: Name" },
        { "an entry without a source", "[{\"Name\":\"a\"}]", -EINVAL, "",
          "what tart lists: Source" },
        { "a number for a name", "[{\"Source\":\"local\",\"Name\":7}]", -EINVAL, "",
          "what tart lists: Name" },
        { "an entry that is none", "[7]", -EINVAL, "", "what tart lists: an entry is no object" },
        { "cut off", "[{\"Source\":\"local\",\"Name\":\"a\",\"State\":\"run", -EINVAL, "",
          "what tart lists: " },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf names = BUF_INIT;
        struct error err = { 0 };
        int r = tart_read_list(cases[i].text, strlen(cases[i].text), add, &names, &err);

        if ((r < 0) != (cases[i].code < 0) || (cases[i].code == -EEXIST && r != -EEXIST) ||
            !str_eq(buf_str(&names), cases[i].names) ||
            (cases[i].message && !str_starts(err.message, cases[i].message)))
            fail_msg("%s: %d '%s' '%s'", cases[i].why, r, buf_str(&names), err.message);
    }
}

static void test_what_an_image_needs(void **unused)
{
    static const char mac[] =
        "{ \"OS\" : \"darwin\", \"CPU\" : 4, \"Memory\" : 8192, \"Disk\" : 50 }";
    static const char odd[] = "{ \"CPU\" : -1 }";
    struct need need = { 0 };
    struct error err = { 0 };

    assert_int_equal(tart_read_get(mac, strlen(mac), &need, &err), 0);
    assert_int_equal(need.cpus, 4);
    assert_int_equal(need.memory_bytes, INT64_C(8192) << 20);
    assert_int_equal(need.disk_bytes, 0);
    assert_int_equal(tart_read_get(odd, strlen(odd), &need, &err), -ERANGE);
    assert_int_equal(tart_read_get("[]", 2, &need, &err), -EINVAL);
    assert_int_equal(need.cpus, 4);
}

static void test_an_address_is_one(void **unused)
{
    static const struct {
        const char *text, *address; /* NULL = refused */
    } cases[] = {
        { "192.168.64.5\n", "192.168.64.5" },
        { " fd00::1 \r\n", "fd00::1" },
        { "", NULL },
        { "\n", NULL },
        { "192.168.64.5\n192.168.64.6\n", NULL },
        { "192.168.64.5:22", NULL },
        { "host.example", NULL },
        { "-oProxyCommand=x", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char address[VM_ADDR_SIZE] = "";
        int r = tart_read_address(cases[i].text, strlen(cases[i].text), address, NULL);

        if ((r == 0) != (cases[i].address != NULL) ||
            (r == 0 && !str_eq(address, cases[i].address)))
            fail_msg("'%s': %d '%s'", cases[i].text, r, address);
    }
    assert_int_equal(tart_read_address("1.2.3.4\0x", 9, (char[VM_ADDR_SIZE]) { 0 }, NULL), -EINVAL);
}

static void test_progress_is_told_from_other_lines(void **unused)
{
    static const struct {
        const char *line;
        int percent; /* -1 = another line */
    } cases[] = {
        { "0%", 0 },         { "100%", 100 },
        { "\x1b[J55%", 55 }, { "\x1b[1A", -1 },
        { "%", -1 },         { "101%", -1 },
        { "12345%", -1 },    { "pulling disk (25.6 GB compressed)...", -1 },
        { "", -1 },          { "done: 12%", -1 },
        { "-1%", -1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int percent = -1;

        if (tart_read_percent(cases[i].line, &percent) != (cases[i].percent >= 0) ||
            percent != cases[i].percent)
            fail_msg("'%s': %d", cases[i].line, percent);
    }
}

static void test_names_that_are_ours(void **unused)
{
    static const char *const ours[] = { "nesting-ab12cd34", "nesting-00000000" };
    static const char *const others[] = { "",
                                          "mac",
                                          "nesting-",
                                          "nesting-ab12cd3",
                                          "nesting-ab12cd345",
                                          "nesting-AB12CD34",
                                          "nesting-ab12cd3/",
                                          "xnesting-ab12cd34" };

    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        assert_true(tart_is_ours(ours[i]));
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_false(tart_is_ours(others[i]));
}

static int read_settings(const char *text, struct tart_settings *ret, struct error *err)
{
    autojson json_t *object = NULL;

    assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
    return tart_settings_read(ret, object, err);
}

static void test_settings_are_laid_over_each_other(void **unused)
{
    struct tart_settings settings;

    tart_settings_init(&settings);
    assert_true(settings.softnet);
    assert_int_equal(settings.address_timeout_s, 300);
    assert_int_equal(
        read_settings("{\"network\":\"shared\",\"concurrency\":8,\"unknown\":1}", &settings, NULL),
        0);
    assert_int_equal(read_settings("{\"resolver\":\"agent\",\"prune_limit\":0,\"insecure\":true,"
                                   "\"address_timeout\":5}",
                                   &settings, NULL),
                     0);
    assert_false(settings.softnet);
    assert_string_equal(settings.resolver, "agent");
    assert_int_equal(settings.concurrency, 8);
    assert_int_equal(settings.prune_limit_gb, 0);
    assert_true(settings.insecure);
    assert_int_equal(settings.address_timeout_s, 5);
}

static void test_settings_that_are_wrong_change_nothing(void **unused)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "{\"network\":\"bridged\"}", "network: \"bridged\" is neither softnet nor shared" },
        { "{\"network\":1}", "network" },
        { "{\"resolver\":\"arp\"}", "resolver: \"arp\" is neither dhcp nor agent" },
        { "{\"address_timeout\":0}", "address_timeout" },
        { "{\"address_timeout\":65536}", "address_timeout" },
        { "{\"insecure\":\"yes\"}", "insecure" },
        { "{\"network\":\"shared\",\"concurrency\":0}", "concurrency" },
        { "{\"prune_limit\":-1}", "prune_limit" },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tart_settings settings;
        struct error err = { 0 };

        tart_settings_init(&settings);
        if (read_settings(cases[i].text, &settings, &err) != -EINVAL && err.code != -ERANGE)
            fail_msg("%s: taken", cases[i].text);
        if (!str_starts(err.message, cases[i].message) || !settings.softnet)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_list_is_read_whole_or_not_at_all),
        cmocka_unit_test(test_what_an_image_needs),
        cmocka_unit_test(test_an_address_is_one),
        cmocka_unit_test(test_progress_is_told_from_other_lines),
        cmocka_unit_test(test_names_that_are_ours),
        cmocka_unit_test(test_settings_are_laid_over_each_other),
        cmocka_unit_test(test_settings_that_are_wrong_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
