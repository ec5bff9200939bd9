/* core/coordinator/system_id.c - see system_id.h. */
#include "core/coordinator/system_id.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/rules.h"

#define FILE_NAME ".runner_system_id"
#define STATE_NAME "system_id"
#define FILE_MAX ((size_t) 4096)

static bool is_valid(const char *id, size_t len)
{
    if (len != SYSTEM_ID_SIZE - 1 || (!str_starts(id, "s_") && !str_starts(id, "r_")))
        return false;
    for (size_t i = 2; i < len; i++)
        if (!isalnum((unsigned char) id[i]))
            return false;
    return true;
}

/* 1 = it is there and valid, 0 = it is not, or is none. */
static int read_id(int dir_fd, const char *name, char dst[SYSTEM_ID_SIZE], struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(dir_fd, name, FILE_MAX, &text, err);
    const char *id = buf_str(&text);
    size_t len;

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    id += strspn(id, " \t\r\n");
    len = strcspn(id, " \t\r\n");
    if (!is_valid(id, len))
        return 0;
    memcpy(dst, id, len);
    dst[len] = '\0';
    return 1;
}

static int make_id(char dst[SYSTEM_ID_SIZE])
{
    autobuf struct buf machine = BUF_INIT;

    if (fs_read_file(AT_FDCWD, "/var/lib/dbus/machine-id", FILE_MAX, &machine, NULL) < 0 ||
        machine.len == 0) {
        buf_clear(&machine);
        (void) fs_read_file(AT_FDCWD, "/etc/machine-id", FILE_MAX, &machine, NULL);
    }
    return rules_system_id(machine.len > 0 ? buf_str(&machine) : NULL, dst);
}

static int find_or_make(int state_fd, char dst[SYSTEM_ID_SIZE])
{
    return state_fd >= 0 && read_id(state_fd, STATE_NAME, dst, NULL) > 0 ? 0 : make_id(dst);
}

static bool keep(int dir_fd, const char *name, const char *id, struct error *err)
{
    return dir_fd >= 0 && fs_replace_file(dir_fd, name, id, SYSTEM_ID_SIZE - 1, 0600, err) == 0;
}

static int open_folder(const char *config_file, struct error *err)
{
    const char *slash = strrchr(config_file, '/');
    autofree char *folder =
        slash ? mem_strndup(config_file, (size_t) (slash - config_file) + 1) : mem_strdup("./");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    return fd < 0 ? error_errno(err, -errno, "%s beside %s", FILE_NAME, config_file) : fd;
}

int system_id_load(const char *config_file, int state_fd, char dst[SYSTEM_ID_SIZE],
                   struct error *err)
{
    autoclose int folder = config_file ? open_folder(config_file, err) : -1;
    int r;

    if (folder >= 0) {
        r = read_id(folder, FILE_NAME, dst, err);
        if (r != 0)
            return r > 0 ? 0 : error_wrap(err, r, "system id beside %s", config_file);
    }
    r = find_or_make(state_fd, dst);
    if (r < 0 || !config_file)
        return r < 0 ? error_set(err, r, "no system id can be made") : 0;
    return keep(folder, FILE_NAME, dst, err) || keep(state_fd, STATE_NAME, dst, NULL) ? 0 : 1;
}
