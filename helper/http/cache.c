/* helper/http/cache.c - a cache's archive on its way from the store and to it, with all tries
 * (job-execution.md 5.5, 5.6). */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/http.h"
#include "helper/http/store.h"
#include "helper/say.h"

/* A file beside the archive, while it comes; or the archive, while it goes. */
struct passage {
    const char *file;
    const struct cache_object *object;
    struct meter *meter;
    int fd;
    bool unwanted;
    int64_t modified_s;
};

static int code_of(enum outcome_result result)
{
    return result == OUTCOME_OK ? 0 : result == OUTCOME_NOT_FOUND ? -ENOENT : -EIO;
}

int http_look_at_cache(const struct cache_object *object, int64_t timeout_ms,
                       int64_t *ret_modified_s)
{
    auto_place struct store_place place;
    struct outcome outcome;
    struct error err;

    if (store_locate(object, "HEAD", timeout_ms, &place, &err) < 0)
        return err.code;
    store_http_head(&place.object, &outcome);
    *ret_modified_s = outcome.modified_s;
    return code_of(outcome.result);
}

/* "cache.zip", whatever is in it. */
static const char *base_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

static void say_way(const char *what, const char *name, int name_len, const char *word,
                    const struct cache_object *object)
{
    autofree char *url =
        store_clean_url(str_empty(object->gocloud_url) ? object->url : object->gocloud_url);

    say(SAY_INFO, "%s %.*s %s %s", what, name_len, name, word, url ? url : "");
}

static int begin_download(void *arg, int64_t size, int64_t modified_s)
{
    struct passage *passage = arg;
    const char *name = base_of(passage->file);
    int64_t ours;

    if (modified_s != 0 && cache_file_modified(passage->file, &ours) && ours >= modified_s) {
        say(SAY_INFO, "%s is up to date", name);
        passage->unwanted = true;
        return 1;
    }
    /* An archive that is no zip has this name, too: the ending would mislead. */
    say_way("Downloading", name, (int) strcspn(name, "."), "from", passage->object);
    passage->modified_s = modified_s;
    passage->meter->total = size;
    return 0;
}

static int write_download(void *arg, const void *data, size_t len)
{
    struct passage *passage = arg;
    int r = fs_write_all(passage->fd, data, len);

    if (r < 0)
        return r;
    meter_add(passage->meter, (int64_t) len);
    return 0;
}

/* The archive takes the store's time, by which the next job sees whether there is a newer one. */
static int keep_download(const struct passage *passage, const char *name, struct error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
                                       { .tv_sec = passage->modified_s } };

    if (passage->modified_s != 0 && futimens(passage->fd, times) < 0)
        return error_errno(err, -errno, "'%s'", name);
    if (rename(name, passage->file) < 0)
        return error_errno(err, -errno, "'%s'", passage->file);
    return 0;
}

static int download_once(const struct store_object *object, struct passage *passage,
                         struct outcome *outcome, struct error *err)
{
    const struct outcome_sink sink = { .begin = begin_download,
                                       .write = write_download,
                                       .arg = passage };
    autofree char *name = NULL;
    autoclose int fd = -1;
    int r;

    if (cache_temporary(passage->file, "cache", &name, &fd, err) < 0)
        return err->code;
    passage->fd = fd;
    meter_start(passage->meter);
    store_http_get(object, &sink, outcome);
    meter_end(passage->meter);
    r = code_of(outcome->result);
    if (r < 0)
        (void) error_set(err, r, "%s", outcome->message);
    else if (!passage->unwanted)
        r = keep_download(passage, name, err);
    if (r < 0 || passage->unwanted)
        (void) unlink(name);
    return r;
}

int http_download_cache(const struct cache_object *object, struct cache_transfer *transfer,
                        const char *file, struct error *err)
{
    auto_place struct store_place place;
    struct passage passage = { .file = file, .object = object, .meter = &transfer->meter };

    if (store_locate(object, "GET", cache_transfer_timeout_ms(transfer), &place, err) < 0)
        return err->code;
    for (int64_t tries = 0;; tries++) {
        struct outcome outcome = { .result = OUTCOME_FAILED };
        int r = download_once(&place.object, &passage, &outcome, err);

        if (outcome.result != OUTCOME_RETRY || tries >= transfer->retry.times)
            return r;
        retry_pause(transfer->retry.pause_ms, NULL, err->message);
    }
}

static int64_t read_upload(void *arg, void *data, size_t size)
{
    struct passage *passage = arg;
    ssize_t n;

    do
        n = io_read(passage->fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        meter_add(passage->meter, n);
    return n < 0 ? -errno : n;
}

int http_upload_cache(const struct cache_object *object, struct cache_transfer *transfer,
                      const char *file, struct error *err)
{
    auto_place struct store_place place;
    autoclose int fd = -1;
    struct passage passage = { .file = file, .meter = &transfer->meter };
    struct outcome_source source = { .read = read_upload, .arg = &passage };
    struct stat st;

    if (store_locate(object, "PUT", cache_transfer_timeout_ms(transfer), &place, err) < 0)
        return err->code;
    passage.fd = fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, -errno, "'%s'", file);
    source.size = transfer->meter.total = st.st_size;
    place.object.modified_s = st.st_mtim.tv_sec;
    for (int64_t tries = 0;; tries++) {
        struct outcome outcome;

        say_way("Uploading", base_of(file), (int) strlen(base_of(file)), "to", object);
        if (lseek(fd, 0, SEEK_SET) < 0)
            return error_errno(err, -errno, "'%s'", file);
        meter_start(&transfer->meter);
        store_http_put(&place.object, &source, &outcome);
        meter_end(&transfer->meter);
        if (outcome.result == OUTCOME_OK)
            return 0;
        if (outcome.result != OUTCOME_RETRY || tries >= transfer->retry.times)
            return error_set(err, code_of(outcome.result), "%s", outcome.message);
        retry_pause(transfer->retry.pause_ms, NULL, outcome.message);
    }
}
