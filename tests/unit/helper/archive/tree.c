/* tests/unit/helper/archive/tree.c - see the header. */
#include "tests/unit/helper/archive/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/glob.h"

static void on_say(void *ctx, enum report_level level, const char *sentence)
{
    static const char *const levels[] = { "info", "warning", "error" };
    struct said *said = ctx;

    buf_addf(&said->text, "%s: %s\n", levels[level], sentence);
}

struct report said_report(struct said *said)
{
    return (struct report) { on_say, said };
}

void said_done(struct said *said)
{
    buf_done(&said->text);
}

bool tree_has_openat2(void)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC };
    autoclose int fd = (int) syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how));

    return fd >= 0;
}

int tree_open(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        fail_msg("%s: %s", dir, strerror(errno));
    return fd;
}

void tree_folder(const char *dir, const char *path)
{
    autofree char *whole = harness_path(dir, path);
    struct error err = { 0 };

    if (fs_mkdirs(whole, 0755, &err) < 0)
        fail_msg("%s", err.message);
}

void tree_link(const char *dir, const char *path, const char *target)
{
    autofree char *whole = harness_path(dir, path);

    if (symlink(target, whole) < 0)
        fail_msg("%s: %s", whole, strerror(errno));
}

void tree_make(const char *dir, const char *paths)
{
    autofree char *copy = mem_strdup(paths);
    char *rest = copy, *path;

    while ((path = strsep(&rest, " ")) != NULL) {
        size_t len = strlen(path);

        if (len == 0)
            continue;
        if (path[len - 1] == '/') {
            path[len - 1] = '\0';
            tree_folder(dir, path);
        } else {
            harness_write(dir, path, path);
        }
    }
}

struct listed {
    char *paths[4096];
    size_t n;
};

static int on_found(void *ctx, const struct glob_found *found)
{
    struct listed *listed = ctx;

    if (!str_eq(found->path, ".") && listed->n < ARRAY_LEN(listed->paths))
        listed->paths[listed->n++] = mem_strdup(found->path);
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char *tree_list(const char *dir)
{
    auto_ptr(glob_free) struct glob *all = NULL;
    autobuf struct buf text = BUF_INIT;
    autoclose int fd = tree_open(dir);
    autofree struct listed *listed = mem_zero(sizeof(*listed));
    const struct glob_visitor visitor = { on_found, listed };
    struct error err = { 0 };

    assert_non_null(listed);
    assert_int_equal(glob_new(".", &all, &err), 0);
    assert_int_equal(glob_find(all, fd, &visitor, &err), 0);
    qsort(listed->paths, listed->n, sizeof(char *), by_bytes);
    for (size_t i = 0; i < listed->n; i++) {
        buf_addf(&text, "%s%s", i > 0 ? " " : "", listed->paths[i]);
        free(listed->paths[i]);
    }
    return mem_strdup(buf_str(&text));
}

static void assert_same_contents(int a, int b, const char *path)
{
    autobuf struct buf one = { .max = SIZE_MAX / 2 }, other = { .max = SIZE_MAX / 2 };
    struct error err = { 0 };

    if (fs_read_file(a, path, 1 << 30, &one, &err) < 0 ||
        fs_read_file(b, path, 1 << 30, &other, &err) < 0)
        fail_msg("%s", err.message);
    if (one.len != other.len || memcmp(buf_str(&one), buf_str(&other), one.len) != 0)
        fail_msg("%s: the contents differ", path);
}

static void assert_same_target(int a, int b, const char *path)
{
    char one[4096] = "", other[4096] = "";

    assert_true(readlinkat(a, path, one, sizeof(one) - 1) > 0);
    assert_true(readlinkat(b, path, other, sizeof(other) - 1) > 0);
    assert_string_equal(one, other);
}

static void assert_same_entry(int a, int b, const char *path)
{
    struct stat one, other;

    if (fstatat(a, path, &one, AT_SYMLINK_NOFOLLOW) < 0 ||
        fstatat(b, path, &other, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: is in one tree alone", path);
    if (one.st_mode != other.st_mode)
        fail_msg("%s: mode %o and %o", path, one.st_mode, other.st_mode);
    if (one.st_mtim.tv_sec != other.st_mtim.tv_sec)
        fail_msg("%s: its time is %lld s off", path,
                 (long long) (one.st_mtim.tv_sec - other.st_mtim.tv_sec));
    if (S_ISREG(one.st_mode))
        assert_same_contents(a, b, path);
    if (S_ISLNK(one.st_mode))
        assert_same_target(a, b, path);
}

struct selection *tree_select(const char *dir, int fd)
{
    static const char *const all[] = { "." };
    const struct selection_request request = {
        .root = dir,
        .root_fd = fd,
        .paths = all,
        .n_paths = 1,
        .variables = &expand_environment,
    };
    struct selection *selection = NULL;
    struct error err = { 0 };

    if (selection_make(&request, NULL, &selection, &err) < 0)
        fail_msg("%s", err.message);
    return selection;
}

void tree_assert_same(const char *a, const char *b)
{
    autoclose int one = tree_open(a), other = tree_open(b);
    auto_ptr(selection_free) struct selection *first = tree_select(a, one);
    auto_ptr(selection_free) struct selection *second = tree_select(b, other);

    for (size_t i = 0; i < first->n_paths; i++)
        assert_same_entry(one, other, first->paths[i]);
    assert_int_equal(first->n_paths, second->n_paths);
}
