/* tests/unit/job/connect/test_winrm.c - what core/job/connect/winrm_soap.c and winrm_sealed.c write and read, and what is
 * said of it. Commands are run by tests/integration/test_winrm.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/str.h"
#include "core/job/connect/remote_tcp.h"
#include "core/job/connect/winrm_failure.h"
#include "core/job/connect/winrm_login.h"
#include "core/job/connect/winrm_sealed.h"
#include "core/job/connect/winrm_soap.h"

#define ENVELOPE(body)                                                                             \
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:r=\"x\" "               \
    "xmlns:w=\"y\"><s:Header/><s:Body>" body "</s:Body></s:Envelope>"
#define FAULT(subcode, detail)                                                                     \
    ENVELOPE("<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>" subcode          \
             "</s:Value></s:Subcode></s:Code><s:Reason><s:Text>So it is.\nAnd more.</s:Text>"      \
             "</s:Reason><s:Detail>" detail "</s:Detail></s:Fault>")
#define CREATED(selector)                                                                          \
    ENVELOPE("<r:ResourceCreated><r:ReferenceParameters><w:SelectorSet>" selector                  \
             "</w:SelectorSet></r:ReferenceParameters></r:ResourceCreated>")
#define RECEIVED(inside) ENVELOPE("<r:ReceiveResponse>" inside "</r:ReceiveResponse>")
#define DONE(code)                                                                                 \
    "<r:CommandState State=\"http://x/CommandState/Done\"><r:ExitCode>" code                       \
    "</r:ExitCode></r:CommandState>"

static void set(struct buf *buf, const char *text)
{
    buf_clear(buf);
    buf_add_str(buf, text);
}

static void test_a_request_says_where_and_how_long(void **unused)
{
    const struct soap_place place = {
        .url = "http://[::1]:5985/wsman?<&>", .timeout_ms = 2500, .shell = "S-1", .command = "C-1"
    };
    autobuf struct buf out = BUF_INIT;
    const char *text;

    soap_send(&out, &place, "\xff<a>", 4, true);
    text = buf_str(&out);
    assert_non_null(strstr(text, "<a:To>http://[::1]:5985/wsman?&#60;&#38;&#62;</a:To>"));
    assert_non_null(strstr(text, "<w:OperationTimeout>PT2.500S</w:OperationTimeout>"));
    assert_non_null(strstr(text, "<w:Selector Name=\"ShellId\">S-1</w:Selector>"));
    assert_non_null(strstr(text, "CommandId=\"C-1\" End=\"true\">/zxhPg==</rsp:Stream>"));
}

static void test_a_command_arrives_as_it_is(void **unused)
{
    const struct soap_place place = { .url = "u", .shell = "S" };
    autobuf struct buf out = BUF_INIT;

    soap_command(&out, &place, "sh -c 'a < b && \"c\"\n\td'");
    assert_non_null(strstr(buf_str(&out), "<rsp:Command>sh -c &#39;a &#60; b &#38;&#38; "
                                          "&#34;c&#34;&#10;&#9;d&#39;</rsp:Command>"));
}

static void test_ids_are_names_alone(void **unused)
{
    static const struct {
        const char *why, *answer, *want;
        int r;
    } cases[] = {
        { "the selector of that name counts",
          CREATED("<w:Selector Name=\"Other\">X</w:Selector>"
                  "<w:Selector Name=\"ShellId\">4A-b</w:Selector>"),
          "4A-b", 0 },
        { "none", CREATED("<w:Selector Name=\"Other\">X</w:Selector>"), NULL, -EPROTO },
        { "one that would end its element",
          CREATED("<w:Selector Name=\"ShellId\">a&lt;b</w:Selector>"), NULL, -EPROTO },
        { "an empty one", CREATED("<w:Selector Name=\"ShellId\"/>"), NULL, -EPROTO },
        { "64 letters",
          CREATED("<w:Selector Name=\"ShellId\">"
                  "0123456789012345678901234567890123456789012345678901234567890123</w:Selector>"),
          "0123456789012345678901234567890123456789012345678901234567890123", 0 },
        { "more letters than an id has",
          CREATED("<w:Selector Name=\"ShellId\">"
                  "01234567890123456789012345678901234567890123456789012345678901234</w:Selector>"),
          NULL, -EPROTO },
        { "another answer", RECEIVED(""), NULL, -EPROTO },
        { "no XML", "HTTP", NULL, -EPROTO },
        { "a document type", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", NULL, -EPROTO },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf answer = BUF_INIT;
        char id[SOAP_ID_SIZE] = "";
        struct soap_fault fault;
        struct error err = { 0 };
        int r;

        set(&answer, cases[i].answer);
        r = soap_read_shell(&answer, id, &fault, &err);
        if (r != cases[i].r || (r == 0 && strcmp(id, cases[i].want) != 0))
            fail_msg("%s: got %d '%s' %s", cases[i].why, r, id, err.message);
        if (r < 0)
            assert_true(str_starts(err.message, "what the instance answers is not WinRM's: "));
    }
}

/* "out|err" of what came. */
static int take(void *arg, bool is_stderr, const void *data, size_t len)
{
    struct buf *streams = arg;

    buf_add(&streams[is_stderr], data, len);
    return len == 4 && memcmp(data, "stop", 4) == 0 ? -EIO : 0;
}

static void test_output_and_status_are_read(void **unused)
{
    static const struct {
        const char *why, *answer, *want_out, *want_err;
        int r;
        bool done;
        int status;
    } cases[] = {
        { "both streams, in their order",
          RECEIVED(
              "<r:Stream Name=\"stdout\">YQ==</r:Stream><r:Stream Name=\"stderr\">ZQ==</r:Stream>"
              "<r:Stream Name=\"stdout\">Yg==</r:Stream>"),
          "ab", "e", 0, false, 0 },
        { "the end of a stream is empty", RECEIVED("<r:Stream Name=\"stdout\" End=\"true\"/>"), "",
          "", 0, false, 0 },
        { "a status", RECEIVED(DONE("7")), "", "", 0, true, 7 },
        { "a status of Windows, without its sign", RECEIVED(DONE("3221225786")), "", "", 0, true,
          -1073741510 },
        { "and with it", RECEIVED(DONE("-1")), "", "", 0, true, -1 },
        { "a status that is none", RECEIVED(DONE("x")), "", "", -EPROTO, false, 0 },
        { "more than 32 bits", RECEIVED(DONE("4294967296")), "", "", -EPROTO, false, 0 },
        { "an end without a status",
          RECEIVED("<r:CommandState State=\"http://x/CommandState/Done\"/>"), "", "", -EPROTO,
          false, 0 },
        { "a command that runs",
          RECEIVED("<r:CommandState State=\"http://x/CommandState/Running\"/>"), "", "", 0, false,
          0 },
        { "a stream of another name", RECEIVED("<r:Stream Name=\"pr\">YQ==</r:Stream>"), "", "",
          -EPROTO, false, 0 },
        { "what is not base64", RECEIVED("<r:Stream Name=\"stdout\">Y?==</r:Stream>"), "", "",
          -EPROTO, false, 0 },
        { "a reader that stops",
          RECEIVED("<r:Stream Name=\"stdout\">c3RvcA==</r:Stream>"
                   "<r:Stream Name=\"stdout\">YQ==</r:Stream>" DONE("0")),
          "stop", "", -EIO, false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf streams[2] = { BUF_INIT, BUF_INIT };
        struct soap_output output = { .take = take, .arg = streams };
        autobuf struct buf answer = BUF_INIT;
        struct soap_fault fault;
        int r;

        set(&answer, cases[i].answer);
        r = soap_read_output(&answer, &output, &fault, NULL);
        if (r != cases[i].r || output.done != cases[i].done || output.status != cases[i].status ||
            strcmp(buf_str(&streams[0]), cases[i].want_out) != 0 ||
            strcmp(buf_str(&streams[1]), cases[i].want_err) != 0)
            fail_msg("%s: got %d, '%s' '%s', %d %d", cases[i].why, r, buf_str(&streams[0]),
                     buf_str(&streams[1]), output.done, output.status);
        buf_done(&streams[0]);
        buf_done(&streams[1]);
    }
}

static void test_faults_are_said_in_words(void **unused)
{
    static const struct {
        const char *why, *answer, *want;
        int want_code;
    } cases[] = {
        { "a quota", FAULT("w:QuotaLimit", ""),
          "making a shell: WinRM says: So it is.; raise MaxShellsPerUser, MaxConcurrentUsers, "
          "MaxProcessesPerShell or MaxMemoryPerShellMB of winrm/config/winrs on the instance to "
          "what capacity_per_instance needs",
          -EAGAIN },
        { "a right", FAULT("w:AccessDenied", ""),
          "making a shell: WinRM says: So it is.; the account must be an administrator, or a "
          "member of Remote Management Users",
          -EACCES },
        { "a shell that is gone", FAULT("w:InvalidSelectors", ""),
          "making a shell: WinRM says: So it is.; its shell has expired, or WinRM was restarted",
          -EPIPE },
        { "a program that is not there, by Windows' code",
          FAULT("w:InternalError", "<f:WSManFault xmlns:f=\"f\" Code=\"2147942402\"/>"),
          "making a shell: WinRM says: So it is.; is the program of connector_config's shell "
          "installed, and in the account's PATH?",
          -ENOENT },
        { "what we do not know", FAULT("w:Else", ""), "making a shell: WinRM says: So it is.",
          -EPIPE },
        { "what says nothing", ENVELOPE("<s:Fault/>"),
          "making a shell: WinRM says: it does not say why", -EPIPE },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf answer = BUF_INIT;
        struct soap_fault fault;
        struct error err = { 0 };

        set(&answer, cases[i].answer);
        assert_int_equal(soap_read_nothing(&answer, &fault, &err), -EREMOTEIO);
        if (winrm_failed_fault(&err, "making a shell", &fault) != cases[i].want_code ||
            strcmp(err.message, cases[i].want) != 0)
            fail_msg("%s: got %d %s", cases[i].why, err.code, err.message);
    }
}

#define SEALED_HEAD(boundary)                                                                      \
    boundary "\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"                   \
             "\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=3\r\n" boundary    \
             "\r\n\tContent-Type: application/octet-stream\r\n"
#define PLAIN_HEAD SEALED_HEAD("--Encrypted Boundary")

static void test_what_is_sealed_travels_in_two_parts(void **unused)
{
    autobuf struct buf out = BUF_INIT;

    sealed_write(&out, 3, (struct sealed_piece) { "sig", 3 }, (struct sealed_piece) { "--\0", 3 });
    assert_int_equal(out.len, sizeof(PLAIN_HEAD "\3\0\0\0sig--\0--Encrypted Boundary--\r\n") - 1);
    assert_memory_equal(out.data, PLAIN_HEAD "\3\0\0\0sig--\0--Encrypted Boundary--\r\n", out.len);
}

static void test_what_is_sealed_is_found_in_its_parts(void **unused)
{
#define BODY(text) text, sizeof(text) - 1
    static const struct {
        const char *why, *body;
        size_t body_len;
        int r;
        const char *want;
        size_t want_len;
    } cases[] = {
        { "as we write it", BODY(PLAIN_HEAD "\1\0\0\0sdata--Encrypted Boundary--\r\n"), 0,
          BODY("data") },
        { "with a blank in its boundary",
          BODY(SEALED_HEAD("-- Encrypted Boundary") "\1\0\0\0sdata-- Encrypted Boundary--\r\n"), 0,
          BODY("data") },
        { "data that looks like a boundary",
          BODY(PLAIN_HEAD "\1\0\0\0s--Encrypted Boundary\r\n----Encrypted Boundary--\r\n"), 0,
          BODY("--Encrypted Boundary\r\n--") },
        { "nothing in it", BODY(PLAIN_HEAD "\1\0\0\0s--Encrypted Boundary--\r\n"), 0, BODY("") },
        { "a signature that is too long",
          BODY(PLAIN_HEAD "\6\0\0\0sdata--Encrypted Boundary--\r\n"), -EPROTO, NULL, 0 },
        { "a length of 4 GiB", BODY(PLAIN_HEAD "\xff\xff\xff\xffsdata--Encrypted Boundary--\r\n"),
          -EPROTO, NULL, 0 },
        { "no room for a length", BODY(PLAIN_HEAD "\1\0\0--Encrypted Boundary--\r\n"), -EPROTO,
          NULL, 0 },
        { "no end", BODY(PLAIN_HEAD "\1\0\0\0sdata"), -EPROTO, NULL, 0 },
        { "no first part",
          BODY("--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\1\0\0\0s"
               "--Encrypted Boundary--\r\n"),
          -EPROTO, NULL, 0 },
        { "nothing", BODY(""), -EPROTO, NULL, 0 },
    };
#undef BODY

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf body = BUF_INIT;
        struct sealed_piece signature = { 0 }, data = { 0 };
        size_t plain_len = 0;
        int r;

        buf_add(&body, cases[i].body, cases[i].body_len);
        r = sealed_read(&body, &plain_len, &signature, &data, NULL);
        if (r != cases[i].r)
            fail_msg("%s: got %d", cases[i].why, r);
        if (r < 0)
            continue;
        assert_int_equal(plain_len, 3);
        assert_int_equal(signature.len, 1);
        if (data.len != cases[i].want_len || memcmp(data.data, cases[i].want, data.len) != 0)
            fail_msg("%s: got '%.*s'", cases[i].why, (int) data.len, (const char *) data.data);
    }
}

static void test_the_size_of_an_envelope_is_read(void **unused)
{
#define CONFIG(inside) ENVELOPE("<r:Config>" inside "</r:Config>")
    static const struct {
        const char *why, *answer;
        int r;
        size_t want;
    } cases[] = {
        { "KiB", CONFIG("<r:MaxEnvelopeSizekb>500</r:MaxEnvelopeSizekb>"), 0, 512000 },
        { "the most that there is", CONFIG("<r:MaxEnvelopeSizekb>2147483647</r:MaxEnvelopeSizekb>"),
          0, 2147483647UL * 1024 },
        { "more", CONFIG("<r:MaxEnvelopeSizekb>2147483648</r:MaxEnvelopeSizekb>"), -EPROTO, 0 },
        { "none", CONFIG("<r:MaxTimeoutms>60000</r:MaxTimeoutms>"), -EPROTO, 0 },
        { "nothing at all", CONFIG("<r:MaxEnvelopeSizekb>0</r:MaxEnvelopeSizekb>"), -EPROTO, 0 },
        { "no number", CONFIG("<r:MaxEnvelopeSizekb>-5</r:MaxEnvelopeSizekb>"), -EPROTO, 0 },
        { "a refusal", FAULT("w:AccessDenied", ""), -EREMOTEIO, 0 },
    };
#undef CONFIG

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        autobuf struct buf answer = BUF_INIT;
        struct soap_fault fault;
        size_t size = 0;
        int r;

        set(&answer, cases[i].answer);
        r = soap_read_config(&answer, &size, &fault, NULL);
        if (r != cases[i].r || size != cases[i].want)
            fail_msg("%s: got %d, %zu", cases[i].why, r, size);
    }
}

static void test_who_does_not_read_is_no_failure(void **unused)
{
    static const struct {
        const char *why;
        int64_t code;
        bool want;
    } cases[] = {
        { "a broken pipe", 109, true },
        { "one that is being closed", 232, true },
        { "as COM says it", 0x8007006d, true },
        { "another's code with that number", 0x8033006d, false },
        { "no code", 0, false },
        { "a file that is not there", 0x80070002, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct soap_fault fault = { .code = cases[i].code };

        if (winrm_is_unread_input(&fault) != cases[i].want)
            fail_msg("%s", cases[i].why);
    }
}

/* A challenge whose flags and length of its name somebody changed on its way. */
static int answer_challenge(uint32_t flags, char name_len, struct buf *answer, struct error *err)
{
    /* The flags are at 20; its name, and the same as that of its machine. */
    static const char whole[] = "NTLMSSP\0\2\0\0\0"
                                "\4\0\4\0\70\0\0\0"
                                "\0\0\0\0"
                                "\1\2\3\4\5\6\7\10"
                                "\0\0\0\0\0\0\0\0"
                                "\14\0\14\0\74\0\0\0"
                                "\0\14\4\0\0\0\0\17"
                                "V\0M\0"
                                "\1\0\4\0V\0M\0"
                                "\0\0\0";
    const struct remote_options options = { .address = "192.0.2.1",
                                            .username = "DOMAIN\\user",
                                            .password = "password" };
    char challenge[sizeof(whole)];
    autobuf struct buf first = BUF_INIT, token = BUF_INIT;
    struct winrm_login *login = NULL;
    int r;

    memcpy(challenge, whole, sizeof(whole));
    for (size_t i = 0; i < sizeof(flags); i++)
        challenge[20 + i] = (char) (flags >> (8 * i));
    challenge[12] = challenge[14] = name_len;
    (void) base64_encode(&token, challenge, sizeof(challenge));
    assert_int_equal(winrm_login_new(&options, &login, NULL), 0);
    assert_int_equal(winrm_login_step(login, "", &first, NULL), 0);
    r = winrm_login_step(login, buf_str(&token), answer, err);
    winrm_login_free(login);
    return r;
}

static void test_nothing_is_told_to_ntlm_that_is_weak(void **unused)
{
    static const uint32_t all = 0xe28a8235, bits_128 = 0x20000000, bits_56 = 0x80000000,
                          session_security = 0x00080000;
    const uint32_t weak[] = { all & ~bits_128, all & ~(bits_128 | bits_56),
                              all & ~session_security };
    autobuf struct buf answer = BUF_INIT;
    struct error err = { 0 };

    assert_int_equal(answer_challenge(all, 4, &answer, &err), 1);
    assert_true(answer.len > 0);
    for (size_t i = 0; i < ARRAY_LEN(weak); i++) {
        buf_clear(&answer);
        assert_int_equal(answer_challenge(weak[i], 4, &answer, &err), -EACCES);
        assert_string_equal(err.message,
                            "the instance wants NTLM with weak encryption; nothing is told to it");
        assert_int_equal(answer.len, 0);
    }
}

static void test_ntlm_without_a_name_is_no_crash(void **unused)
{
    autobuf struct buf answer = BUF_INIT;
    struct error err = { 0 };

    assert_int_equal(answer_challenge(0xe28a8235, 0, &answer, &err), -EPROTO);
    assert_string_equal(err.message, "the instance's NTLM does not say its name");
}

static void test_nothing_that_listens(void **unused)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    autoclose int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct remote_options options = { .protocol = "winrm", .address = "127.0.0.1" };
    socklen_t len = sizeof(address);
    struct error err = { 0 };
    char want[160];
    int fd = -1;

    /* Bound, but nobody listens. */
    assert_int_equal(bind(taken, (const struct sockaddr *) &address, len), 0);
    assert_int_equal(getsockname(taken, (struct sockaddr *) &address, &len), 0);
    options.port = ntohs(address.sin_port);
    assert_int_equal(remote_tcp_open(&options, INT64_MAX, &fd, &err), -ECONNREFUSED);
    (void) snprintf(want, sizeof(want),
                    "connecting to 127.0.0.1 port %u: Connection refused; does WinRM listen there, "
                    "and is protocol_port right?",
                    options.port);
    assert_string_equal(err.message, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_says_where_and_how_long),
        cmocka_unit_test(test_a_command_arrives_as_it_is),
        cmocka_unit_test(test_ids_are_names_alone),
        cmocka_unit_test(test_output_and_status_are_read),
        cmocka_unit_test(test_faults_are_said_in_words),
        cmocka_unit_test(test_what_is_sealed_travels_in_two_parts),
        cmocka_unit_test(test_what_is_sealed_is_found_in_its_parts),
        cmocka_unit_test(test_the_size_of_an_envelope_is_read),
        cmocka_unit_test(test_who_does_not_read_is_no_failure),
        cmocka_unit_test(test_nothing_is_told_to_ntlm_that_is_weak),
        cmocka_unit_test(test_ntlm_without_a_name_is_no_crash),
        cmocka_unit_test(test_nothing_that_listens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
