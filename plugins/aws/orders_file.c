/* orders_file.c - the orders on disk, so that one whose answer was lost is still known after the provider's process
 * was killed: state_dir/aws/HASH.json, a file for each group, replaced as a whole.
 *
 *   {"epoch": N, "orders": [{"request", "target", "accepted", "left", "made_ms", "answered"}]}
 */

#include "aws.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sdk/lib/json.h"

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
    int fd = open(g->file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct json_object *root;
    int32_t code;

    if (fd < 0 && errno == ENOENT)
        return FLT_OK;
    if (fd < 0)
        return aws_fail(g, FLT_E_INTERNAL, 0, "%s: %m", g->file);
    root = json_object_from_fd(fd);
    (void) close(fd);
    code = root ? read_all(g, root) : damaged(g, "it is no JSON");
    json_object_put(root);
    return code;
}

/* A group that was made anew under its old name has another ARN, and none of the old orders. */
static bool name_file(struct flt_group *g, const char *arn)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char hex[33];

    if (EVP_Digest(arn, strlen(arn), hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    for (size_t i = 0; i < 16; i++)
        (void) snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    return (size_t) snprintf(g->file, sizeof(g->file), "%s/%s.json", g->dir, hex) <
           sizeof(g->file) - 8; /* room for ".new" */
}

int32_t orders_open(struct flt_group *g, const char *arn)
{
    const char *state_dir = g->host->state_dir(g->call);
    struct stat st;

    if (!state_dir ||
        (size_t) snprintf(g->dir, sizeof(g->dir), "%s/aws", state_dir) >= sizeof(g->dir) ||
        !name_file(g, arn))
        return aws_fail(g, FLT_E_INVALID, 0,
                        "the host has no state directory for the orders, or a path too long");
    if ((mkdir(g->dir, 0700) < 0 && errno != EEXIST) || lstat(g->dir, &st) < 0)
        return aws_fail(g, FLT_E_INVALID, 0, "directory %s: %m", g->dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return aws_fail(g, FLT_E_INVALID, 0,
                        "directory %s must belong to user %ld and be closed to others (chmod 0700)",
                        g->dir, (long) geteuid());
    return load(g);
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

static bool write_new(const char *path, struct json_object *root)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && json_object_to_fd(fd, root, JSON_C_TO_STRING_PLAIN) == 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void) close(fd);
    return ok;
}

static bool sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void) close(fd);
    return ok;
}

int32_t orders_store(struct flt_group *g)
{
    struct json_object *root = to_json(&g->orders);
    char path[AWS_PATH_MAX + 8];
    bool ok;

    (void) snprintf(path, sizeof(path), "%s.new", g->file);
    ok = root && write_new(path, root) && rename(path, g->file) == 0 && sync_dir(g->dir);
    json_object_put(root);
    return ok ? FLT_OK : aws_fail(g, FLT_E_INTERNAL, 0, "%s cannot be written: %m", g->file);
}
