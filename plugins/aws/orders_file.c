/* orders_file.c - the orders on disk, so that one whose answer was lost is still known after the provider's process
 * was killed: state_dir/HASH.json, a file for each group, replaced as a whole.
 *
 *   {"epoch": N, "boot", "mono_ms", "wall_ms", "orders": [{"request", "target", "accepted", "left", "made_ms",
 *    "answered"}], "members": ["i-..."]}
 *
 * Orders age by the monotonic clock: a step of the wall clock makes none older or younger. Only over a start of the
 * machine, when that clock begins anew, the wall clock tells how much time has passed since the file was written.
 * The members are those that no order need wait for any more, while one waits: who comes while no provider runs is
 * counted by the next. */

#include "aws.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdk/lib/file.h"
#include "sdk/lib/json.h"
#include "sdk/lib/state_file.h"
#include "sdk/lib/wipe.h"

#define CAPACITY_MAX INT32_MAX /* as group.c takes it */
#define TIME_MAX (INT64_MAX / 4)
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX 64

static int32_t damaged(struct flt_group *g, const char *why)
{
    return aws_fail(g, FLT_E_INTERNAL, 0,
                    "%s is damaged (%s), so nobody knows which orders of instances had no answer; "
                    "remove it when the group's desired capacity is as it should be",
                    g->file, why);
}

static int32_t read_order(struct flt_group *g, struct json_object *item)
{
    struct aws_order *order = &g->orders.items[g->orders.n];
    int64_t accepted, left;
    const char *request_id;
    char error[FLT_ERROR_MAX];
    int answered = 0;

    if (flt_json_need_text(item, "request", &request_id, error) < 0 ||
        flt_json_need_i64(item, "target", -CAPACITY_MAX, CAPACITY_MAX, &order->target, error) < 0 ||
        flt_json_need_i64(item, "accepted", 0, CAPACITY_MAX, &accepted, error) < 0 ||
        flt_json_need_i64(item, "left", 0, CAPACITY_MAX, &left, error) < 0 ||
        flt_json_need_i64(item, "made_ms", -TIME_MAX, TIME_MAX, &order->made_ms, error) < 0 ||
        flt_json_opt_bool(item, "answered", &answered, error) < 0)
        return damaged(g, error);
    (void) snprintf(order->request_id, sizeof(order->request_id), "%s", request_id);
    order->accepted = (uint32_t) accepted;
    order->left = (uint32_t) left;
    order->answered = answered;
    g->orders.n++;
    return FLT_OK;
}

/* Which start of the machine this is; "" = not known, so it is another one. */
static void read_boot(char boot[BOOT_ID_MAX])
{
    int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, boot, BOOT_ID_MAX - 1) : 0;

    boot[len > 0 ? len : 0] = '\0';
    boot[strcspn(boot, "\n")] = '\0';
    if (fd >= 0)
        (void) close(fd);
}

/* The orders' times are those of the clock of another start: moves them to ours. */
static int32_t settle_times(struct flt_group *g, struct json_object *root)
{
    int64_t mono_ms = 0, wall_ms = 0, passed_ms;
    char boot[BOOT_ID_MAX], error[FLT_ERROR_MAX];
    const char *then = "";

    read_boot(boot);
    if (flt_json_opt_text(root, "boot", &then, error) < 0 ||
        flt_json_opt_i64(root, "mono_ms", 0, TIME_MAX, &mono_ms, error) < 0 ||
        flt_json_opt_i64(root, "wall_ms", 0, TIME_MAX, &wall_ms, error) < 0)
        return damaged(g, error);
    if (*boot && strcmp(then, boot) == 0)
        return FLT_OK;
    passed_ms = flt_wall_ms() > wall_ms ? flt_wall_ms() - wall_ms : 0;
    for (size_t i = 0; i < g->orders.n; i++)
        g->orders.items[i].made_ms += flt_monotonic_ms() - passed_ms - mono_ms;
    return FLT_OK;
}

static int32_t read_members(struct flt_group *g, struct json_object *root)
{
    struct json_object *items = flt_json_find(root, "members");
    size_t n = json_object_is_type(items, json_type_array) ? json_object_array_length(items) : 0;

    if (n == 0)
        return FLT_OK;
    g->members = calloc(n, sizeof(*g->members));
    if (!g->members)
        return aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
    for (size_t i = 0; i < n; i++) {
        struct json_object *id = json_object_array_get_idx(items, i);

        if (!json_object_is_type(id, json_type_string))
            return damaged(g, "a member is no text");
        (void) snprintf(g->members[g->n_members++].id, AWS_ID_MAX, "%s",
                        json_object_get_string(id));
    }
    qsort(g->members, n, sizeof(*g->members), compare_members);
    return FLT_OK;
}

static int32_t read_all(struct flt_group *g, struct json_object *root)
{
    struct json_object *items = flt_json_find(root, "orders");
    char error[FLT_ERROR_MAX];
    int32_t code = FLT_OK;

    if (!json_object_is_type(items, json_type_array) ||
        json_object_array_length(items) > AWS_ORDERS_MAX)
        return damaged(g, "it has no list of orders");
    if (flt_json_need_i64(root, "epoch", 0, INT64_MAX, &g->orders.epoch, error) < 0)
        return damaged(g, error);
    for (size_t i = 0; code == FLT_OK && i < json_object_array_length(items); i++)
        code = read_order(g, json_object_array_get_idx(items, i));
    if (code == FLT_OK)
        code = settle_times(g, root);
    return code == FLT_OK ? read_members(g, root) : code;
}

static int32_t load(struct flt_group *g)
{
    FLT_WIPED char *text = NULL;
    struct json_object *root = NULL;
    char error[FLT_ERROR_MAX];
    int32_t code = flt_state_read(g->file, &text, error);

    if (code == FLT_E_NOT_FOUND)
        return FLT_OK;
    if (code != FLT_OK)
        return aws_fail(g, FLT_E_INTERNAL, 0, "%s", error);
    code = flt_json_parse(text, strlen(text), &root, error) == 0 ? read_all(g, root)
                                                                 : damaged(g, error);
    json_object_put(root);
    return code;
}

/* A group that was made anew under its old name has another ARN, and none of the old orders. */
int32_t orders_open(struct flt_group *g, const char *arn)
{
    char error[FLT_ERROR_MAX];
    int32_t code = flt_state_path(g->host, g->call, arn, "json", g->file, error);

    return code == FLT_OK ? load(g) : aws_fail(g, code, 0, "%s", error);
}

static struct json_object *order_to_json(const struct aws_order *order)
{
    struct json_object *item = json_object_new_object();

    (void) json_object_object_add(item, "request", json_object_new_string(order->request_id));
    (void) json_object_object_add(item, "target", json_object_new_int64(order->target));
    (void) json_object_object_add(item, "accepted", json_object_new_int64(order->accepted));
    (void) json_object_object_add(item, "left", json_object_new_int64(order->left));
    (void) json_object_object_add(item, "made_ms", json_object_new_int64(order->made_ms));
    (void) json_object_object_add(item, "answered", json_object_new_boolean(order->answered));
    return item;
}

static struct json_object *members_to_json(const struct flt_group *g)
{
    struct json_object *items = json_object_new_array();
    bool waits = false;

    for (size_t i = 0; i < g->orders.n; i++)
        waits |= g->orders.items[i].left > 0;
    for (size_t i = 0; waits && i < g->n_members; i++)
        (void) json_object_array_add(items, json_object_new_string(g->members[i].id));
    return items;
}

static struct json_object *to_json(const struct flt_group *g)
{
    struct json_object *root = json_object_new_object(), *items = json_object_new_array();
    char boot[BOOT_ID_MAX];

    read_boot(boot);
    for (size_t i = 0; i < g->orders.n; i++)
        (void) json_object_array_add(items, order_to_json(&g->orders.items[i]));
    (void) json_object_object_add(root, "epoch", json_object_new_int64(g->orders.epoch));
    (void) json_object_object_add(root, "boot", json_object_new_string(boot));
    (void) json_object_object_add(root, "mono_ms", json_object_new_int64(flt_monotonic_ms()));
    (void) json_object_object_add(root, "wall_ms", json_object_new_int64(flt_wall_ms()));
    (void) json_object_object_add(root, "orders", items);
    (void) json_object_object_add(root, "members", members_to_json(g));
    return root;
}

int32_t orders_store(struct flt_group *g)
{
    struct json_object *root = to_json(g);
    const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
    char error[FLT_ERROR_MAX];
    int32_t code = flt_file_replace(g->file, text, error);

    json_object_put(root);
    return code == FLT_OK ? FLT_OK : aws_fail(g, code, 0, "%s", error);
}
