/* helper/cache.c - see cache.h. */
#include "helper/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/say.h"

#define TIMEOUT_MINUTES 10

const struct option cache_transfer_options[] = {
    OPTION("timeout", NULL, OPTION_NUMBER, cache_transfer, timeout_minutes,
           "minutes for one request (10)"),
    OPTION("transfer-buffer-size", "CACHE_TRANSFER_BUFFER_SIZE", OPTION_NUMBER, cache_transfer,
           buffer_size, "taken, of no effect"),
    OPTION("chunk-size", "CACHE_CHUNK_SIZE", OPTION_NUMBER, cache_transfer, chunk_size,
           "taken, of no effect: one stream is used"),
    OPTION("concurrency", "CACHE_CONCURRENCY", OPTION_NUMBER, cache_transfer, concurrency,
           "taken, of no effect: one stream is used"),
    OPTION("env-file", NULL, OPTION_TEXT, cache_transfer, env_file,
           "a file of credentials for --gocloud-url"),
    OPTION("options-stdin", NULL, OPTION_FLAG, cache_transfer, options_stdin,
           "read more options from stdin, one --name=value a line"),
    { 0 }
};

bool cache_object_is_given(const struct cache_object *object)
{
    return !str_empty(object->url) || !str_empty(object->gocloud_url);
}

static int check_numbers(const struct cache_transfer *transfer)
{
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = { { "transfer-buffer-size", transfer->buffer_size },
                    { "chunk-size", transfer->chunk_size },
                    { "concurrency", transfer->concurrency } };

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i].value < 0)
            return -say_fatal("--%s must not be negative; 0 is the default", numbers[i].name);
    return 0;
}

int cache_transfer_begin(const struct cache_transfer *transfer, struct env_file *ret)
{
    struct error err = { 0 };

    if (check_numbers(transfer) < 0)
        return -EINVAL;
    if (env_file_read(transfer->env_file, ret, &err) < 0)
        return -say_fatal("%s", err.message);
    return 0;
}

int64_t cache_transfer_timeout_ms(const struct cache_transfer *transfer)
{
    int64_t minutes = transfer->timeout_minutes;

    return (minutes > 0 ? MIN(minutes, INT64_C(1000000)) : TIMEOUT_MINUTES) * 60000;
}

bool cache_file_modified(const char *file, int64_t *ret_s)
{
    struct stat st;

    if (lstat(file, &st) < 0)
        return false;
    *ret_s = st.st_mtim.tv_sec;
    return true;
}

int cache_make_folders(const char *file, struct error *err)
{
    autofree char *copy = mem_strdup(file);

    if (!copy)
        return error_set(err, -ENOMEM, "'%s': out of memory", file);
    return fs_mkdirs(dirname(copy), 0700, err);
}

int cache_temporary(const char *file, const char *prefix, char **ret_name, int *ret_fd,
                    struct error *err)
{
    const char *slash = strrchr(file, '/');
    int folder_len = slash ? (int) (slash + 1 - file) : 0;
    autofree char *name = mem_printf("%.*s%sXXXXXX", folder_len, file, prefix);
    int fd = name ? mkostemp(name, O_CLOEXEC) : -1;

    if (fd < 0)
        return error_errno(err, name ? -errno : -ENOMEM, "a file beside '%s'", file);
    *ret_name = take_ptr(name);
    *ret_fd = fd;
    return 0;
}
