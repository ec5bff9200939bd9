/* nestingd/tart/answer.c - see answer.h.
 *
 * The table that `tart list` prints without --format json is not read: its columns changed between releases, and hold
 * texts with blanks (nesting.md 5.1, trap 1).
 */
#include "nestingd/tart/answer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/str.h"

enum { GIB_MAX = 1024 * 1024 };

static int read_machine(json_t *entry, struct tart_machine *ret, bool *ret_local, struct error *err)
{
    const char *source = NULL, *state = NULL;
    bool running = true;
    int r;

    if (!json_object_is_type(entry, json_type_object))
        return error_set(err, -EINVAL, "an entry is no object");
    r = json_need_str(entry, "Name", &ret->name, err);
    if (r == 0)
        r = json_need_str(entry, "Source", &source, err);
    if (r == 0)
        r = json_opt_bool(entry, "Running", &running, err);
    if (r == 0)
        r = json_opt_str(entry, "State", &state, err);
    if (r != 0)
        return r;
    *ret_local = strcasecmp(source, "local") == 0;
    ret->stopped = state ? str_eq(state, "stopped") : !running;
    return 0;
}

static int each_machine(json_t *list, int (*each)(void *arg, const struct tart_machine *machine),
                        void *arg, struct error *err)
{
    size_t n = json_object_array_length(list);

    for (size_t i = 0; i < n; i++) {
        struct tart_machine machine = { 0 };
        bool local = false;
        int r = read_machine(json_object_array_get_idx(list, i), &machine, &local, err);

        if (r < 0)
            return error_wrap(err, r, "what tart lists");
        r = local ? each(arg, &machine) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int tart_read_list(const char *text, size_t len,
                   int (*each)(void *arg, const struct tart_machine *machine), void *arg,
                   struct error *err)
{
    autojson json_t *list = NULL;
    int r = json_parse(text, len, &list, err);

    if (r < 0)
        return error_wrap(err, r, "what tart lists");
    if (!json_object_is_type(list, json_type_array))
        return error_set(err, -EINVAL, "what tart lists: it is no JSON array");
    return each_machine(list, each, arg, err);
}

int tart_read_get(const char *text, size_t len, struct need *ret, struct error *err)
{
    autojson json_t *machine = NULL;
    int64_t cpus = 0, memory_mib = 0;
    int r = json_parse(text, len, &machine, err);

    if (r == 0 && !json_object_is_type(machine, json_type_object))
        r = error_set(err, -EINVAL, "it is no JSON object");
    if (r == 0)
        r = json_opt_i64(machine, "CPU", 0, 1024, &cpus, err);
    if (r == 0)
        r = json_opt_i64(machine, "Memory", 0, (int64_t) GIB_MAX * 1024, &memory_mib, err);
    if (r < 0)
        return error_wrap(err, r, "what tart says of an image");
    ret->cpus = (unsigned) cpus;
    ret->memory_bytes = memory_mib * 1024 * 1024;
    return 0;
}

static bool is_address(const char *text)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

int tart_read_address(const char *text, size_t len, char ret[VM_ADDR_SIZE], struct error *err)
{
    autobuf struct buf shown = BUF_INIT;
    char address[VM_ADDR_SIZE] = "";

    while (len > 0 && strchr(" \t\r\n", text[len - 1]))
        len--;
    while (len > 0 && strchr(" \t\r\n", *text)) {
        text++;
        len--;
    }
    if (len < sizeof(address))
        memcpy(address, text, len);
    if (strlen(address) == len && is_address(address))
        return str_copy(ret, VM_ADDR_SIZE, address);
    str_display(&shown, text, len, 64);
    return error_set(err, -EINVAL, "\"%s\" is no address", buf_str(&shown));
}

bool tart_read_percent(const char *line, int *ret)
{
    size_t end = strlen(line), start;
    char digits[4] = "";
    int64_t percent = 0;

    if (end < 2 || line[end - 1] != '%')
        return false;
    for (start = end - 1; start > 0 && line[start - 1] >= '0' && line[start - 1] <= '9';)
        start--;
    /* In a terminal's way of redrawing a line, ESC [J comes in front. */
    if (start > 0 && line[start - 1] != 'J')
        return false;
    if (end - 1 - start >= sizeof(digits))
        return false;
    memcpy(digits, line + start, end - 1 - start);
    if (parse_i64(digits, 0, 100, &percent) < 0)
        return false;
    *ret = (int) percent;
    return true;
}

bool tart_is_ours(const char *name)
{
    const char *rest = name + strlen(VM_ID_PREFIX);

    return str_starts(name, VM_ID_PREFIX) && strlen(name) == VM_ID_SIZE - 1 &&
           strspn(rest, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(rest);
}
