/* names.c - the names of instances that are ordered, and the ids of the requests that order them. Pure; grow.c and
 * epoch.c ask it.
 *
 *   BASE-EPOCH-MANAGER-ORDER-N: "ci-mi2k9q01-4f2a1c-3f9a1c07-2" is the third instance of an order
 *
 * The base is the group's own. The order's part comes from the id of the host's request, so that the same request again
 * asks for the same names and is seen to be the same, whatever became of its first answer. The epoch and the manager
 * say who has ordered it, in a place that every manager of the group reads: managed instance groups have no labels.
 */

#include "gcp.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "sdk/lib/manager.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define HEX DIGITS "abcdef"
#define BASE_MAX 32 /* with the rest it is no longer than a name may be */
#define EPOCH_MAX 9 /* until long after the year 3000 */
#define ORDER_LEN 8

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

void names_manager(const char *manager, char ret[GCP_MANAGER_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char id[128];

    (void) snprintf(id, sizeof(id), "%.*s", (int) flt_manager_id_len(manager), manager);
    hash(id, 0, digest);
    if (*id)
        (void) snprintf(ret, GCP_MANAGER_SIZE, "%02x%02x%02x", digest[0], digest[1], digest[2]);
    else
        (void) snprintf(ret, GCP_MANAGER_SIZE, "%s", GCP_NO_MANAGER);
}

void names_make(const char *base, const struct gcp_orderer *by, const char *request_id, uint32_t i,
                char ret[GCP_NAME_MAX + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    char epoch[EPOCH_MAX + 1];

    hash(request_id, 0, digest);
    write_epoch(by->epoch, epoch);
    (void) snprintf(ret, GCP_NAME_MAX + 1, "%s-%s-%s-%02x%02x%02x%02x-%" PRIu32, base, epoch,
                    by->manager, digest[0], digest[1], digest[2], digest[3], i);
}

/* Takes "TEXT-" of between `min` and `max` such signs: where TEXT begins, NULL when it is something else. */
static const char *take_part(const char **at, const char *signs, size_t min, size_t max)
{
    const char *part = *at;
    size_t len = strspn(part, signs);

    if (len < min || len > max || part[len] != '-')
        return NULL;
    *at = part + len + 1;
    return part;
}

bool names_read(const char *base, const char *name, struct gcp_orderer *ret)
{
    size_t len = strlen(base);
    const char *at = name + len + 1, *epoch, *manager;

    if (strncmp(name, base, len) != 0 || name[len] != '-' ||
        !(epoch = take_part(&at, DIGITS LOWER, 1, EPOCH_MAX)) ||
        !(manager = take_part(&at, HEX, GCP_MANAGER_SIZE - 1, GCP_MANAGER_SIZE - 1)) ||
        !take_part(&at, HEX, ORDER_LEN, ORDER_LEN) || !*at || at[strspn(at, DIGITS)])
        return false;
    for (ret->epoch = 0; *epoch != '-'; epoch++)
        ret->epoch = ret->epoch * 36 + (strchr(DIGITS LOWER, *epoch) - DIGITS LOWER);
    (void) snprintf(ret->manager, sizeof(ret->manager), "%.*s", GCP_MANAGER_SIZE - 1, manager);
    return true;
}

bool names_order(const char *base, const char *name, char ret[GCP_ORDER_SIZE])
{
    struct gcp_orderer by;
    const char *order = name + strlen(base) + 1;

    if (!names_read(base, name, &by))
        return false;
    (void) snprintf(ret, GCP_ORDER_SIZE, "%.*s", (int) (strrchr(order, '-') - order), order);
    return true;
}

static bool is_uuid(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    for (size_t i = 0; i < sizeof(form); i++)
        if (form[i] == 'x' ? !text[i] || !strchr(HEX "ABCDEF", text[i]) : text[i] != form[i])
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
