/* sdk/lib/aws_error.c - see aws_error.h. The codes are those of the services' error pages. */
#include "sdk/lib/aws_error.h"

#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/xml.h"

#define SHARE "all callers of the account in this region share the limit; ask less often"
#define RENEW "renew the credentials, and check this machine's clock"
#define CHECK_KEYS "check the credentials: AWS does not know these keys"
#define CHECK_SECRET "check the secret key, and this machine's clock"

/* The first row that fits counts. */
static const struct flt_fault_rule rules[] = {
    { "ValidationError", "above max value", FLT_FAULT_FULL,
      "raise the maximum size of the Auto Scaling group, or lower max_instances" },
    { "ValidationError", "not found", FLT_FAULT_MISSING, NULL },
    { "ValidationError", "is not part of", FLT_FAULT_MISSING, NULL },
    { "ValidationError", "min size constraint", FLT_FAULT_WRONG,
      "set the minimum size of the Auto Scaling group to 0" },
    { "ValidationError", "below min", FLT_FAULT_WRONG,
      "set the minimum size of the Auto Scaling group to 0" },
    { "ValidationError", "security token", FLT_FAULT_BAD_KEY, CHECK_KEYS },
    { "ScalingActivityInProgress", NULL, FLT_FAULT_BUSY,
      "the group is busy; it is tried again later" },
    { "ScalingActivityInProgressFault", NULL, FLT_FAULT_BUSY,
      "the group is busy; it is tried again later" },
    { "ResourceContention", NULL, FLT_FAULT_BUSY,
      "somebody else changes the group; it is tried again later" },
    { "ResourceContentionFault", NULL, FLT_FAULT_BUSY,
      "somebody else changes the group; it is tried again later" },
    { "Throttling", NULL, FLT_FAULT_THROTTLED, NULL },
    { "ThrottlingException", NULL, FLT_FAULT_THROTTLED, NULL },
    { "ThrottledException", NULL, FLT_FAULT_THROTTLED, NULL },
    { "RequestThrottled", NULL, FLT_FAULT_THROTTLED, NULL },
    { "RequestThrottledException", NULL, FLT_FAULT_THROTTLED, NULL },
    { "RequestLimitExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "TooManyRequestsException", NULL, FLT_FAULT_THROTTLED, NULL },
    { "EC2ThrottledException", NULL, FLT_FAULT_THROTTLED, NULL },
    { "BandwidthLimitExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "PriorRequestNotComplete", NULL, FLT_FAULT_THROTTLED, NULL },
    { "SlowDown", NULL, FLT_FAULT_THROTTLED, NULL },
    { "InternalFailure", NULL, FLT_FAULT_FAILED, NULL },
    { "InternalError", NULL, FLT_FAULT_FAILED, NULL },
    { "InternalServerError", NULL, FLT_FAULT_FAILED, NULL },
    { "ServiceException", NULL, FLT_FAULT_FAILED, NULL },
    { "ServiceUnavailable", NULL, FLT_FAULT_FAILED, NULL },
    { "Unavailable", NULL, FLT_FAULT_FAILED, NULL },
    { "RequestTimeout", NULL, FLT_FAULT_FAILED, NULL },
    { "RequestTimeoutException", NULL, FLT_FAULT_FAILED, NULL },
    { "IDPCommunicationError", NULL, FLT_FAULT_FAILED, NULL },
    { "ExpiredToken", NULL, FLT_FAULT_BAD_KEY, RENEW },
    { "ExpiredTokenException", NULL, FLT_FAULT_BAD_KEY, RENEW },
    { "TokenRefreshRequired", NULL, FLT_FAULT_BAD_KEY, RENEW },
    { "RequestExpired", NULL, FLT_FAULT_BAD_KEY, RENEW }, /* the request's time, or the token's */
    { "InvalidClientTokenId", NULL, FLT_FAULT_BAD_KEY, CHECK_KEYS },
    { "InvalidAccessKeyId", NULL, FLT_FAULT_BAD_KEY, CHECK_KEYS },
    { "UnrecognizedClientException", NULL, FLT_FAULT_BAD_KEY, CHECK_KEYS },
    { "InvalidToken", NULL, FLT_FAULT_BAD_KEY, CHECK_KEYS },
    { "AuthFailure", NULL, FLT_FAULT_BAD_KEY,
      "check the credentials, this machine's clock, and that the region is enabled for the "
      "account" },
    { "SignatureDoesNotMatch", NULL, FLT_FAULT_BAD_KEY, CHECK_SECRET },
    { "InvalidSignatureException", NULL, FLT_FAULT_BAD_KEY, CHECK_SECRET },
    { "RequestTimeTooSkewed", NULL, FLT_FAULT_BAD_KEY, "set this machine's clock" },
    { "RequestInTheFuture", NULL, FLT_FAULT_BAD_KEY, "set this machine's clock" },
    { "IncompleteSignature", NULL, FLT_FAULT_BAD_KEY, CHECK_SECRET },
    { "OptInRequired", NULL, FLT_FAULT_NO_RIGHT,
      "enable the service or the region for this account" },
    { "Blocked", NULL, FLT_FAULT_NO_RIGHT, "the account is blocked: ask AWS" },
    { "PendingVerification", NULL, FLT_FAULT_NO_RIGHT,
      "AWS still verifies the account: ask again later" },
    { "AccessDenied", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "AccessDeniedException", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "UnauthorizedOperation", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "UnauthorizedAccess", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "AuthException", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "MissingAuthenticationToken", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "InsufficientInstanceCapacity", NULL, FLT_FAULT_FULL,
      "AWS has no machines of this type there now: allow more zones or instance types" },
    { "InsufficientHostCapacity", NULL, FLT_FAULT_FULL, "allocate more dedicated hosts" },
    { "InstanceLimitExceeded", NULL, FLT_FAULT_FULL, "ask AWS for a higher quota of the account" },
    { "VcpuLimitExceeded", NULL, FLT_FAULT_FULL,
      "ask AWS for a higher quota of vCPUs of the account" },
    { "MaxSpotInstanceCountExceeded", NULL, FLT_FAULT_FULL,
      "ask AWS for a higher quota of spot instances" },
    { "SpotMaxPriceTooLow", NULL, FLT_FAULT_FULL, "raise the maximum price of spot instances" },
    { "LimitExceeded", NULL, FLT_FAULT_FULL, "ask AWS for a higher quota" },
    { "ResourceLimitExceeded", NULL, FLT_FAULT_FULL, "ask AWS for a higher quota" },
    { "NoSuchEntity", NULL, FLT_FAULT_MISSING, NULL },
    { "ResourceNotFoundException", NULL, FLT_FAULT_MISSING, NULL },
    { "EC2InstanceNotFoundException", NULL, FLT_FAULT_MISSING, NULL },
    { "EC2InstanceUnavailableException", NULL, FLT_FAULT_EARLY, NULL },
    { "EC2InstanceStateInvalidException", NULL, FLT_FAULT_EARLY, NULL },
};

static int ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

struct flt_verdict flt_aws_judge(const struct flt_aws_fault *fault)
{
    struct flt_verdict ret;

    if (ends_with(fault->code, ".NotFound")) /* InvalidInstanceID.NotFound */
        ret = flt_verdict_of(FLT_FAULT_MISSING);
    else if (!flt_verdict_by_rule(rules, sizeof(rules) / sizeof(rules[0]), fault->code,
                                  fault->message, &ret))
        ret = flt_verdict_of_status(fault->status);
    if (ret.result == FLT_E_THROTTLED)
        ret.advice = SHARE;
    return ret;
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
