/* core/exec/coordinator_git.c - a file of the repository, if it is one that a fetch needs (coordinator_git.h). */
#include "core/exec/coordinator_git.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/autoclean.h"
#include "core/base/mem.h"
#include "core/base/str.h"

static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz-.";

/* What `git update-server-info` lists, and the packs. Not the configuration, nor anything above. */
static bool is_fetched(const char *path)
{
    static const char packs[] = "objects/pack/";

    if (str_eq(path, "HEAD") || str_eq(path, "info/refs") || str_eq(path, "objects/info/packs"))
        return true;
    return str_starts(path, packs) &&
           path[strlen(packs) + strspn(path + strlen(packs), letters)] == '\0';
}

static int open_file(const char *bare, const char *path, uint64_t *ret_size)
{
    autofree char *full = mem_printf("%s/%s", bare, path);
    autoclose int fd = full ? open(full, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK) : -1;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    *ret_size = (uint64_t) st.st_size;
    return take_fd(&fd);
}

void repository_answer(const char *bare, struct http_request *request, const char *path)
{
    static const struct http_answer_header headers[] = {
        { "Content-Type", "application/octet-stream" },
        { "Cache-Control", "no-store" },
    };
    bool get = str_eq(http_method(request), "GET") || str_eq(http_method(request), "HEAD");
    uint64_t size = 0;
    int fd = get && is_fetched(path) ? open_file(bare, path, &size) : -1;

    if (fd < 0)
        http_answer(request, 404, NULL, 0, "", 0);
    else
        http_answer_file(request, headers, ARRAY_LEN(headers), fd, size);
}
