/* member.c - one member of the group, as listManagedInstances shows it: which machine it is, in what state, and what there
 * is against it. Pure; group.c asks it. */

#include "gcp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/text.h"

/* Shorter than the host waits for what was accepted (docs/design/scaling.md): what has not come by then is removed
 * before the host orders it anew. */
#define OVERDUE_MS (INT64_C(14) * 60 * 1000)

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct gcp_member *) a)->id, ((const struct gcp_member *) b)->id);
}

const struct gcp_member *find_member(const struct gcp_view *view, const char *id)
{
    struct gcp_member key = { 0 };

    if (view->n == 0 || (size_t) snprintf(key.id, sizeof(key.id), "%s", id) >= sizeof(key.id))
        return NULL;
    return bsearch(&key, view->members, view->n, sizeof(*view->members), compare_ids);
}

static bool consists_of(const char *text, const char *signs, size_t max)
{
    size_t len = strlen(text);

    return len <= max && strspn(text, signs) == len;
}

/* One that is cut off or has other signs in it would be another's, or nobody's. */
static bool take_id(struct gcp_member *member, const char *name, const char *zone,
                    const char *number)
{
    if (!*name || !consists_of(name, LOWER DIGITS "-", GCP_NAME_MAX) ||
        !consists_of(zone, LOWER DIGITS "-", GCP_NAME_MAX) || !consists_of(number, DIGITS, 20))
        return false;
    if (strcmp(number, "0") == 0)
        number = ""; /* of no machine */
    (void) snprintf(member->name, sizeof(member->name), "%s", name);
    (void) snprintf(member->zone, sizeof(member->zone), "%s", zone);
    (void) snprintf(member->number, sizeof(member->number), "%s", number);
    (void) snprintf(member->id, sizeof(member->id), "%s%s%s", name, *number ? "/" : "", number);
    return true;
}

/* "europe-west1-c" of ".../zones/europe-west1-c/instances/ci-1"; "" when there is none. */
static void read_zone(const char *url, char *ret, size_t size)
{
    const char *at = strstr(url, "zones/");
    size_t len = at ? strcspn(at + 6, "/") : 0;

    (void) snprintf(ret, size, "%.*s", (int) (len < size ? len : 0), at ? at + 6 : "");
}

static void read_error(struct json_object *item, struct gcp_member *member)
{
    struct json_object *errors = flt_json_find(item, "lastAttempt.errors.errors"), *first;

    if (!json_object_is_type(errors, json_type_array) || json_object_array_length(errors) == 0)
        return;
    first = json_object_array_get_idx(errors, 0);
    (void) snprintf(member->trouble, sizeof(member->trouble), "Google cannot make it: %s: %s",
                    gcp_text(first, "code"), gcp_text(first, "message"));
    flt_text_clean(member->trouble, sizeof(member->trouble) - 1);
}

static bool fails_health_check(struct json_object *item)
{
    struct json_object *checks = flt_json_find(item, "instanceHealth");
    size_t n = json_object_is_type(checks, json_type_array) ? json_object_array_length(checks) : 0;

    for (size_t i = 0; i < n; i++) {
        const char *health = gcp_text(json_object_array_get_idx(checks, i), "detailedHealthState");

        if (strcmp(health, "UNHEALTHY") == 0 || strcmp(health, "TIMEOUT") == 0)
            return true;
    }
    return false;
}

/* What there is against a member that has a machine. */
static void judge_machine(struct json_object *item, struct gcp_member *member)
{
    const char *status = gcp_text(item, "instanceStatus");

    if (member->replaced)
        (void) snprintf(member->trouble, sizeof(member->trouble), "the group replaces it");
    else if (state_has_stopped(status))
        (void) snprintf(member->trouble, sizeof(member->trouble), "it has stopped (%.40s)", status);
    else if (member->state == FLT_STATE_RUNNING && fails_health_check(item))
        (void) snprintf(member->trouble, sizeof(member->trouble),
                        "it fails the group's health check");
}

/* What there is against one that has none, whose order the host waits for: listed as soon as something is. */
static void judge_order(struct json_object *item, struct gcp_member *member, int64_t now_ms)
{
    read_error(item, member);
    if (!*member->trouble && now_ms - member->since_ms >= OVERDUE_MS)
        (void) snprintf(member->trouble, sizeof(member->trouble),
                        "Google has not made it for %d minutes", (int) (OVERDUE_MS / 60000));
}

/* What the look before knew of it. */
static void remember(const struct gcp_view *seen, struct gcp_member *member, int64_t now_ms)
{
    const struct gcp_member *before = find_member(seen, member->id);

    member->replaced = member->recreating && *member->number && before &&
                       (!before->recreating || before->replaced);
    if (!*member->number)
        member->since_ms = before && before->since_ms != 0 ? before->since_ms : now_ms;
}

bool member_read(struct json_object *item, const char *zone_of_group, const struct gcp_view *seen,
                 int64_t now_ms, struct gcp_member *ret)
{
    const char *url = gcp_text(item, "instance"), *name = gcp_text(item, "name");
    const char *action = gcp_text(item, "currentAction");
    struct gcp_state state = state_read(action, gcp_text(item, "instanceStatus"));
    char zone[GCP_NAME_MAX + 1];

    *ret = (struct gcp_member) { .state = state.state,
                                 .going = state.going,
                                 .recreating = strcmp(action, "RECREATING") == 0 };
    read_zone(url, zone, sizeof(zone));
    if (!*zone && zone_of_group)
        (void) snprintf(zone, sizeof(zone), "%s", zone_of_group);
    if (!take_id(ret, *name ? name : gcp_last_part(url), zone, gcp_text(item, "id")))
        return false;
    ret->ends_ms = gcp_time(gcp_text(item, "scheduling.terminationTimestamp"));
    remember(seen, ret, now_ms);
    if (*ret->number)
        judge_machine(item, ret);
    else
        judge_order(item, ret, now_ms);
    ret->listed = *ret->number || (*ret->trouble && *ret->zone && !ret->going);
    return true;
}

void members_settle(struct gcp_view *view)
{
    size_t kept = 0;

    if (view->n > 0)
        qsort(view->members, view->n, sizeof(*view->members), compare_ids);
    for (size_t i = 0; i < view->n; i++)
        if (kept == 0 || compare_ids(&view->members[i], &view->members[kept - 1]) != 0)
            view->members[kept++] = view->members[i];
    view->n = kept;
}
