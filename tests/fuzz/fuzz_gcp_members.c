/* tests/fuzz/fuzz_gcp_members.c - an answer of listManagedInstances, member by member (plugins/gcp/member.c): whatever it
 * holds, what the host is told of it is in order, and each member is found again under its id. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/gcp/gcp.h"
#include "sdk/lib/json.h"

#define MEMBERS_MAX 64
#define BASE "ci"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void require_order(const struct gcp_member *member)
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyz0123456789-/";
    struct gcp_orderer by;

    require(*member->id && member->id[strspn(member->id, signs)] == '\0');
    require(strncmp(member->id, member->name, strlen(member->name)) == 0);
    require(member->state >= FLT_STATE_CREATING && member->state <= FLT_STATE_RESUMING);
    require(*member->number || !member->listed || *member->trouble);
    for (const char *at = member->trouble; *at; at++)
        require((unsigned char) *at >= ' ');
    if (names_read(BASE, member->name, &by))
        require(by.epoch >= 0 && strlen(by.manager) == GCP_MANAGER_SIZE - 1);
}

static void read_list(struct json_object *list, const struct gcp_view *seen, struct gcp_view *view)
{
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && view->n < MEMBERS_MAX; i++)
        view->n += member_read(json_object_array_get_idx(list, i), "europe-west1-c", seen, 1000,
                               &view->members[view->n]);
    members_settle(view);
}

static void look_twice(struct json_object *list)
{
    struct gcp_member first[MEMBERS_MAX], second[MEMBERS_MAX];
    struct gcp_view none = { 0 }, seen = { .members = first }, view = { .members = second };

    read_list(list, &none, &seen);
    read_list(list, &seen, &view);
    require(seen.n == view.n);
    for (size_t i = 0; i < view.n; i++) {
        require_order(&view.members[i]);
        require(find_member(&view, view.members[i].id) == &view.members[i]);
        require(i == 0 || strcmp(view.members[i - 1].id, view.members[i].id) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_object *answer = NULL;
    char error[FLT_ERROR_MAX];

    if (flt_json_parse((const char *) data, size, &answer, error) == 0)
        look_twice(flt_json_find(answer, "managedInstances"));
    json_object_put(answer);
    return 0;
}
