/* sdk/lib/google_error.c - see google_error.h. The reasons are those of the error pages of Compute Engine, of
 * google.api.ErrorReason and of RFC 6749. */
#include "sdk/lib/google_error.h"

#include <string.h>

#include "sdk/lib/json.h"

#define RETRY_AFTER_MAX_MS 600000
#define DETAILS_MAX 32 /* more of them are not looked at */

/* The first row that fits counts. */
static const struct flt_fault_rule rules[] = {
    { "invalid_grant", "short-lived token", FLT_FAULT_BAD_KEY, "check this machine's clock" },
    { "invalid_grant", "JWT Signature", FLT_FAULT_BAD_KEY,
      "the key is deleted, expired or disabled: make a new one for this service account" },
    { "invalid_grant", "account not found", FLT_FAULT_BAD_KEY, "the service account was deleted" },
    { "invalid_grant", "expired or revoked", FLT_FAULT_BAD_KEY,
      "sign in again: 'gcloud auth application-default login' as this user" },
    { "invalid_grant", NULL, FLT_FAULT_BAD_KEY, "check the credentials, and this machine's clock" },
    { "invalid_rapt", NULL, FLT_FAULT_BAD_KEY,
      "sign in again: 'gcloud auth application-default login' as this user" },
    { "invalid_client", NULL, FLT_FAULT_BAD_KEY,
      "check client_id and client_secret of the credentials" },
    { "unauthorized_client", NULL, FLT_FAULT_NO_RIGHT, "check what the account may do" },
    { "access_denied", NULL, FLT_FAULT_NO_RIGHT, NULL },
    { "temporarily_unavailable", NULL, FLT_FAULT_FAILED, NULL },
    { "server_error", NULL, FLT_FAULT_FAILED, NULL },
    { "internal_failure", NULL, FLT_FAULT_FAILED, NULL },
    { "RATE_LIMIT_EXCEEDED", NULL, FLT_FAULT_THROTTLED, NULL },
    { "rateLimitExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "userRateLimitExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "concurrentLimitExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "concurrentOperationQuotaExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "operationRateExceeded", NULL, FLT_FAULT_THROTTLED, NULL },
    { "dailyLimitExceeded", NULL, FLT_FAULT_FULL, "ask Google for a higher quota of calls a day" },
    { "quotaExceeded", NULL, FLT_FAULT_FULL, "ask Google for a higher quota of the project" },
    { "QUOTA_EXCEEDED", NULL, FLT_FAULT_FULL, "ask Google for a higher quota of the project" },
    { "RESOURCE_QUOTA_EXCEEDED", NULL, FLT_FAULT_FULL,
      "ask Google for a higher quota of the project" },
    { "limitExceeded", NULL, FLT_FAULT_FULL, "ask Google for a higher quota of the project" },
    { "ZONE_RESOURCE_POOL_EXHAUSTED", NULL, FLT_FAULT_FULL,
      "Google has no machines of this type there now: use another zone or machine type, or a "
      "regional group" },
    { "ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", NULL, FLT_FAULT_FULL,
      "Google has no machines of this type there now: use another zone or machine type, or a "
      "regional group" },
    { "resourceNotReady", NULL, FLT_FAULT_BUSY,
      "something else changes it; it is tried again later" },
    { "resourceInUseByAnotherResource", NULL, FLT_FAULT_WRONG, NULL },
    { "backendError", NULL, FLT_FAULT_FAILED, NULL },
    { "internalError", NULL, FLT_FAULT_FAILED, NULL },
    { "ACCESS_TOKEN_SCOPE_INSUFFICIENT", NULL, FLT_FAULT_NO_RIGHT,
      "the token's scopes do not allow it: give the manager's instance the scope cloud-platform, "
      "and use roles to limit it" },
    { "insufficientPermissions", "scope", FLT_FAULT_NO_RIGHT,
      "the token's scopes do not allow it: give the manager's instance the scope cloud-platform, "
      "and use roles to limit it" },
    { "SERVICE_DISABLED", NULL, FLT_FAULT_NO_RIGHT,
      "enable the API in the project: 'gcloud services enable'" },
    { "accessNotConfigured", NULL, FLT_FAULT_NO_RIGHT,
      "enable the API in the project: 'gcloud services enable'" },
    { "BILLING_DISABLED", NULL, FLT_FAULT_NO_RIGHT, "enable billing for the project" },
    { "CONSUMER_INVALID", NULL, FLT_FAULT_NO_RIGHT,
      "check the name of the project and of the quota project" },
    { "CONSUMER_SUSPENDED", NULL, FLT_FAULT_NO_RIGHT, "the project is suspended: ask Google" },
    { "USER_PROJECT_DENIED", NULL, FLT_FAULT_NO_RIGHT,
      "grant serviceusage.services.use on the quota project, or take the quota project out of the "
      "credentials" },
    { "VPC_SERVICE_CONTROLS", NULL, FLT_FAULT_NO_RIGHT,
      "a service perimeter forbids it: ask whoever runs the organisation" },
    { "SECURITY_POLICY_VIOLATED", NULL, FLT_FAULT_NO_RIGHT,
      "a service perimeter forbids it: ask whoever runs the organisation" },
    { "ACCOUNT_STATE_INVALID", NULL, FLT_FAULT_OLD_KEY, "the account is disabled or deleted" },
    { "conditionNotMet", NULL, FLT_FAULT_WRONG, NULL },
    { "notFound", NULL, FLT_FAULT_MISSING, NULL },
};

/* By the finer name, where the answer has one and it is known. */
static int judge_by_name(const struct flt_google_fault *fault, struct flt_verdict *ret)
{
    const size_t n = sizeof(rules) / sizeof(rules[0]);

    return flt_verdict_by_rule(rules, n, fault->detail, fault->message, ret) ||
           flt_verdict_by_rule(rules, n, fault->reason, fault->message, ret);
}

struct flt_verdict flt_google_judge(const struct flt_google_fault *fault)
{
    struct flt_verdict ret;

    if (!judge_by_name(fault, &ret))
        ret = fault->status == 401 ? flt_verdict_of(FLT_FAULT_OLD_KEY)
                                   : flt_verdict_of_status(fault->status);
    if (ret.result == FLT_E_THROTTLED)
        ret.advice = "all callers of the project share the limit; ask less often";
    if (ret.is_key_refused && !ret.advice)
        ret.advice = "Google does not take this token: check that the account is not disabled";
    return ret;
}

/* One line of it. */
static void take_line(char *ret, size_t size, const char *text)
{
    size_t len;

    if (!text)
        return;
    text += strspn(text, " \t\r\n");
    len = strcspn(text, "\r\n");
    if (len >= size)
        len = size - 1;
    memcpy(ret, text, len);
    ret[len] = '\0';
    flt_text_clean(ret, len);
}

static int is_kind(struct json_object *detail, const char *name)
{
    const char *type = flt_json_text(detail, "@type");

    type = type ? strrchr(type, '.') : NULL; /* "type.googleapis.com/google.rpc.ErrorInfo" */
    return type && strcmp(type + 1, name) == 0;
}

/* "1.500s"; -1 when it is none. */
static int64_t read_delay_ms(const char *text)
{
    int64_t seconds = 0, part_ms = 0, unit_ms = 100;

    if (!text || *text < '0' || *text > '9')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        if (seconds <= RETRY_AFTER_MAX_MS / 1000)
            seconds = seconds * 10 + (*text - '0');
    if (*text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, unit_ms /= 10)
            part_ms += unit_ms * (*text - '0');
    if (strcmp(text, "s") != 0)
        return -1;
    seconds = seconds * 1000 + part_ms;
    return seconds < RETRY_AFTER_MAX_MS ? seconds : RETRY_AFTER_MAX_MS;
}

static void read_details(struct json_object *details, struct flt_google_fault *ret)
{
    size_t n =
        json_object_is_type(details, json_type_array) ? json_object_array_length(details) : 0;

    for (size_t i = 0; i < n && i < DETAILS_MAX; i++) {
        struct json_object *detail = json_object_array_get_idx(details, i);

        if (is_kind(detail, "ErrorInfo")) {
            take_line(ret->detail, sizeof(ret->detail), flt_json_text(detail, "reason"));
            take_line(ret->right, sizeof(ret->right), flt_json_text(detail, "metadata.permission"));
        } else if (is_kind(detail, "RetryInfo")) {
            ret->retry_after_ms = read_delay_ms(flt_json_text(detail, "retryDelay"));
        }
    }
}

/* "Required 'compute.instances.get' permission for 'projects/p/...'": the older form of the same. */
static void find_right(struct flt_google_fault *fault)
{
    static const char before[] = "Required '", behind[] = "' permission";
    const char *start = strstr(fault->message, before), *end = start ? strstr(start, behind) : NULL;
    size_t len;

    if (*fault->right || !end)
        return;
    start += strlen(before);
    len = (size_t) (end - start);
    if (end > start && len < sizeof(fault->right) && !memchr(start, '\'', len)) {
        memcpy(fault->right, start, len);
        fault->right[len] = '\0';
    }
}

static void read_api(struct json_object *error, struct flt_google_fault *ret)
{
    struct json_object *errors = flt_json_find(error, "errors");
    const char *reason = NULL;

    if (json_object_is_type(errors, json_type_array) && json_object_array_length(errors) > 0)
        reason = flt_json_text(json_object_array_get_idx(errors, 0), "reason");
    take_line(ret->message, sizeof(ret->message), flt_json_text(error, "message"));
    read_details(flt_json_find(error, "details"), ret);
    if (!reason && !*ret->detail)
        reason = flt_json_text(error, "status");
    take_line(ret->reason, sizeof(ret->reason), reason ? reason : ret->detail);
    find_right(ret);
}

/* invalid_grant has a finer name for a sign-in that has to be made again. */
static void read_oauth(struct json_object *body, struct flt_google_fault *ret)
{
    take_line(ret->reason, sizeof(ret->reason), flt_json_text(body, "error"));
    take_line(ret->detail, sizeof(ret->detail), flt_json_text(body, "error_subtype"));
    take_line(ret->message, sizeof(ret->message), flt_json_text(body, "error_description"));
}

void flt_google_fault_read(const struct flt_http_answer *answer, struct flt_google_fault *ret)
{
    struct json_object *body = NULL, *first, *error;
    char why[FLT_ERROR_MAX];

    *ret = (struct flt_google_fault) { .status = answer->status, .retry_after_ms = -1 };
    if (!answer->body || flt_json_parse(answer->body, answer->len, &body, why) < 0)
        return;
    /* A method that streams wraps it in a list. */
    first = json_object_is_type(body, json_type_array) ? json_object_array_get_idx(body, 0) : body;
    error = flt_json_find(first, "error");
    if (json_object_is_type(error, json_type_object))
        read_api(error, ret);
    else
        read_oauth(first, ret);
    json_object_put(body);
}
