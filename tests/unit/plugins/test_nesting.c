/* tests/unit/plugins/test_nesting.c - the messages of the nesting daemon byte for byte, what is taken of its answers, and
 * the forms of nesting_host. The bytes are those of the reference, as another encoder writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/nesting/nesting.h"

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* "0a 03 6d" as bytes. */
static size_t bytes_of(const char *hex, unsigned char *ret)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (; *hex; hex += hex[2] ? 3 : 2)
        ret[n++] = (unsigned char) ((strchr(digits, hex[0]) - digits) << 4 |
                                    (strchr(digits, hex[1]) - digits));
    return n;
}

static void expect_bytes(unsigned char *data, size_t len, const char *hex)
{
    unsigned char want[256];

    assert_non_null(data);
    assert_int_equal(len, bytes_of(hex, want));
    assert_memory_equal(data, want, len);
    free(data);
}

static void test_nesting_wire_requests_are_those_of_the_reference(void **state)
{
    unsigned char *data;
    size_t len;

    (void) state;
    data = request_init("{}", &len);
    expect_bytes(data, len, "0a 02 7b 7d");
    data = request_init("null", &len);
    expect_bytes(data, len, "0a 04 6e 75 6c 6c");
    data = request_create("mac", 0, &len);
    expect_bytes(data, len, "0a 03 6d 61 63 10 00");
    data = request_create("mac", FLT_SLOT_NONE, &len);
    expect_bytes(data, len, "0a 03 6d 61 63");
    /* The reference's -1 is no slot here; the lowest number that is one has the same ten bytes of sign. */
    data = request_create("mac", -2, &len);
    expect_bytes(data, len, "0a 03 6d 61 63 10 fe ff ff ff ff ff ff ff ff 01");
    data = request_delete("nesting-ab12cd34", &len);
    expect_bytes(data, len, "0a 10 6e 65 73 74 69 6e 67 2d 61 62 31 32 63 64 33 34");
}

static void test_nesting_wire_frames_are_those_of_the_reference(void **state)
{
    static const struct {
        const char *message, *frame;
    } rows[] = {
        { "", "00 00 00 00 00" },
        { "0a 02 7b 7d", "00 00 00 00 04 0a 02 7b 7d" },
        { "0a 03 6d 61 63 10 00", "00 00 00 00 07 0a 03 6d 61 63 10 00" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char message[64], *frame;
        size_t len;

        frame = flt_grpc_frame(message, bytes_of(rows[i].message, message), &len);
        expect_bytes(frame, len, rows[i].frame);
    }
}

struct seen {
    unsigned n;
    char id[300], name[300], addr[300], stomped[300];
    int32_t result;
};

static int32_t see(void *arg, const struct flt_vm *vm)
{
    struct seen *seen = arg;

    seen->n++;
    (void) snprintf(seen->id, sizeof(seen->id), "%s", vm->id);
    (void) snprintf(seen->name, sizeof(seen->name), "%s", vm->name);
    (void) snprintf(seen->addr, sizeof(seen->addr), "%s", vm->addr);
    (void) snprintf(seen->stomped, sizeof(seen->stomped), "%s",
                    vm->stomped_id ? vm->stomped_id : "NULL");
    return seen->result;
}

#define CREATED                                                                                    \
    "0a 25 0a 10 6e 65 73 74 69 6e 67 2d 61 62 31 32 63 64 33 34 12 03 6d 61 63 1a 0c 31 39 32 "   \
    "2e 31 36 38 2e 36 34 2e 35"

static void test_nesting_wire_answers_of_the_reference_are_read(void **state)
{
    unsigned char data[256];
    char why[FLT_ERROR_MAX];
    struct seen seen = { 0 };
    size_t len = bytes_of(CREATED, data);

    (void) state;
    assert_int_equal(answer_create(data, len, see, &seen, why), FLT_OK);
    assert_string_equal(seen.id, "nesting-ab12cd34");
    assert_string_equal(seen.name, "mac");
    assert_string_equal(seen.addr, "192.168.64.5");
    assert_string_equal(seen.stomped, "NULL");
    len = bytes_of(CREATED " 12 10 6e 65 73 74 69 6e 67 2d 7a 7a 39 39 79 79 38 38", data);
    assert_int_equal(answer_create(data, len, see, &seen, why), FLT_OK);
    assert_string_equal(seen.stomped, "nesting-zz99yy88");
    len = bytes_of("0a 20 0a 10 6e 65 73 74 69 6e 67 2d 61 62 31 32 63 64 33 34 1a 0c 31 39 32 2e "
                   "31 36 38 2e 36 34 2e 35",
                   data);
    assert_int_equal(answer_list(data, len, see, &seen, why), FLT_OK);
    assert_string_equal(seen.name, "");
    assert_int_equal(seen.n, 3);
    assert_int_equal(answer_list(data, 0, see, &seen, why), FLT_OK); /* an empty List */
    assert_int_equal(seen.n, 3);
}

static void test_answers_that_are_wrong_are_refused(void **state)
{
    static const struct {
        const char *hex, *why;
    } rows[] = {
        { "", "it answered with no VM" },
        { "0a 7f 00", "it answered with bytes that are no CreateResponse" },
        { "0a 00", "it answered with an id of a VM that is none" },
        { "0a 05 0a 03 61 20 62", "it answered with an id of a VM that is none" },
        { "0a 06 0a 01 61 1a 01 20", "it answered with an address of a VM that is none" },
        { "0a 03 0a 01 61 12 01 0a", "it answered with an id of a stomped VM that is none" },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char data[64];
        char why[FLT_ERROR_MAX] = "";
        struct seen seen = { 0 };

        assert_int_equal(answer_create(data, bytes_of(rows[i].hex, data), see, &seen, why),
                         FLT_E_INTERNAL);
        assert_string_equal(why, rows[i].why);
        assert_int_equal(seen.n, 0);
    }
}

/* n VMs, named "a0" onwards or all the same. */
static size_t make_list(unsigned n, bool same, unsigned char *ret)
{
    size_t len = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned char one[] = { 0x0a,
                                4,
                                0x0a,
                                2,
                                (unsigned char) ('a' + (same ? 0 : i / 10)),
                                (unsigned char) ('0' + (same ? 0 : i % 10)) };

        memcpy(ret + len, one, sizeof(one));
        len += sizeof(one);
    }
    return len;
}

static void test_a_list_has_64_vms_at_most_and_each_once(void **state)
{
    unsigned char data[65 * 6];
    char why[FLT_ERROR_MAX];
    struct seen seen = { 0 };

    (void) state;
    assert_int_equal(answer_list(data, make_list(64, false, data), see, &seen, why), FLT_OK);
    assert_int_equal(seen.n, 64);
    assert_int_equal(answer_list(data, make_list(65, false, data), see, &seen, why),
                     FLT_E_INTERNAL);
    assert_string_equal(why, "it answered with more than 64 VMs");
    assert_int_equal(answer_list(data, make_list(2, true, data), see, &seen, why), FLT_E_INTERNAL);
    assert_string_equal(why, "it answered with one VM twice");
    assert_int_equal(seen.n, 64);
}

static void test_a_sink_that_says_stop_is_obeyed(void **state)
{
    unsigned char data[65 * 6];
    char why[FLT_ERROR_MAX];
    struct seen seen = { .result = 1 };

    (void) state;
    assert_int_equal(answer_list(data, make_list(3, false, data), see, &seen, why),
                     FLT_E_CANCELLED);
    assert_int_equal(seen.n, 1);
}

static void test_what_is_missing_and_what_is_about_init(void **state)
{
    static const struct {
        struct flt_grpc_answer answer;
        bool missing, init;
    } rows[] = {
        { { .status = 2, .message = "no vm (nesting-a) found" }, true, false },
        { { .status = 2, .message = "no vm (" }, false, false },
        { { .status = 2, .message = "stopping vm (a): no vm (a) found, later" }, false, false },
        { { .status = 5 }, true, false },
        { { .status = 9, .message = "not initialized" }, false, true },
        { { .status = 9, .message = "already initialized" }, false, true },
        { { .status = 9, .message = "not ready" }, false, false },
        { { .status = 2, .message = "not initialized" }, false, false },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(answer_is_missing(&rows[i].answer), rows[i].missing);
        assert_int_equal(answer_is_about_init(&rows[i].answer), rows[i].init);
    }
}

static void test_forms_of_nesting_host(void **state)
{
    static const char form[] =
        "vm_isolation.nesting_host must be unix:///PATH, tcp://HOST:PORT or HOST:PORT";
    static const char absolute[] =
        "vm_isolation.nesting_host needs an absolute path, as in unix:///run/nesting.sock";
    static const struct {
        const char *given, *address, *why;
    } rows[] = {
        { "unix:///run/nesting.sock", "unix:/run/nesting.sock", NULL },
        { "unix:/run/nesting.sock", "unix:/run/nesting.sock", NULL },
        { "unix:///Users/ec2-user/Library/Application Support/nesting.sock",
          "unix:/Users/ec2-user/Library/Application Support/nesting.sock", NULL },
        { "unix:///Application%20Support/n.sock", "unix:/Application Support/n.sock", NULL },
        { "tcp://127.0.0.1:7777", "tcp:127.0.0.1:7777", NULL },
        { "mac.internal:7777", "tcp:mac.internal:7777", NULL },
        { "tcp://[::1]:80", "tcp:[::1]:80", NULL },
        { "", NULL,
          "vm_isolation.nesting_host is empty: it names the socket of the nesting daemon on the "
          "instance, as in unix:///run/nesting.sock" },
        { "unix:nesting.sock", NULL, absolute },
        { "unix://nesting.sock", NULL, absolute },
        { "unix:", NULL, absolute },
        { "unix:/", NULL, absolute },
        { "unix:~/nesting.sock", NULL,
          "vm_isolation.nesting_host begins with ~, which nobody expands on the instance: write "
          "the home directory out, as in unix:///Users/ec2-user/nesting.sock" },
        { "unix:///a%2", NULL,
          "vm_isolation.nesting_host has a path with a broken % or a control character, or one "
          "too long" },
        { "unix:///a%00b", NULL,
          "vm_isolation.nesting_host has a path with a broken % or a control character, or one "
          "too long" },
        { "name", NULL, form },
        { "dns:///host:80", NULL, form },
        { "host:0", NULL, form },
        { "host:65536", NULL, form },
        { "host: 80", NULL, form },
        { "a b:80", NULL, form },
        { "[::1:80", NULL, form },
    };

    (void) state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char address[NESTING_ADDRESS_SIZE] = "", why[FLT_ERROR_MAX] = "";
        int r = target_parse(rows[i].given, address, why);

        if (r != (rows[i].why ? -1 : 0))
            fail_msg("'%s': %d", rows[i].given, r);
        if (rows[i].why)
            assert_string_equal(why, rows[i].why);
        else
            assert_string_equal(address, rows[i].address);
    }
}

static void test_a_path_that_no_socket_can_have_is_refused(void **state)
{
    char given[256], address[NESTING_ADDRESS_SIZE], why[FLT_ERROR_MAX];

    (void) state;
    (void) snprintf(given, sizeof(given), "unix:///%0106d", 0);
    assert_int_equal(target_parse(given, address, why), 0);
    (void) snprintf(given, sizeof(given), "unix:///%0107d", 0);
    assert_int_equal(target_parse(given, address, why), -1);
    assert_string_equal(why,
                        "vm_isolation.nesting_host has a path of more than 107 bytes, which no "
                        "socket can have");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting_wire_requests_are_those_of_the_reference),
        cmocka_unit_test(test_nesting_wire_frames_are_those_of_the_reference),
        cmocka_unit_test(test_nesting_wire_answers_of_the_reference_are_read),
        cmocka_unit_test(test_answers_that_are_wrong_are_refused),
        cmocka_unit_test(test_a_list_has_64_vms_at_most_and_each_once),
        cmocka_unit_test(test_a_sink_that_says_stop_is_obeyed),
        cmocka_unit_test(test_what_is_missing_and_what_is_about_init),
        cmocka_unit_test(test_forms_of_nesting_host),
        cmocka_unit_test(test_a_path_that_no_socket_can_have_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
