/* names.c - the names of instances that are ordered, and the ids of the requests that order them. Pure; grow.c and
 * epoch.c ask it.
 *
 *   BASE-EPOCH-ORDER-N: "ci-mi2k9q01-3f9a1c07-2" is the third instance of an order
 *
 * The base is the group's own. The order's part comes from the id of the host's request, so that the same request again
 * asks for the same names and is seen to be the same, whatever became of its first answer. The epoch says which
 * manager has ordered it, in a place that every manager of the group reads: managed instance groups have no labels.
 */

#include "gcp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define BASE_MAX 36  /* with the rest it is no longer than a name may be */
#define EPOCH_MAX 11 /* until long after the year 3000 */
#define ORDER_SIZE 9

static void hash(const char *text, uint32_t part, unsigned char ret[EVP_MAX_MD_SIZE])
{
    char all[256];

    (void) snprintf(all, sizeof(all), "%s/%" PRIu32, text, part);
    if (EVP_Digest(all, strlen(all), ret, NULL, EVP_sha256(), NULL) != 1)
        memset(ret, 0, EVP_MAX_MD_SIZE);
}

/* In base 36. */
static void write_epoch(int64_t epoch, char ret[EPOCH_MAX + 1])
{
    char digits[16];
    size_t n = 0;

    for (int64_t rest = epoch > 0 ? epoch : 0; n < EPOCH_MAX && (rest > 0 || n == 0); rest /= 36)
        digits[n++] = (DIGITS LOWER)[rest % 36];
    for (size_t i = 0; i < n; i++)
        ret[i] = digits[n - 1 - i];
    ret[n] = '\0';
}

void names_base(const char *wanted, const char *group, char ret[GCP_NAME_MAX + 1])
{
    size_t len = strspn(wanted, LOWER DIGITS "-"); /* "ci-####" asks Google to count */

    if (len == 0) {
        wanted = group;
        len = strlen(group);
    }
    if (len > BASE_MAX)
        len = BASE_MAX;
    while (len > 1 && wanted[len - 1] == '-')
        len--;
    (void) snprintf(ret, GCP_NAME_MAX + 1, "%.*s", (int) len, wanted);
}

void names_make(const char *base, int64_t epoch, const char *request_id, uint32_t i,
                char ret[GCP_NAME_MAX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[EPOCH_MAX + 1];

    hash(request_id, 0, digest);
    write_epoch(epoch, text);
    (void) snprintf(ret, GCP_NAME_MAX + 1, "%s-%s-%02x%02x%02x%02x-%" PRIu32, base, text, digest[0],
                    digest[1], digest[2], digest[3], i);
}

int64_t names_epoch(const char *base, const char *name)
{
    size_t len = strlen(base);
    const char *at = name + len + 1, *rest;
    int64_t epoch = 0;

    if (strncmp(name, base, len) != 0 || name[len] != '-')
        return 0;
    rest = at + strspn(at, DIGITS LOWER);
    if (rest == at || rest - at > EPOCH_MAX || *rest != '-' ||
        strspn(rest + 1, DIGITS "abcdef") != ORDER_SIZE - 1 || rest[ORDER_SIZE] != '-' ||
        !rest[ORDER_SIZE + 1] ||
        strspn(rest + ORDER_SIZE + 1, DIGITS) != strlen(rest + ORDER_SIZE + 1))
        return 0;
    for (; at < rest; at++)
        epoch = epoch * 36 + (strchr(DIGITS LOWER, *at) - DIGITS LOWER);
    return epoch;
}

static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < sizeof(form); i++)
        if (form[i] == 'x' ? !text[i] || !strchr(DIGITS "abcdefABCDEF", text[i])
                           : text[i] != form[i])
            return false;
    return true;
}

void names_request(const char *request_id, uint32_t part, char ret[GCP_UUID_SIZE])
{
    unsigned char d[EVP_MAX_MD_SIZE];

    if (part == 0 && is_uuid(request_id)) {
        (void) snprintf(ret, GCP_UUID_SIZE, "%s", request_id);
        return;
    }
    hash(request_id, part, d);
    d[6] = (unsigned char) ((d[6] & 0x0f) | 0x80); /* RFC 9562: version 8, as one likes */
    d[8] = (unsigned char) ((d[8] & 0x3f) | 0x80);
    (void) snprintf(ret, GCP_UUID_SIZE,
                    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", d[0],
                    d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12],
                    d[13], d[14], d[15]);
}
