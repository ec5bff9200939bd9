/* core/base/fault.c - effect points of test builds: counted, logged, and places to die (fault.h).
 */
#include "core/base/fault.h"

#ifdef FLOTILLA_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/str.h"

static void note_passing(const char *point)
{
    const char *path = getenv("FLOTILLA_EFFECTS_LOG");
    char line[128];
    int fd, len;

    if (!path)
        return;
    fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    len = snprintf(line, sizeof(line), "%s\n", point);
    (void) !write(fd, line, (size_t) len);
    (void) close(fd);
}

void effect_point(const char *name, const char *side)
{
    static long long left = -1;
    const char *kill_at = getenv("FLOTILLA_KILL_AT"), *colon;
    char point[96];

    (void) snprintf(point, sizeof(point), "%s.%s", name, side);
    note_passing(point);
    colon = kill_at ? strchr(kill_at, ':') : NULL;
    if (!colon || strlen(point) != (size_t) (colon - kill_at) ||
        strncmp(point, kill_at, strlen(point)) != 0)
        return;
    if (left < 0) {
        int64_t n;

        left = parse_i64(colon + 1, 1, 1000000, &n) == 0 ? n : 0;
    }
    if (left > 0 && --left == 0)
        (void) kill(getpid(), SIGKILL);
}

int64_t fault_limit_ms(const char *name, int64_t ms)
{
    const char *at = getenv("FLOTILLA_LIMITS");
    size_t len = strlen(name);

    for (; at && *at; at += strcspn(at, ","), at += *at == ',') {
        char number[24] = "";
        int64_t given;

        if (strncmp(at, name, len) != 0 || at[len] != '=')
            continue;
        (void) snprintf(number, sizeof(number), "%.*s", (int) strcspn(at + len + 1, ","),
                        at + len + 1);
        if (parse_i64(number, 0, INT64_MAX, &given) == 0)
            return given;
    }
    return ms;
}

int64_t fault_wall_ms(int64_t wall_ms)
{
    const char *path = getenv("FLOTILLA_WALL_CLOCK");
    char number[24] = "";
    int64_t wrong = 0;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return wall_ms;
    if (read(fd, number, sizeof(number) - 1) > 0)
        (void) parse_i64(number, INT32_MIN * INT64_C(1000), INT32_MAX * INT64_C(1000), &wrong);
    (void) close(fd);
    return wall_ms + wrong;
}

void fault_breach(void)
{
    if (getenv("FLOTILLA_BREACH"))
        (void) execl("/bin/true", "true", NULL);
}

#endif
