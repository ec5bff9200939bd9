/* sdk/lib/aws_error.c - see aws_error.h. The codes are those of the services' error pages. */
#include "sdk/lib/aws_error.h"

#include <string.h>

#include "sdk/lib/aws_xml.h"
#include "sdk/lib/json.h"

enum kind {
    THROTTLED, /* nothing was done */
    BUSY,      /* something else goes on; nothing was done */
    FAILED,    /* the service's own fault, with or without an effect */
    EXPIRED,   /* keys that were good once */
    BAD_KEYS,
    BAD_SIGNATURE, /* a wrong clock, or a wrong secret key */
    NO_RIGHT,
    MISSING,
    EARLY, /* an instance that is still starting: the host asks again, not this call */
    FULL,
    WRONG,
};

static const struct flt_verdict verdicts[] = {
    [THROTTLED] = { .result = FLT_E_THROTTLED,
                    .is_transient = 1,
                    .is_refused = 1,
                    .is_throttled = 1,
                    .advice = "all callers of the account in this region share the limit; ask less "
                              "often" },
    [BUSY] = { .result = FLT_E_UNAVAILABLE, .is_transient = 1, .is_refused = 1, .is_throttled = 1 },
    [FAILED] = { .result = FLT_E_UNAVAILABLE, .is_transient = 1 },
    [EXPIRED] = { .result = FLT_E_AUTH,
                  .is_refused = 1,
                  .is_key_refused = 1,
                  .is_clock = 1,
                  .advice = "renew the credentials, and check this machine's clock" },
    [BAD_KEYS] = { .result = FLT_E_AUTH,
                   .is_refused = 1,
                   .is_key_refused = 1,
                   .is_clock = 1,
                   .advice = "check the credentials: AWS does not know these keys" },
    [BAD_SIGNATURE] = { .result = FLT_E_AUTH,
                        .is_refused = 1,
                        .is_key_refused = 1,
                        .is_clock = 1,
                        .advice = "check the secret key, and this machine's clock" },
    [NO_RIGHT] = { .result = FLT_E_AUTH, .is_refused = 1 },
    [MISSING] = { .result = FLT_E_NOT_FOUND, .is_refused = 1 },
    [EARLY] = { .result = FLT_E_NOT_READY, .is_refused = 1 },
    [FULL] = { .result = FLT_E_QUOTA, .is_refused = 1 },
    [WRONG] = { .result = FLT_E_INVALID, .is_refused = 1 },
};

/* The first row that fits counts. */
static const struct {
    const char *code;
    const char *message; /* a part of it; NULL = any */
    enum kind kind;
    const char *advice; /* NULL = that of the kind */
} rules[] = {
    { "ValidationError", "above max value", FULL,
      "raise the maximum size of the Auto Scaling group, or lower max_instances" },
    { "ValidationError", "not found", MISSING, NULL },
    { "ValidationError", "is not part of", MISSING, NULL },
    { "ValidationError", "min size constraint", WRONG,
      "set the minimum size of the Auto Scaling group to 0" },
    { "ValidationError", "below min", WRONG,
      "set the minimum size of the Auto Scaling group to 0" },
    { "ValidationError", "security token", BAD_KEYS, NULL },
    { "ScalingActivityInProgress", NULL, BUSY, "the group is busy; it is tried again later" },
    { "ScalingActivityInProgressFault", NULL, BUSY, "the group is busy; it is tried again later" },
    { "ResourceContention", NULL, BUSY,
      "somebody else changes the group; it is tried again later" },
    { "ResourceContentionFault", NULL, BUSY,
      "somebody else changes the group; it is tried again later" },
    { "Throttling", NULL, THROTTLED, NULL },
    { "ThrottlingException", NULL, THROTTLED, NULL },
    { "ThrottledException", NULL, THROTTLED, NULL },
    { "RequestThrottled", NULL, THROTTLED, NULL },
    { "RequestThrottledException", NULL, THROTTLED, NULL },
    { "RequestLimitExceeded", NULL, THROTTLED, NULL },
    { "TooManyRequestsException", NULL, THROTTLED, NULL },
    { "EC2ThrottledException", NULL, THROTTLED, NULL },
    { "BandwidthLimitExceeded", NULL, THROTTLED, NULL },
    { "PriorRequestNotComplete", NULL, THROTTLED, NULL },
    { "SlowDown", NULL, THROTTLED, NULL },
    { "InternalFailure", NULL, FAILED, NULL },
    { "InternalError", NULL, FAILED, NULL },
    { "InternalServerError", NULL, FAILED, NULL },
    { "ServiceException", NULL, FAILED, NULL },
    { "ServiceUnavailable", NULL, FAILED, NULL },
    { "Unavailable", NULL, FAILED, NULL },
    { "RequestTimeout", NULL, FAILED, NULL },
    { "RequestTimeoutException", NULL, FAILED, NULL },
    { "IDPCommunicationError", NULL, FAILED, NULL },
    { "ExpiredToken", NULL, EXPIRED, NULL },
    { "ExpiredTokenException", NULL, EXPIRED, NULL },
    { "TokenRefreshRequired", NULL, EXPIRED, NULL },
    { "RequestExpired", NULL, EXPIRED, NULL }, /* the request's time, or the token's */
    { "InvalidClientTokenId", NULL, BAD_KEYS, NULL },
    { "InvalidAccessKeyId", NULL, BAD_KEYS, NULL },
    { "UnrecognizedClientException", NULL, BAD_KEYS, NULL },
    { "InvalidToken", NULL, BAD_KEYS, NULL },
    { "AuthFailure", NULL, BAD_KEYS,
      "check the credentials, this machine's clock, and that the region is enabled for the "
      "account" },
    { "SignatureDoesNotMatch", NULL, BAD_SIGNATURE, NULL },
    { "InvalidSignatureException", NULL, BAD_SIGNATURE, NULL },
    { "RequestTimeTooSkewed", NULL, BAD_SIGNATURE, "set this machine's clock" },
    { "RequestInTheFuture", NULL, BAD_SIGNATURE, "set this machine's clock" },
    { "IncompleteSignature", NULL, BAD_SIGNATURE, NULL },
    { "OptInRequired", NULL, NO_RIGHT, "enable the service or the region for this account" },
    { "Blocked", NULL, NO_RIGHT, "the account is blocked: ask AWS" },
    { "PendingVerification", NULL, NO_RIGHT, "AWS still verifies the account: ask again later" },
    { "AccessDenied", NULL, NO_RIGHT, NULL },
    { "AccessDeniedException", NULL, NO_RIGHT, NULL },
    { "UnauthorizedOperation", NULL, NO_RIGHT, NULL },
    { "UnauthorizedAccess", NULL, NO_RIGHT, NULL },
    { "AuthException", NULL, NO_RIGHT, NULL },
    { "MissingAuthenticationToken", NULL, NO_RIGHT, NULL },
    { "InsufficientInstanceCapacity", NULL, FULL,
      "AWS has no machines of this type there now: allow more zones or instance types" },
    { "InsufficientHostCapacity", NULL, FULL, "allocate more dedicated hosts" },
    { "InstanceLimitExceeded", NULL, FULL, "ask AWS for a higher quota of the account" },
    { "VcpuLimitExceeded", NULL, FULL, "ask AWS for a higher quota of vCPUs of the account" },
    { "MaxSpotInstanceCountExceeded", NULL, FULL, "ask AWS for a higher quota of spot instances" },
    { "SpotMaxPriceTooLow", NULL, FULL, "raise the maximum price of spot instances" },
    { "LimitExceeded", NULL, FULL, "ask AWS for a higher quota" },
    { "ResourceLimitExceeded", NULL, FULL, "ask AWS for a higher quota" },
    { "NoSuchEntity", NULL, MISSING, NULL },
    { "ResourceNotFoundException", NULL, MISSING, NULL },
    { "EC2InstanceNotFoundException", NULL, MISSING, NULL },
    { "EC2InstanceUnavailableException", NULL, EARLY, NULL },
    { "EC2InstanceStateInvalidException", NULL, EARLY, NULL },
};

static int ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum kind kind_of_status(long status)
{
    if (status == 429)
        return THROTTLED;
    if (status == 408 || status >= 500)
        return FAILED;
    if (status == 401 || status == 403)
        return NO_RIGHT;
    return status == 404 ? MISSING : WRONG;
}

struct flt_verdict flt_aws_judge(const struct flt_aws_fault *fault)
{
    struct flt_verdict ret = { 0 };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strcmp(fault->code, rules[i].code) != 0 ||
            (rules[i].message && !strstr(fault->message, rules[i].message)))
            continue;
        ret = verdicts[rules[i].kind];
        if (rules[i].advice)
            ret.advice = rules[i].advice;
        return ret;
    }
    if (ends_with(fault->code, ".NotFound")) /* InvalidInstanceID.NotFound */
        return verdicts[MISSING];
    return verdicts[kind_of_status(fault->status)];
}

/* One line of it. What follows a line break goes, for a wrong signature it is the whole request, with the session's
 * token; so does the cipher that is for one more call alone. */
static void take_line(char *ret, size_t size, const char *text)
{
    const char *cipher = strstr(text, "Encoded authorization failure message");
    size_t len;

    text += strspn(text, " \t\r\n");
    len = strcspn(text, "\r\n");
    if (cipher >= text && (size_t) (cipher - text) < len)
        len = (size_t) (cipher - text);
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (len >= size)
        len = size - 1;
    memcpy(ret, text, len);
    ret[len] = '\0';
    flt_text_clean(ret, len);
}

static void take(struct flt_aws_fault *fault, const char *code, const char *message)
{
    const char *name = code ? strrchr(code, '#') : NULL; /* "com.amazonaws.sts#ExpiredToken" */

    if (code)
        take_line(fault->code, sizeof(fault->code), name ? name + 1 : code);
    fault->code[strcspn(fault->code, ": ")] =
        '\0'; /* "ExpiredToken:http://internal.amazon.com/..." */
    if (message)
        take_line(fault->message, sizeof(fault->message), message);
}

static void read_xml(const struct flt_http_answer *answer, struct flt_aws_fault *ret)
{
    static const char *const places[] = { "Error", "Errors/Error", "" };
    char why[FLT_ERROR_MAX];
    xmlDocPtr doc = flt_xml_parse(answer->body, answer->len, why);

    if (!doc)
        return;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && !*ret->code; i++) {
        xmlNodePtr error = flt_xml_find(flt_xml_root(doc), places[i]);

        take(ret, flt_xml_text(error, "Code"), flt_xml_text(error, "Message"));
    }
    xmlFreeDoc(doc);
}

static void read_json(const struct flt_http_answer *answer, struct flt_aws_fault *ret)
{
    char why[FLT_ERROR_MAX], type[FLT_AWS_CODE_MAX];
    struct json_object *body = NULL;
    const char *code, *message;

    if (flt_json_parse(answer->body, answer->len, &body, why) < 0)
        return;
    code = flt_json_text(body, "__type");
    if (!code)
        code = flt_json_text(body, "code");
    if (flt_http_header(answer, "x-amzn-errortype", type, sizeof(type)))
        code = type;
    message = flt_json_text(body, "message");
    take(ret, code, message ? message : flt_json_text(body, "Message"));
    json_object_put(body);
}

void flt_aws_fault_read(const struct flt_http_answer *answer, struct flt_aws_fault *ret)
{
    const char *start = answer->body ? answer->body + strspn(answer->body, " \t\r\n") : "";

    *ret = (struct flt_aws_fault) { .status = answer->status };
    if (*start == '{')
        read_json(answer, ret);
    else if (*start == '<')
        read_xml(answer, ret);
}
