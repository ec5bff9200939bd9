/* store.c - the directory of a group: who may change it, which instances there are.
 *
 *   STATE/lock               flock around every change: two hosts may serve one group for a moment
 *   STATE/epoch              the highest epoch that has changed the group
 *   STATE/instances/ID/      one instance; whole once meta.json is there, being removed once that
 * is renamed to gone.json STATE/trash/             directories that are only waiting to be deleted
 *
 * A crash at any moment leaves a directory without both files, which nobody lists and the next
 * sweep ends with whatever was started for it. Instances do not outlive the machine, so nothing of
 * them is synced to the disk; the epoch is.
 */

#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define META "meta.json"
#define GONE "gone.json"
#define EPOCH_NEW "epoch.new"
#define META_MAX 4096
#define SWEEP_TIME_MS 5000

bool id_is_ours(const char *id)
{
    return strlen(id) == LOCAL_ID_LEN &&
           strncmp(id, LOCAL_ID_PREFIX, strlen(LOCAL_ID_PREFIX)) == 0 &&
           strspn(id + strlen(LOCAL_ID_PREFIX), "0123456789abcdef") ==
               LOCAL_ID_LEN - strlen(LOCAL_ID_PREFIX);
}

int open_dir_at(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

ssize_t read_small(int dir_fd, const char *name, char *buf, size_t size)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t got = -1;
    size_t len = 0;

    if (fd < 0)
        return -1;
    while (len < size && (got = read(fd, buf + len, size - len)) > 0)
        len += (size_t) got;
    (void) close(fd);
    if (got < 0 || len == size) {
        errno = got < 0 ? errno : EFBIG;
        return -1;
    }
    buf[len] = '\0';
    return (ssize_t) len;
}

static int write_all(int fd, const char *text)
{
    size_t len = strlen(text);

    while (len > 0) {
        ssize_t got = write(fd, text, len);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        text += got;
        len -= (size_t) got;
    }
    return 0;
}

int write_small(int dir_fd, const char *name, const char *text, mode_t mode)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    int result;

    if (fd < 0)
        return -1;
    result = write_all(fd, text);
    if (close(fd) < 0)
        result = -1;
    return result;
}

/* Makes the directory and its missing parents. */
static int make_dirs(const char *path)
{
    char part[LOCAL_PATH_MAX];
    size_t len = strlen(path);

    if (len >= sizeof(part)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return -1;
    }
    return 0;
}

static int open_sub(int dir_fd, const char *name)
{
    if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return -1;
    return open_dir_at(dir_fd, name);
}

int32_t store_open(struct flt_group *g, flt_call *call, const char *path)
{
    struct stat st;

    if (make_dirs(path) < 0 || (g->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        fstat(g->dir_fd, &st) < 0)
        return flt_failf(g->host, call, FLT_E_INVALID, 0, "state directory %s: %m", path);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return flt_failf(g->host, call, FLT_E_INVALID, 0,
                         "state directory %s must belong to user %ld and be closed to others "
                         "(chmod 0700)",
                         path, (long) geteuid());
    g->instances_fd = open_sub(g->dir_fd, "instances");
    g->trash_fd = open_sub(g->dir_fd, "trash");
    if (g->instances_fd < 0 || g->trash_fd < 0)
        return flt_failf(g->host, call, FLT_E_INVALID, 0, "state directory %s: %m", path);
    return FLT_OK;
}

void store_close(struct flt_group *g)
{
    int *fds[] = { &g->dir_fd, &g->instances_fd, &g->trash_fd };

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (*fds[i] >= 0)
            (void) close(*fds[i]);
        *fds[i] = -1;
    }
}

/* Opened anew each time: the lock belongs to the open file, so two groups of one process exclude
 * each other as well. */
bool store_try_lock(struct flt_group *g, int *ret_fd)
{
    int fd = openat(g->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int saved = errno;

        (void) close(fd);
        errno = saved;
        return false;
    }
    *ret_fd = fd;
    return true;
}

int32_t store_lock(struct flt_group *g, flt_call *call, int *ret_fd)
{
    while (!store_try_lock(g, ret_fd)) {
        int32_t code;

        if (errno != EWOULDBLOCK && errno != EINTR)
            return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/lock: %m", g->dir);
        code = call_wait(g->host, call, 10);
        if (code != FLT_OK)
            return code;
    }
    return FLT_OK;
}

static int replace_epoch(struct flt_group *g, int64_t epoch)
{
    char text[32];
    int fd, result;

    (void) snprintf(text, sizeof(text), "%" PRId64 "\n", epoch);
    fd = openat(g->dir_fd, EPOCH_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    result = write_all(fd, text) < 0 || fsync(fd) < 0 ? -1 : 0;
    if (close(fd) < 0)
        result = -1;
    if (result == 0)
        result = renameat(g->dir_fd, EPOCH_NEW, g->dir_fd, "epoch");
    return result == 0 ? fsync(g->dir_fd) : -1;
}

int32_t store_admit_epoch(struct flt_group *g, flt_call *call)
{
    int64_t mine = g->host->epoch(call), seen = 0;
    char text[32];

    if (read_small(g->dir_fd, "epoch", text, sizeof(text)) < 0) {
        if (errno != ENOENT)
            return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/epoch: %m", g->dir);
    } else if (!number_parse(text, INT64_MAX, &seen)) {
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0,
                         "%s/epoch holds no number, so nobody knows who may change group '%s'; "
                         "remove the file when no other flotilla serves it",
                         g->dir, g->options.name);
    }
    if (mine < seen)
        return flt_failf(g->host, call, FLT_E_STALE, 0,
                         "group '%s' is held by epoch %" PRId64 ", this host has %" PRId64
                         ": another flotilla serves it",
                         g->options.name, seen, mine);
    if (mine > seen && replace_epoch(g, mine) < 0)
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/epoch: %m", g->dir);
    return FLT_OK;
}

static bool get_number(struct json_object *root, const char *key, int64_t *ret)
{
    struct json_object *value;

    if (!json_object_object_get_ex(root, key, &value) || !json_object_is_type(value, json_type_int))
        return false;
    *ret = json_object_get_int64(value);
    return true;
}

static bool get_text(struct json_object *root, const char *key, char *dst, size_t size)
{
    struct json_object *value;
    const char *text;

    if (!json_object_object_get_ex(root, key, &value) ||
        !json_object_is_type(value, json_type_string))
        return false;
    text = json_object_get_string(value);
    return (size_t) snprintf(dst, size, "%s", text) < size;
}

static bool parse_meta(const char *text, struct local_instance *ret)
{
    struct json_object *root = json_tokener_parse(text);
    struct local_instance in = { 0 };
    char failure[32];
    int64_t port = 0;
    bool ok = json_object_is_type(root, json_type_object) &&
              get_text(root, "id", in.id, sizeof(in.id)) &&
              get_text(root, "request_id", in.request_id, sizeof(in.request_id)) &&
              get_text(root, "boot_id", in.boot_id, sizeof(in.boot_id)) &&
              get_text(root, "failure", failure, sizeof(failure)) &&
              failure_parse(failure, &in.failure) && get_number(root, "port", &port) && port >= 0 &&
              port <= UINT16_MAX && get_number(root, "epoch", &in.epoch) &&
              get_number(root, "created_ms", &in.created_wall_ms) &&
              get_number(root, "ready_boottime_ms", &in.ready_ms) &&
              get_number(root, "end_boottime_ms", &in.end_ms);

    (void) get_number(root, "interrupted_ms", &in.interrupted_wall_ms);
    if (ok) {
        in.port = (uint16_t) port;
        *ret = in;
    }
    json_object_put(root);
    return ok;
}

int store_commit(struct flt_group *g, int instance_fd, const struct local_instance *in)
{
    struct json_object *root = json_object_new_object();
    const char *text;
    int result = -1;

    if (!root)
        return -1;
    json_object_object_add(root, "id", json_object_new_string(in->id));
    json_object_object_add(root, "port", json_object_new_int(in->port));
    json_object_object_add(root, "created_ms", json_object_new_int64(in->created_wall_ms));
    json_object_object_add(root, "request_id", json_object_new_string(in->request_id));
    json_object_object_add(root, "epoch", json_object_new_int64(in->epoch));
    json_object_object_add(root, "failure", json_object_new_string(failure_name(in->failure)));
    json_object_object_add(root, "boot_id", json_object_new_string(in->boot_id));
    json_object_object_add(root, "ready_boottime_ms", json_object_new_int64(in->ready_ms));
    json_object_object_add(root, "end_boottime_ms", json_object_new_int64(in->end_ms));
    if (in->interrupted_wall_ms != 0)
        json_object_object_add(root, "interrupted_ms",
                               json_object_new_int64(in->interrupted_wall_ms));
    text = json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN);
    if (text && write_small(instance_fd, META ".new", text, 0600) == 0)
        result = renameat(instance_fd, META ".new", instance_fd, META);
    json_object_put(root);
    return result;
}

/* A directory whose name and contents agree, and that is whole or being removed. */
bool store_find(struct flt_group *g, const char *id, struct local_instance *ret)
{
    char text[META_MAX];
    bool deleting = false, found = false;
    int fd = id_is_ours(id) ? open_dir_at(g->instances_fd, id) : -1;

    if (fd < 0)
        return false;
    if (read_small(fd, META, text, sizeof(text)) < 0) {
        deleting = read_small(fd, GONE, text, sizeof(text)) >= 0;
        if (!deleting)
            text[0] = '\0';
    }
    found = text[0] && parse_meta(text, ret) && strcmp(ret->id, id) == 0;
    if (found)
        ret->deleting = deleting;
    (void) close(fd);
    return found;
}

static bool add_instance(struct local_instances *all, const struct local_instance *in)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 16;
        struct local_instance *items = reallocarray(all->items, cap, sizeof(*items));

        if (!items)
            return false;
        all->items = items;
        all->cap = cap;
    }
    all->items[all->n++] = *in;
    return true;
}

void instances_done(struct local_instances *all)
{
    free(all->items);
    memset(all, 0, sizeof(*all));
}

/* The descriptor that fdopendir() takes over; rewound, since it shares its offset. */
static DIR *list_dir(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir && fd >= 0)
        (void) close(fd);
    return dir;
}

int32_t store_load(struct flt_group *g, flt_call *call, struct local_instances *ret)
{
    DIR *dir = list_dir(g->instances_fd);
    struct local_instances all = { 0 };
    struct local_instance in;
    struct dirent *entry;
    bool ok = dir != NULL;

    while (ok) {
        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            ok = errno == 0;
            break;
        }
        if (store_find(g, entry->d_name, &in))
            ok = add_instance(&all, &in);
    }
    if (dir)
        (void) closedir(dir);
    if (!ok) {
        instances_done(&all);
        return flt_failf(g->host, call, FLT_E_INTERNAL, 0, "%s/instances: %m", g->dir);
    }
    *ret = all;
    return FLT_OK;
}

bool store_mark_deleting(struct flt_group *g, const char *id)
{
    int fd = open_dir_at(g->instances_fd, id);
    bool found;

    if (fd < 0)
        return false;
    found = renameat(fd, META, fd, GONE) == 0 || faccessat(fd, GONE, F_OK, 0) == 0;
    (void) close(fd);
    return found;
}

int store_discard(struct flt_group *g, const char *id)
{
    return renameat(g->instances_fd, id, g->trash_fd, id);
}

int64_t store_death_noted_ms(struct flt_group *g, const char *id)
{
    int fd = open_dir_at(g->instances_fd, id);
    int64_t when = clock_boot_ms();
    char text[32];

    if (fd < 0)
        return when;
    if (read_small(fd, "died", text, sizeof(text)) < 0 || !number_parse(text, INT64_MAX, &when)) {
        (void) snprintf(text, sizeof(text), "%" PRId64 "\n", when);
        (void) write_small(fd, "died", text, 0600);
    }
    (void) close(fd);
    return when;
}

/* How long a sweep may take, so that a home with a million files cannot hold up a call: the rest is
 * for the next one. */
struct patience {
    struct flt_group *g;
    flt_call *call;
    int64_t until_ms;
};

static bool is_patient(void *arg)
{
    const struct patience *p = arg;

    return clock_boot_ms() < p->until_ms && p->g->host->time_left_ms(p->call) > 1000 &&
           !p->g->host->cancelled(p->call);
}

void store_empty_trash(struct flt_group *g, flt_call *call)
{
    struct patience patience = { g, call, clock_boot_ms() + SWEEP_TIME_MS };
    bool removed = true;

    /* Again, because removing a deep tree moves parts of it to the top. */
    while (removed && is_patient(&patience)) {
        DIR *dir = list_dir(g->trash_fd);
        struct dirent *entry;

        removed = false;
        while (dir && (entry = readdir(dir)))
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                tree_remove(g->trash_fd, entry->d_name, is_patient, &patience) == 0)
                removed = true;
        if (dir)
            (void) closedir(dir);
    }
}

void store_sweep(struct flt_group *g, flt_call *call)
{
    DIR *dir = list_dir(g->instances_fd);
    struct patience patience = { g, call, clock_boot_ms() + SWEEP_TIME_MS };
    struct local_instance in;
    struct dirent *entry;

    (void) unlinkat(g->dir_fd, EPOCH_NEW, 0); /* of a host that was killed while it wrote */
    while (dir && is_patient(&patience) && (entry = readdir(dir))) {
        bool found;

        if (!id_is_ours(entry->d_name))
            continue;
        found = store_find(g, entry->d_name, &in);
        if (found && !in.deleting)
            continue;
        if (process_end_all(g, call, entry->d_name, found ? in.port : 0) == FLT_OK)
            (void) store_discard(g, entry->d_name);
    }
    if (dir)
        (void) closedir(dir);
    store_empty_trash(g, call);
}
