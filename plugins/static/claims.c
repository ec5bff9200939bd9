/* claims.c - which machines are in use, in one file that outlives the provider's process.
 *
 * DIR/claims.json is {"epoch": N, "claims": {ID: REQUEST ID, ...}} and is replaced as a whole, so a
 * reader needs no lock; DIR/lock is held (flock) during a change. */

#include "static.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAIMS "claims.json"
#define CLAIMS_NEW "claims.json.new"
#define LOCK_PAUSE_MS 10

int32_t claims_open(struct flt_group *g, flt_call *call)
{
    const char *state_dir = g->host->state_dir(call);
    struct stat st;
    int len = snprintf(g->dir, sizeof(g->dir), "%s/%s", state_dir ? state_dir : "", g->name);

    if (!state_dir || len < 0 || (size_t) len >= sizeof(g->dir))
        return g->host->fail(call, FLT_E_INVALID, 0,
                             "the host has no state directory for the claims, or a path too long");
    (void) mkdir(g->dir, 0700);
    g->dir_fd = open(g->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (g->dir_fd < 0 || fstat(g->dir_fd, &st) < 0)
        return flt_failf(g->host, call, FLT_E_INVALID, 0, "directory %s: %m", g->dir);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return flt_failf(
            g->host, call, FLT_E_INVALID, 0,
            "directory %s must belong to user %ld and be closed to others (chmod 0700)", g->dir,
            (long) geteuid());
    return FLT_OK;
}

void claims_close(struct flt_group *g)
{
    if (g->dir_fd >= 0)
        (void) close(g->dir_fd);
    g->dir_fd = -1;
}

static int32_t damaged(struct flt_group *g, flt_call *call)
{
    return flt_failf(g->host, call, FLT_E_INTERNAL, 0,
                     "%s/" CLAIMS " is damaged, so nobody knows which machines are in use; remove "
                     "it when no job runs on any of them",
                     g->dir);
}

static bool only_texts(struct json_object *claims)
{
    json_object_object_foreach(claims, id, request)
    {
        (void) id;
        if (!json_object_is_type(request, json_type_string))
            return false;
    }
    return true;
}

/* The whole file; an empty state when there is none. */
static int32_t load(struct flt_group *g, flt_call *call, struct json_object **ret)
{
    struct json_object *root = NULL, *claims = NULL, *epoch = NULL;
    int fd = openat(g->dir_fd, CLAIMS, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/" CLAIMS ": %m", g->dir);
    if (fd < 0) {
        root = json_object_new_object();
        (void) json_object_object_add(root, "epoch", json_object_new_int64(0));
        (void) json_object_object_add(root, "claims", json_object_new_object());
    } else {
        root = json_object_from_fd(fd);
        (void) close(fd);
    }
    if (!json_object_object_get_ex(root, "claims", &claims) ||
        !json_object_is_type(claims, json_type_object) || !only_texts(claims) ||
        !json_object_object_get_ex(root, "epoch", &epoch) ||
        !json_object_is_type(epoch, json_type_int)) {
        json_object_put(root);
        return damaged(g, call);
    }
    *ret = root;
    return FLT_OK;
}

static int32_t store(struct flt_group *g, flt_call *call, struct json_object *root)
{
    int fd =
        openat(g->dir_fd, CLAIMS_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && json_object_to_fd(fd, root, JSON_C_TO_STRING_PLAIN) == 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void) close(fd);
    if (ok && renameat(g->dir_fd, CLAIMS_NEW, g->dir_fd, CLAIMS) == 0 && fsync(g->dir_fd) == 0)
        return FLT_OK;
    return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/" CLAIMS " cannot be written: %m",
                     g->dir);
}

static int32_t take_lock(struct flt_group *g, flt_call *call, int *ret_fd)
{
    struct pollfd cancel = { .fd = g->host->cancel_fd(call), .events = POLLIN };
    int32_t code;

    *ret_fd = openat(g->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*ret_fd < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/lock: %m", g->dir);
    while ((code = flt_call_ended(g->host, call)) == FLT_OK &&
           flock(*ret_fd, LOCK_EX | LOCK_NB) < 0)
        (void) poll(&cancel, 1, LOCK_PAUSE_MS);
    if (code != FLT_OK)
        (void) close(*ret_fd);
    return code;
}

/* A flotilla that another one has replaced changes nothing any more. */
static int32_t admit_epoch(struct flt_group *g, flt_call *call, struct json_object *root)
{
    int64_t mine = g->host->epoch(call), seen;

    seen = json_object_get_int64(json_object_object_get(root, "epoch"));
    if (mine < seen)
        return flt_failf(g->host, call, FLT_E_STALE, 0,
                         "group '%s' is held by epoch %" PRId64 ", this host has %" PRId64
                         ": another flotilla serves it",
                         g->name, seen, mine);
    (void) json_object_object_add(root, "epoch", json_object_new_int64(mine));
    return FLT_OK;
}

int32_t claims_read(struct flt_group *g, flt_call *call, struct json_object **ret)
{
    struct json_object *root = NULL;
    int32_t code = load(g, call, &root);

    if (code == FLT_OK)
        *ret = json_object_get(json_object_object_get(root, "claims"));
    json_object_put(root);
    return code;
}

int32_t claims_change(struct flt_group *g, flt_call *call,
                      int32_t (*change)(struct flt_group *g, flt_call *call,
                                        struct json_object *claims, void *arg),
                      void *arg)
{
    struct json_object *root = NULL;
    int lock;
    int32_t code = take_lock(g, call, &lock);

    if (code != FLT_OK)
        return code;
    if ((code = load(g, call, &root)) == FLT_OK && (code = admit_epoch(g, call, root)) == FLT_OK &&
        (code = change(g, call, json_object_object_get(root, "claims"), arg)) == FLT_OK)
        code = store(g, call, root);
    json_object_put(root);
    (void) close(lock);
    return code;
}
