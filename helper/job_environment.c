/* helper/job_environment.c - see job_environment.h. */
#include "helper/job_environment.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/str.h"

#define FILE_MAX (16 << 20)
#define BLANKS " \t"

static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] != '_' && !isalpha((unsigned char) text[i]) &&
            (i == 0 || !isdigit((unsigned char) text[i])))
            return false;
    return len > 0;
}

static int take_line(char *line, size_t number, struct error *err)
{
    char *equals, *end;

    line += strspn(line, BLANKS);
    for (end = line + strlen(line); end > line && strchr(BLANKS, end[-1]); end--)
        end[-1] = '\0';
    equals = strchr(line, '=');
    if (!is_name(line, equals ? (size_t) (equals - line) : strlen(line)))
        return error_set(err, -EINVAL, "$GITLAB_ENV: line %zu names no variable", number);
    if (!equals)
        return 0;
    *equals = '\0';
    return setenv(line, equals + 1, 1) < 0 ? error_errno(err, -errno, "$GITLAB_ENV") : 0;
}

int job_environment_take(const char *path, struct error *err)
{
    autobuf struct buf text = BUF_SECRET;
    char *rest, *line;
    int r = fs_read_file(AT_FDCWD, path, FILE_MAX, &text, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    rest = text.data;
    for (size_t number = 1; rest && strchr(rest, '\n'); number++) {
        line = strsep(&rest, "\n");
        r = take_line(line, number, err);
        if (r < 0)
            return r;
    }
    return 0;
}
