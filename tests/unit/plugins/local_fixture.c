/* tests/unit/plugins/local_fixture.c - see the header. */

#include "tests/unit/plugins/local_fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"

const struct flt_provider *provider;

struct text {
    char *data;
    size_t len, size;
};

int fixture_load(int argc, char **argv)
{
    const struct flt_provider *(*entry)(void) = NULL;
    void *library;

    if (access("/usr/sbin/sshd", X_OK) < 0 || access("/usr/bin/ssh", X_OK) < 0) {
        printf("SKIP: the OpenSSH server and client are needed in /usr/sbin and /usr/bin\n");
        return 77;
    }
    library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    if (library)
        *(void **) &entry = dlsym(library, FLT_PROVIDER_ENTRY);
    if (!entry) {
        fprintf(stderr, "usage: test PLUGIN: %s\n", argc > 1 ? dlerror() : "no plugin named");
        return 1;
    }
    provider = entry();
    return 0;
}

int fixture_setup(void **state)
{
    struct fixture *f = mem_zero(sizeof(*f));

    assert_non_null(f);
    (void) snprintf(f->root, sizeof(f->root), "/tmp/flotilla-local-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    fake_call_init(&f->call, f->root, 30000);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    if (!f->group)
        group_open(f, "{}");
    for (struct listing all = list(f); all.n > 0; all.n--)
        shrink(f, all.ids[all.n - 1]);
    group_close(f);
    fake_call_done(&f->call);
    assert_int_equal(fs_remove_tree(AT_FDCWD, f->root), 0);
    free(f);
    return 0;
}

flt_call *next_call(struct fixture *f, const char *request_id, int64_t epoch)
{
    fake_call_done(&f->call);
    fake_call_init(&f->call, f->root, 30000);
    f->call.request_id = request_id;
    f->call.epoch = epoch;
    return fake_call_ptr(&f->call);
}

void group_open(struct fixture *f, const char *config)
{
    int32_t code = provider->open(&fake_host, next_call(f, NULL, 0), config, "{}", &f->group);

    if (code != FLT_OK)
        fail_msg("open: %d %s", (int) code, f->call.fail_text);
}

void group_close(struct fixture *f)
{
    provider->close(f->group);
    f->group = NULL;
}

uint32_t grow(struct fixture *f, uint32_t n, const char *request_id)
{
    uint32_t accepted = 0;
    int32_t code = provider->increase(f->group, next_call(f, request_id, 1000), n, &accepted);

    if (code != FLT_OK)
        fail_msg("increase: %d %s", (int) code, f->call.fail_text);
    return accepted;
}

static int32_t on_id(void *arg, const char *id)
{
    assert_string_equal(id, arg);
    return 0;
}

void shrink(struct fixture *f, const char *id)
{
    char copy[64];
    const char *ids[] = { copy };
    int32_t code;

    (void) snprintf(copy, sizeof(copy), "%s", id);
    code = provider->decrease(f->group, next_call(f, "shrink", 1000), ids, 1, on_id, copy);
    if (code != FLT_OK)
        fail_msg("decrease: %d %s", (int) code, f->call.fail_text);
}

static int32_t on_instance(void *arg, const struct flt_instance *instance)
{
    struct listing *all = arg;

    assert_true(all->n < FIXTURE_IDS_MAX);
    (void) snprintf(all->ids[all->n], sizeof(all->ids[0]), "%s", instance->id);
    all->states[all->n++] = instance->state;
    return 0;
}

struct listing list(struct fixture *f)
{
    struct listing all = { .n = 0 };
    int32_t code = provider->list(f->group, next_call(f, NULL, 0), on_instance, &all);

    if (code != FLT_OK)
        fail_msg("list: %d %s", (int) code, f->call.fail_text);
    return all;
}

int32_t state_of(struct fixture *f, const char *id)
{
    struct listing all = list(f);

    for (size_t i = 0; i < all.n; i++)
        if (strcmp(all.ids[i], id) == 0)
            return all.states[i];
    return -1;
}

void wait_for_state(struct fixture *f, const char *id, int32_t state)
{
    int64_t until = fake_now_ms() + PATIENCE_MS;
    int32_t now;

    while ((now = state_of(f, id)) != state) {
        if (fake_now_ms() > until)
            fail_msg("%s is in state %d and not in %d", id, (int) now, (int) state);
        (void) poll(NULL, 0, 20);
    }
}

void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fs_write_all(fd, text, strlen(text)), 0);
    (void) close(fd);
}

struct connect_context {
    struct fixture *f;
    struct connection *ret;
};

static int32_t on_connect(void *arg, const struct flt_connect_info *info)
{
    struct connect_context *context = arg;
    struct connection *c = context->ret;
    char line[1024];

    assert_string_equal(info->protocol, "ssh");
    assert_int_equal(info->n_host_keys, 1);
    (void) snprintf(c->address, sizeof(c->address), "%s", info->address);
    (void) snprintf(c->username, sizeof(c->username), "%s", info->username);
    c->port = info->port;
    (void) snprintf(c->key_file, sizeof(c->key_file), "%s/key-%u", context->f->root, c->port);
    (void) snprintf(c->known_hosts, sizeof(c->known_hosts), "%s/known-%u", context->f->root,
                    c->port);
    write_file(c->key_file, info->key);
    (void) snprintf(line, sizeof(line), "[%s]:%u %s %s\n", c->address, c->port,
                    info->host_keys[0].type, info->host_keys[0].key);
    write_file(c->known_hosts, line);
    return 0;
}

void connect_to(struct fixture *f, const char *id, struct connection *ret)
{
    struct connect_context context = { f, ret };
    int32_t code =
        provider->connect_info(f->group, next_call(f, NULL, 0), id, on_connect, &context);

    if (code != FLT_OK)
        fail_msg("connect_info: %d %s", (int) code, f->call.fail_text);
}

static int32_t on_text(void *arg, const void *data, uint32_t len)
{
    struct text *text = arg;
    size_t take = text->size - 1 - text->len;

    if (take > len)
        take = len;
    memcpy(text->data + text->len, data, take);
    text->len += take;
    text->data[text->len] = '\0';
    return 0;
}

int ssh(const struct connection *c, const char *command, char *out, size_t size)
{
    struct text text = { .data = out, .size = size };
    char port[16], known_hosts[300];
    const char *const argv[] = { "/usr/bin/ssh",
                                 "-F",
                                 "/dev/null",
                                 "-o",
                                 "BatchMode=yes",
                                 "-o",
                                 "IdentitiesOnly=yes",
                                 "-o",
                                 "StrictHostKeyChecking=yes",
                                 "-o",
                                 known_hosts,
                                 "-i",
                                 c->key_file,
                                 "-p",
                                 port,
                                 "-l",
                                 c->username,
                                 c->address,
                                 command,
                                 NULL };

    out[0] = '\0';
    (void) snprintf(port, sizeof(port), "%u", c->port);
    (void) snprintf(known_hosts, sizeof(known_hosts), "UserKnownHostsFile=%s", c->known_hosts);
    return fake_run(argv, on_text, &text, true);
}

static bool file_has(const char *pid, const char *name, const char *needle)
{
    char path[300], *data = NULL;
    size_t len = 0, cap = 0;
    bool found;
    ssize_t got = 1;
    int fd;

    (void) snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && got > 0) {
        cap = len + 65536;
        data = mem_resize(data, cap, 1);
        assert_non_null(data);
        got = read(fd, data + len, cap - len);
        len += got > 0 ? (size_t) got : 0;
    }
    if (fd >= 0)
        (void) close(fd);
    found = len > 0 && memmem(data, len, needle, strlen(needle)) != NULL;
    free(data);
    return found;
}

unsigned count_processes(const char *id)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    unsigned n = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
            n += file_has(entry->d_name, "cmdline", id) || file_has(entry->d_name, "environ", id);
    (void) closedir(dir);
    return n;
}

pid_t pid_of(char *text)
{
    int64_t pid;

    text[strcspn(text, "\n")] = '\0';
    assert_int_equal(parse_i64(text, 1, INT32_MAX, &pid), 0);
    return (pid_t) pid;
}

bool is_alive(pid_t pid)
{
    char path[64], first;
    bool alive;
    int fd;

    (void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    alive = fd >= 0 && read(fd, &first, 1) == 1;
    if (fd >= 0)
        (void) close(fd);
    return alive;
}

void wait_for_no_process(const char *id)
{
    int64_t until = fake_now_ms() + PATIENCE_MS;
    unsigned n;

    while ((n = count_processes(id)) > 0) {
        if (fake_now_ms() > until)
            fail_msg("%u processes of %s still run", n, id);
        (void) poll(NULL, 0, 20);
    }
}

void instance_path(struct fixture *f, const char *id, const char *name, char *ret, size_t size)
{
    (void) snprintf(ret, size, "%s/local/instances/%s/%s", f->root, id, name);
}

pid_t read_pid_file(struct fixture *f, const char *id)
{
    char path[256], text[32] = "";
    int fd;

    instance_path(f, id, "sshd.pid", path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    (void) close(fd);
    return pid_of(text);
}
