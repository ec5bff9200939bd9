/* core/base/time_zone.c - reading zone files and asking them (time_zone.h).
 *
 * A file holds a table of changes, and in versions 2 and later a POSIX rule for what comes after.
 * Versions 2 and later hold the table twice: first with times of 32 bits for old readers, then with
 * 64 bits, which counts. Files come from the machine, and are read as if they were hostile.
 */
#include "core/base/time_zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/posix_zone.h"
#include "core/base/str.h"

#define FOLDER "/usr/share/zoneinfo"
#define SYSTEM_FILE "/etc/localtime"
#define FILE_MAX ((size_t) 64 * 1024) /* the largest one of tzdata has 4 KiB */
#define NAME_LEN_MAX 128
#define RULE_LEN_MAX 128
#define OFFSET_MAX_S (26 * 3600) /* RFC 8536 3.2 */
#define NAME_SHOWN_MAX 80

struct change {
    int64_t at_s;
    int32_t offset_s;
};
struct time_zone {
    int32_t first_offset_s; /* before the first change */
    struct change *changes; /* in order of time */
    size_t n_changes;
    bool has_rule;
    struct posix_zone rule; /* from the last change on */
};

static const char *folder(void)
{
    const char *given = getenv("TZDIR");

    return str_empty(given) ? FOLDER : given;
}

/* What is left of a file. */
struct reader {
    const unsigned char *at;
    size_t left;
};

/* What a file holds of each thing, by its header. */
struct counts {
    uint64_t utc_flags, standard_flags, leap_seconds, times, types, letters;
    int version;
};

static const unsigned char *take(struct reader *reader, uint64_t len)
{
    const unsigned char *at = reader->at;

    if (len > reader->left)
        return NULL;
    reader->at += len;
    reader->left -= (size_t) len;
    return at;
}

static int64_t big_endian(const unsigned char *at, size_t len)
{
    uint64_t value = at[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return (int64_t) value;
}

static bool read_header(struct reader *reader, struct counts *ret)
{
    const unsigned char *at = take(reader, 44);
    uint64_t *const fields[] = { &ret->utc_flags, &ret->standard_flags, &ret->leap_seconds,
                                 &ret->times,     &ret->types,          &ret->letters };

    if (!at || memcmp(at, "TZif", 4) != 0)
        return false;
    ret->version = at[4];
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        *fields[i] = (uint32_t) big_endian(at + 20 + i * 4, 4);
    return true;
}

static uint64_t behind_types(const struct counts *counts, uint64_t time_size)
{
    return counts->letters + counts->leap_seconds * (time_size + 4) + counts->standard_flags +
           counts->utc_flags;
}

/* The table; `time_size` is that of its times. */
static int read_table(struct reader *reader, const struct counts *counts, size_t time_size,
                      struct time_zone *zone)
{
    const unsigned char *times = take(reader, counts->times * time_size);
    const unsigned char *types = times ? take(reader, counts->times) : NULL;
    const unsigned char *offsets = types ? take(reader, counts->types * 6) : NULL;
    int32_t before;

    if (!offsets || !take(reader, behind_types(counts, time_size)) || counts->types == 0)
        return -EINVAL;
    zone->changes = mem_array((size_t) counts->times + 1, sizeof(*zone->changes));
    if (!zone->changes)
        return -ENOMEM;
    for (size_t i = 0; i < counts->types; i++)
        if (big_endian(offsets + i * 6, 4) < -OFFSET_MAX_S ||
            big_endian(offsets + i * 6, 4) > OFFSET_MAX_S)
            return -EINVAL;
    before = zone->first_offset_s = (int32_t) big_endian(offsets, 4);
    for (size_t i = 0; i < counts->times; i++) {
        struct change change = { .at_s = big_endian(times + i * time_size, time_size) };

        if (types[i] >= counts->types ||
            (i > 0 && change.at_s <= big_endian(times + (i - 1) * time_size, time_size)))
            return -EINVAL;
        change.offset_s = (int32_t) big_endian(offsets + types[i] * 6, 4);
        /* Often the name alone changes, which nobody asks for; the last change is where the rule
         * begins. */
        if (change.offset_s != before || i + 1 == counts->times)
            zone->changes[zone->n_changes++] = change;
        before = change.offset_s;
    }
    return 0;
}

/* "\nRULE\n", empty where there is no rule. */
static int read_rule(struct reader *reader, struct time_zone *zone)
{
    const char *text = (const char *) reader->at;
    const char *end = reader->left > 1 ? memchr(text + 1, '\n', reader->left - 1) : NULL;
    char rule[RULE_LEN_MAX + 1];
    size_t len;

    if (!end || *text != '\n')
        return -EINVAL;
    len = (size_t) (end - text) - 1;
    if (len > RULE_LEN_MAX || memchr(text + 1, '\0', len))
        return -EINVAL;
    memcpy(rule, text + 1, len);
    rule[len] = '\0';
    zone->has_rule = len > 0;
    return zone->has_rule ? posix_zone_parse(rule, &zone->rule) : 0;
}

/* 0, -EINVAL, -ENOMEM or -ENOTSUP. */
static int read_file(struct reader *reader, struct time_zone *zone)
{
    struct counts counts;
    int r;

    if (!read_header(reader, &counts))
        return -EINVAL;
    if (counts.leap_seconds > 0)
        return -ENOTSUP;
    if (counts.version == 0)
        return read_table(reader, &counts, 4, zone);
    if (!take(reader, counts.times * 5 + counts.types * 6 + behind_types(&counts, 4)) ||
        !read_header(reader, &counts))
        return -EINVAL;
    if (counts.leap_seconds > 0)
        return -ENOTSUP;
    r = read_table(reader, &counts, 8, zone);
    return r < 0 ? r : read_rule(reader, zone);
}

int time_zone_parse(const void *data, size_t len, struct time_zone **ret, struct error *err)
{
    auto_ptr(time_zone_free) struct time_zone *zone = mem_zero(sizeof(*zone));
    struct reader reader = { data, len };
    int r = zone ? read_file(&reader, zone) : -ENOMEM;

    if (r == -ENOMEM)
        return error_set(err, r, "out of memory");
    if (r == -ENOTSUP)
        return error_set(err, -EINVAL, "counts leap seconds, which no clock here does");
    if (r < 0)
        return error_set(err, r, "is no zone file (TZif), or a damaged one");
    *ret = take_ptr(zone);
    return 0;
}

void time_zone_free(struct time_zone *zone)
{
    if (!zone)
        return;
    free(zone->changes);
    free(zone);
}

static int load_file(const char *path, struct time_zone **ret, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(AT_FDCWD, path, FILE_MAX, &text, err);

    if (r < 0)
        return r;
    r = time_zone_parse(buf_str(&text), text.len, ret, err);
    return r < 0 ? error_wrap(err, r, "%s", path) : 0;
}

/* Offset and rule are 0: UTC. */
static int make_simple(const struct posix_zone *rule, struct time_zone **ret, struct error *err)
{
    *ret = mem_zero(sizeof(**ret));
    if (!*ret)
        return error_set(err, -ENOMEM, "out of memory");
    (*ret)->has_rule = true;
    (*ret)->rule = *rule;
    return 0;
}

static int make_utc(struct time_zone **ret, struct error *err)
{
    return make_simple(&(struct posix_zone) { 0 }, ret, err);
}

/* A name becomes a path: it must not leave the folder, nor name what is hidden there. */
static bool name_is_sound(const char *name)
{
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-./") !=
            strlen(name) ||
        strlen(name) > NAME_LEN_MAX)
        return false;
    for (const char *part = name; part; part = strchr(part, '/'), part += part != NULL)
        if (*part == '.' || *part == '/' || *part == '\0')
            return false;
    return true;
}

static int refuse_name(const char *name, struct error *err)
{
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, name, strlen(name), NAME_SHOWN_MAX);
    return error_set(err, -EINVAL,
                     "\"%s\" is no name of a time zone; one is such as \"Europe/Berlin\"",
                     buf_str(&shown));
}

static int load_named(const char *name, struct time_zone **ret, struct error *err)
{
    autofree char *path = NULL;
    int r;

    if (str_eq(name, "UTC"))
        return make_utc(ret, err);
    if (!name_is_sound(name))
        return refuse_name(name, err);
    path = mem_printf("%s/%s", folder(), name);
    if (!path)
        return error_set(err, -ENOMEM, "out of memory");
    r = load_file(path, ret, err);
    if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
        return error_set(err, -ENOENT, "there is no time zone \"%s\" in %s%s", name, folder(),
                         access(folder(), F_OK) < 0 ? "; install tzdata" : "");
    return r;
}

/* As POSIX and the C library read TZ: a name or path, perhaps behind a colon, else a rule. */
static int load_from_environment(const char *given, struct time_zone **ret, struct error *err)
{
    const char *name = given + (*given == ':');
    struct posix_zone rule;

    if (!*name)
        return make_utc(ret, err);
    if (*name == '/')
        return load_file(name, ret, err);
    if (posix_zone_parse(name, &rule) == 0)
        return make_simple(&rule, ret, err);
    return load_named(name, ret, err);
}

int time_zone_load(const char *name, struct time_zone **ret, struct error *err)
{
    const char *given = getenv("TZ");
    int r;

    if (!str_empty(name) && !str_eq(name, "Local"))
        return load_named(name, ret, err);
    if (given) {
        r = load_from_environment(given, ret, err);
        return r < 0 ? error_wrap(err, r, "TZ of the environment") : 0;
    }
    r = load_file(SYSTEM_FILE, ret, err);
    return r == -ENOENT ? make_utc(ret, err) : r;
}

/* How many changes are at or before an instant. */
static size_t changes_until(const struct time_zone *zone, int64_t utc_s)
{
    size_t low = 0, high = zone->n_changes;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (zone->changes[middle].at_s <= utc_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t time_zone_offset(const struct time_zone *zone, int64_t utc_s, int64_t *ret_until_s)
{
    size_t passed = changes_until(zone, utc_s);

    if (passed == zone->n_changes && zone->has_rule)
        return posix_zone_offset(&zone->rule, utc_s, ret_until_s);
    *ret_until_s = passed < zone->n_changes ? zone->changes[passed].at_s : INT64_MAX;
    return passed > 0 ? zone->changes[passed - 1].offset_s : zone->first_offset_s;
}

int64_t time_zone_to_utc(const struct time_zone *zone, int64_t local_s)
{
    int64_t ignored;
    /* No offset is as large: before and after any change that is near. */
    int32_t before = time_zone_offset(zone, local_s - OFFSET_MAX_S, &ignored);
    int32_t after = time_zone_offset(zone, local_s + OFFSET_MAX_S, &ignored);

    if (time_zone_offset(zone, local_s - before, &ignored) != before &&
        time_zone_offset(zone, local_s - after, &ignored) == after)
        return local_s - after;
    return local_s - before;
}
