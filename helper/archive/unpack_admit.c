/* helper/archive/unpack_admit.c - may this entry go into the tree? Answered by its name alone, before
 * anything of it is read.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/path.h"
#include "helper/archive/unpack_internal.h"

#define NAME_BYTES_MAX 4096
#define SHOWN_MAX 200

int unpack_too_much(struct unpack *unpack, const char *what, uint64_t limit)
{
    return error_set(unpack->err, -EFBIG, "the archive has more than %llu %s, which is the limit",
                     (unsigned long long) limit, what);
}

int unpack_refuse(struct unpack *unpack, const char *name, const char *why)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, name, strlen(name), SHOWN_MAX);
    report_say(unpack->report, REPORT_WARNING, "%s: %s, skipping", buf_str(&shown), why);
    unpack->result.refused++;
    if (unpack->result.refused > unpack->limits->refused)
        return error_set(unpack->err, -EBADMSG,
                         "the archive has more than %llu entries that may not be extracted",
                         (unsigned long long) unpack->limits->refused);
    return 0;
}

/* Why the name is none, or NULL. */
static const char *why_not(const struct unpack_entry *entry)
{
    const char *name = entry->name;

    if (entry->name_len == 0)
        return "an entry without a name";
    if (strlen(name) != entry->name_len)
        return "its name has a zero byte";
    if (entry->name_len > NAME_BYTES_MAX)
        return "its name is longer than 4,096 bytes";
    if (name[0] == '/')
        return "its name is absolute";
    if (strchr(name, '\\'))
        return "its name has a backslash";
    if (isalpha((unsigned char) name[0]) && name[1] == ':')
        return "its name begins with a drive";
    if (entry->kind == UNPACK_OTHER)
        return "it is neither file, folder nor link";
    return NULL;
}

static int count(struct unpack *unpack, const struct unpack_entry *entry)
{
    if (++unpack->seen > unpack->limits->entries)
        return unpack_too_much(unpack, "entries", unpack->limits->entries);
    unpack->names_bytes += entry->name_len;
    if (unpack->names_bytes > unpack->limits->names_bytes)
        return unpack_too_much(unpack, "bytes of names", unpack->limits->names_bytes);
    return 0;
}

int unpack_admit(struct unpack *unpack, const struct unpack_entry *entry, char **ret)
{
    autofree char *path = NULL;
    const char *why = why_not(entry);
    bool is_new = false;
    int r = count(unpack, entry);

    *ret = NULL;
    if (r < 0)
        return r;
    if (why)
        return unpack_refuse(unpack, entry->name, why);
    path = mem_strdup(entry->name);
    if (!path)
        return error_errno(unpack->err, -ENOMEM, "archive");
    if (!path_make_clean(path, PATH_UP_REFUSED))
        return unpack_refuse(unpack, entry->name, "its name leads out of the directory");
    if (!*path) /* the directory itself */
        return 0;
    if (names_add(&unpack->names, path, &is_new) < 0)
        return error_errno(unpack->err, -ENOMEM, "archive");
    if (!is_new)
        return unpack_refuse(unpack, entry->name, "the archive has this name already");
    *ret = take_ptr(path);
    return 0;
}

int unpack_known(struct unpack *unpack, const char *name, char **ret)
{
    autofree char *path = mem_strdup(name);

    *ret = NULL;
    if (!path)
        return error_errno(unpack->err, -ENOMEM, "archive");
    if (*name != '/' && path_make_clean(path, PATH_UP_REFUSED) && names_has(&unpack->names, path))
        *ret = take_ptr(path);
    return 0;
}
