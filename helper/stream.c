/* helper/stream.c - the command `stream`: takes a line of JSON from stdin that says which command to run
 * where, and runs it with its archive on stdin or stdout (stream.h). */
#include "helper/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/job_environment.h"
#include "helper/say.h"

#define LINE_MAX_BYTES (16 << 20)
#define CHUNK 65536
#define WORDS_MAX 10000

static bool on, has_store = true;
static char **words; /* options keep what they find in them */

bool stream_is_on(void)
{
    return on;
}

bool stream_has_store(void)
{
    return has_store;
}

int stream_send_line(json_t *line)
{
    autojson json_t *owned = line;
    const char *text = json_text(owned);
    int r = text ? fs_write_all(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;

    return r == 0 ? fs_write_all(STDOUT_FILENO, "\n", 1) : r;
}

int stream_send_file(int fd, int64_t size)
{
    autofree char *chunk = mem_alloc(CHUNK);

    if (!chunk)
        return -ENOMEM;
    while (size > 0) {
        ssize_t n = io_read(fd, chunk, (size_t) MIN(size, (int64_t) CHUNK));
        int r = n > 0 ? fs_write_all(STDOUT_FILENO, chunk, (size_t) n) : n == 0 ? -EIO : -errno;

        if (r < 0 && r != -EINTR)
            return r;
        size -= MAX(n, (ssize_t) 0);
    }
    return 0;
}

int64_t stream_receive(int fd)
{
    autofree char *chunk = mem_alloc(CHUNK);
    int64_t all = 0;
    size_t n;
    int r;

    if (!chunk)
        return -ENOMEM;
    while ((n = fread(chunk, 1, CHUNK, stdin)) > 0) {
        r = fs_write_all(fd, chunk, n);
        if (r < 0)
            return r;
        all += (int64_t) n;
    }
    return ferror(stdin) ? -EIO : all;
}

/* Through stdio, whose buffer holds the archive's first bytes by then. */
static int read_line(struct buf *out)
{
    int c;

    while (out->len < LINE_MAX_BYTES && (c = getc_unlocked(stdin)) != EOF) {
        if (c == '\n')
            return buf_error(out);
        buf_add_char(out, (char) c);
    }
    return -EINVAL;
}

static int set_environment(json_t *order, struct error *err)
{
    json_t *pairs = NULL;

    if (json_opt_array(order, "environment", &pairs, err) < 0)
        return err->code;
    for (size_t i = 0; pairs && i < json_object_array_length(pairs); i++) {
        json_t *pair = json_object_array_get_idx(pairs, i);
        const char *key = NULL, *value = NULL;

        if (json_object_is_type(pair, json_type_array) && json_object_array_length(pair) == 2) {
            key = json_object_get_string(json_object_array_get_idx(pair, 0));
            value = json_object_get_string(json_object_array_get_idx(pair, 1));
        }
        if (!key || !value || setenv(key, value, 1) < 0)
            return error_set(err, -EINVAL, "environment: entry %zu is no pair of texts", i + 1);
    }
    return 0;
}

static int enter(json_t *order, struct error *err)
{
    const char *directory = NULL, *env_file = NULL;

    if (json_need_str(order, "directory", &directory, err) < 0 ||
        json_opt_str(order, "env_file", &env_file, err) < 0 ||
        json_opt_bool(order, "store", &has_store, err) < 0)
        return err->code;
    if (set_environment(order, err) < 0)
        return err->code;
    if (!str_empty(env_file) && job_environment_take(env_file, err) < 0)
        return err->code;
    if (chdir(directory) < 0)
        return error_errno(err, -errno, "directory '%s'", directory);
    return 0;
}

static int take_words(json_t *order, int *ret_n, struct error *err)
{
    json_t *list = NULL;
    size_t n;

    if (json_opt_array(order, "arguments", &list, err) < 0)
        return err->code;
    n = list ? json_object_array_length(list) : 0;
    if (n == 0 || n > WORDS_MAX)
        return error_set(err, -EINVAL, "arguments: must begin with a command's name");
    words = mem_array(n + 1, sizeof(*words));
    for (size_t i = 0; words && i < n; i++)
        if (!(words[i] = mem_strdup(json_object_get_string(json_object_array_get_idx(list, i)))))
            return error_set(err, -EINVAL, "arguments: word %zu is no text", i + 1);
    if (!words)
        return error_set(err, -ENOMEM, "arguments: out of memory");
    *ret_n = (int) n;
    return 0;
}

static int take_order(int *ret_n, struct error *err)
{
    autobuf struct buf line = { .max = LINE_MAX_BYTES, .secret = true };
    autojson json_t *order = NULL;

    if (read_line(&line) < 0)
        return error_set(err, -EINVAL, "there is no line of JSON on stdin");
    if (json_parse(buf_str(&line), line.len, &order, err) < 0 || enter(order, err) < 0)
        return err->code;
    return take_words(order, ret_n, err);
}

int run_stream(int argc, char **argv)
{
    const struct command *command;
    struct error err = { 0 };
    int n = 0;

    (void) argc;
    (void) argv;
    if (take_order(&n, &err) < 0)
        return say_fatal("stream: %s", err.message);
    command = commands_find_streamed(words[0]);
    if (!command)
        return say_fatal("stream: there is no command '%s' to run", words[0]);
    on = true;
    return command->run(n, words);
}
