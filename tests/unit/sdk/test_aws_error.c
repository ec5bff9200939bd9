/* tests/unit/sdk/test_aws_error.c - mirrors sdk/lib/aws_error.c, and flt_text_clean(). The forms in which services answer
 * are sent by tests/integration/test_aws_client.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/aws_error.h"

#include <cmocka.h> /* behind provider.h, which its fail() would break */

#include <string.h>

/* providers.md 3.7, and what the pages of AWS on common errors list. */
static void test_each_code_means_one_thing(void **unused)
{
    static const struct {
        const char *code;
        long status;
        int32_t result;
        int transient, refused, keys, clock;
    } rows[] = {
        { "Throttling", 400, FLT_E_THROTTLED, 1, 1, 0, 0 },
        { "ThrottlingException", 400, FLT_E_THROTTLED, 1, 1, 0, 0 },
        { "RequestLimitExceeded", 503, FLT_E_THROTTLED, 1, 1, 0, 0 },
        { "TooManyRequestsException", 429, FLT_E_THROTTLED, 1, 1, 0, 0 },
        { "", 429, FLT_E_THROTTLED, 1, 1, 0, 0 },
        { "ScalingActivityInProgress", 400, FLT_E_UNAVAILABLE, 1, 1, 0, 0 },
        { "ResourceContention", 500, FLT_E_UNAVAILABLE, 1, 1, 0, 0 },
        { "InternalFailure", 500, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "InternalError", 500, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "Unavailable", 503, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "", 500, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "", 502, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "NewName", 599, FLT_E_UNAVAILABLE, 1, 0, 0, 0 },
        { "ExpiredToken", 403, FLT_E_AUTH, 0, 1, 1, 1 },
        { "ExpiredTokenException", 400, FLT_E_AUTH, 0, 1, 1, 1 },
        { "RequestExpired", 400, FLT_E_AUTH, 0, 1, 1, 1 },
        { "InvalidClientTokenId", 403, FLT_E_AUTH, 0, 1, 1, 1 },
        { "UnrecognizedClientException", 400, FLT_E_AUTH, 0, 1, 1, 1 },
        { "AuthFailure", 401, FLT_E_AUTH, 0, 1, 1, 1 },
        { "SignatureDoesNotMatch", 403, FLT_E_AUTH, 0, 1, 1, 1 },
        { "InvalidSignatureException", 400, FLT_E_AUTH, 0, 1, 1, 1 },
        { "RequestTimeTooSkewed", 403, FLT_E_AUTH, 0, 1, 1, 1 },
        { "AccessDenied", 403, FLT_E_AUTH, 0, 1, 0, 0 },
        { "AccessDeniedException", 400, FLT_E_AUTH, 0, 1, 0, 0 },
        { "UnauthorizedOperation", 403, FLT_E_AUTH, 0, 1, 0, 0 },
        { "", 403, FLT_E_AUTH, 0, 1, 0, 0 },
        { "InvalidInstanceID.NotFound", 400, FLT_E_NOT_FOUND, 0, 1, 0, 0 },
        { "InvalidLaunchTemplateId.NotFound", 400, FLT_E_NOT_FOUND, 0, 1, 0, 0 },
        { "EC2InstanceStateInvalidException", 400, FLT_E_NOT_READY, 0, 1, 0, 0 },
        { "EC2InstanceUnavailableException", 503, FLT_E_NOT_READY, 0, 1, 0, 0 },
        { "EC2InstanceNotFoundException", 400, FLT_E_NOT_FOUND, 0, 1, 0, 0 },
        { "InsufficientInstanceCapacity", 500, FLT_E_QUOTA, 0, 1, 0, 0 },
        { "MaxSpotInstanceCountExceeded", 400, FLT_E_QUOTA, 0, 1, 0, 0 },
        { "VcpuLimitExceeded", 400, FLT_E_QUOTA, 0, 1, 0, 0 },
        { "SpotMaxPriceTooLow", 400, FLT_E_QUOTA, 0, 1, 0, 0 },
        { "InstanceLimitExceeded", 400, FLT_E_QUOTA, 0, 1, 0, 0 },
        { "Unsupported", 400, FLT_E_INVALID, 0, 1, 0, 0 },
        { "InvalidParameterValue", 400, FLT_E_INVALID, 0, 1, 0, 0 },
        { "InvalidInstanceID.Malformed", 400, FLT_E_INVALID, 0, 1, 0, 0 },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_aws_fault fault = { .status = rows[i].status };
        struct flt_verdict got;

        (void) snprintf(fault.code, sizeof(fault.code), "%s", rows[i].code);
        got = flt_aws_judge(&fault);
        if (got.result != rows[i].result || got.is_transient != rows[i].transient ||
            got.is_refused != rows[i].refused || got.is_key_refused != rows[i].keys ||
            got.is_clock != rows[i].clock)
            fail_msg("%s (%ld): %d %d %d %d %d", rows[i].code, rows[i].status, got.result,
                     got.is_transient, got.is_refused, got.is_key_refused, got.is_clock);
    }
}

/* Only of what has no effect may a call be repeated that changes something; and what cannot get better is not. */
static void test_a_message_decides_where_the_code_says_little(void **unused)
{
    static const struct {
        const char *message;
        int32_t result;
        const char *advice;
    } rows[] = {
        { "New SetDesiredCapacity value 11 is above max value 10 for the AutoScalingGroup.",
          FLT_E_QUOTA, "maximum size" },
        { "Currently, desiredSize equals minSize (1). Terminating instance without replacement "
          "will violate group's min size constraint.",
          FLT_E_INVALID, "minimum size" },
        { "New SetDesiredCapacity value 0 is below min value 1 for the AutoScalingGroup.",
          FLT_E_INVALID, "minimum size" },
        { "AutoScalingGroup name not found - AutoScalingGroup 'x' not found", FLT_E_NOT_FOUND,
          NULL },
        { "1 validation error detected", FLT_E_INVALID, NULL },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct flt_aws_fault fault = { .status = 400, .code = "ValidationError" };
        struct flt_verdict got;

        (void) snprintf(fault.message, sizeof(fault.message), "%s", rows[i].message);
        got = flt_aws_judge(&fault);
        if (got.result != rows[i].result || got.is_transient || !got.advice != !rows[i].advice ||
            (got.advice && !strstr(got.advice, rows[i].advice)))
            fail_msg("%s: %d, %s", rows[i].message, got.result, got.advice ? got.advice : "-");
    }
}

static struct flt_aws_fault read_fault(const char *body)
{
    const struct flt_http_answer answer = { .status = 400,
                                            .body = (char *) (uintptr_t) body,
                                            .len = strlen(body) };
    struct flt_aws_fault ret;

    flt_aws_fault_read(&answer, &ret);
    return ret;
}

static void test_long_codes_and_messages_are_cut_between_characters(void **unused)
{
    char body[10000] = "<R><Error><Code>";
    struct flt_aws_fault fault;
    size_t at = strlen(body);

    (void) unused;
    memset(body + at, 'c', 500);
    (void) snprintf(body + at + 500, sizeof(body) - at - 500, "</Code><Message>x");
    for (int i = 0; i < 2000; i++)
        (void) snprintf(body + strlen(body), 5, "\xc3\xa4");
    (void) snprintf(body + strlen(body), 40, "</Message></Error></R>");
    fault = read_fault(body);
    assert_int_equal(strlen(fault.code), FLT_AWS_CODE_MAX - 1);
    assert_int_equal(strlen(fault.message), FLT_AWS_MESSAGE_MAX - 1);
    assert_int_equal((unsigned char) fault.message[FLT_AWS_MESSAGE_MAX - 2], 0xa4);
}

static void test_a_line_of_others_is_made_fit_to_be_shown(void **unused)
{
    static const struct {
        const char *text;
        size_t max;
        const char *want;
    } rows[] = {
        { "as it is", 20, "as it is" },
        { "as it is", 2, "as" },
        { "\x1b[2Ja\tb\nc\x7f", 20, " [2Ja b c " },
        { "\xc3\xa4\xe6\xbc\xa2", 5, "\xc3\xa4\xe6\xbc\xa2" },
        { "\xc3\xa4\xe6\xbc\xa2", 4, "\xc3\xa4" },
        { "\xc3\xa4\xe6\xbc\xa2", 3, "\xc3\xa4" },
        { "\xf0\x9f\x9a\x80", 3, "" },
        { "\xc3", 5, "" },
        { "", 5, "" },
    };

    (void) unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[40];

        (void) snprintf(text, sizeof(text), "%s", rows[i].text);
        flt_text_clean(text, rows[i].max);
        assert_string_equal(text, rows[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_code_means_one_thing),
        cmocka_unit_test(test_a_message_decides_where_the_code_says_little),
        cmocka_unit_test(test_long_codes_and_messages_are_cut_between_characters),
        cmocka_unit_test(test_a_line_of_others_is_made_fit_to_be_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
