/* bench/archive.c - the archive library by itself, without a server: for bench/archive.py, which measures
 * it, and tests/integration/test_archives.py, which shows its archives to other programs.
 *
 * Usage: archive pack FORMAT LEVEL DIR PATH… >ARCHIVE
 *        archive unpack ARCHIVE DIR
 * What the library says goes to stderr, and last the most memory that the process had, in KiB.
 */
#include <fcntl.h>
#include <stdio.h>

#include "core/base/fs.h"
#include "core/base/str.h"
#include "helper/archive/pack.h"
#include "helper/archive/unpack.h"

static void on_say(void *ctx, enum report_level level, const char *sentence)
{
    static const char *const levels[] = { "info", "warning", "error" };

    (void) ctx;
    (void) fprintf(stderr, "%s: %s\n", levels[level], sentence);
}

static const struct report report = { .say = on_say };

static int failed(const struct error *err)
{
    (void) fprintf(stderr, "failed: %s\n", err->message);
    return 1;
}

static void tell_memory(void)
{
    autobuf struct buf status = BUF_INIT;
    const char *line;

    if (fs_read_file(AT_FDCWD, "/proc/self/status", 65536, &status, NULL) < 0)
        return;
    line = strstr(buf_str(&status), "VmHWM:");
    if (line)
        (void) fprintf(stderr, "%.*s\n", (int) strcspn(line, "\n"), line);
}

static int open_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        perror(path);
    return fd;
}

static int pack(char **argv, int n_paths)
{
    autoclose int root = open_directory(argv[2]);
    const struct selection_request wanted = {
        .root = argv[2],
        .root_fd = root,
        .paths = (const char *const *) argv + 3,
        .n_paths = (size_t) n_paths,
        .variables = &expand_environment,
    };
    auto_ptr(selection_free) struct selection *selection = NULL;
    struct pack_request request = { .root_fd = root };
    int out = STDOUT_FILENO;
    const struct pack_sink sink = pack_sink_fd(&out);
    struct error err = { 0 };

    if (root < 0 || pack_format_parse(argv[0], &request.format) < 0 ||
        pack_level_parse(argv[1], &request.level) < 0)
        return 2;
    if (selection_make(&wanted, &report, &selection, &err) < 0)
        return failed(&err);
    request.selection = selection;
    if (pack_write(&request, &sink, &report, NULL, &err) < 0)
        return failed(&err);
    return 0;
}

static int unpack(char **argv)
{
    autoclose int archive = open(argv[0], O_RDONLY | O_CLOEXEC), to = open_directory(argv[1]);
    struct error err = { 0 };

    if (archive < 0 || to < 0)
        return 2;
    if (unpack_extract(archive, to, NULL, &report, NULL, &err) < 0)
        return failed(&err);
    return 0;
}

int main(int argc, char **argv)
{
    int status = 2;

    if (argc > 5 && str_eq(argv[1], "pack"))
        status = pack(argv + 2, argc - 5);
    else if (argc == 4 && str_eq(argv[1], "unpack"))
        status = unpack(argv + 2);
    else
        (void) fprintf(stderr,
                       "Usage: archive pack FORMAT LEVEL DIR PATH... | unpack ARCHIVE DIR\n");
    tell_memory();
    return status;
}
