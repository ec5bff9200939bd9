/* orders_file.c - the orders on disk, so that one whose answer was lost is still known after the provider's process
 * was killed: state_dir/aws/HASH.json, a file for each group, replaced as a whole.
 *
 *   {"epoch": N, "orders": [{"request", "target", "accepted", "left", "made_ms", "answered"}]}
 */

#include "aws.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/state_file.h"
#include "sdk/lib/wipe.h"

#define CAPACITY_MAX INT32_MAX /* as group.c takes it */

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
        flt_json_need_i64(item, "made_ms", 0, INT64_MAX, &order->made_ms, error) < 0 ||
        flt_json_opt_bool(item, "answered", &answered, error) < 0)
        return damaged(g, error);
    (void) snprintf(order->request_id, sizeof(order->request_id), "%s", request_id);
    order->accepted = (uint32_t) accepted;
    order->left = (uint32_t) left;
    order->answered = answered;
    g->orders.n++;
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
    return code;
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
    int32_t code = flt_state_path(g->host, g->call, "aws", arn, "json", g->file, error);

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

static struct json_object *to_json(const struct aws_orders *orders)
{
    struct json_object *root = json_object_new_object(), *items = json_object_new_array();

    for (size_t i = 0; i < orders->n; i++)
        (void) json_object_array_add(items, order_to_json(&orders->items[i]));
    (void) json_object_object_add(root, "epoch", json_object_new_int64(orders->epoch));
    (void) json_object_object_add(root, "orders", items);
    return root;
}

int32_t orders_store(struct flt_group *g)
{
    struct json_object *root = to_json(&g->orders);
    const char *text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
    char error[FLT_ERROR_MAX];
    int32_t code = flt_state_write(g->file, text, error);

    json_object_put(root);
    return code == FLT_OK ? FLT_OK : aws_fail(g, code, 0, "%s", error);
}
