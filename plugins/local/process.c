/* process.c - the processes of an instance: recognising its sshd, and ending everything on it.
 *
 * There is no kernel object that holds an instance's processes together without privileges, so they
 * are found in /proc, by whatever gives them away:
 *   - the listening sshd, and whatever is about to become it, has the instance's sshd_config in its
 *     command line;
 *   - sshd's session processes hold a socket with the instance's port (they outlive the listener);
 *   - what sessions start has the instance's mark in its environment, or its working directory in
 *     the instance's home;
 *   - and the descendants, process groups and sessions of all these.
 * A process that starts another one and ends while /proc is read must not slip through between the
 * two: /proc is asked for one id at a time, in their order, so that the new one, whose id is higher,
 * is still to come; and what gives itself away is stopped there and then, and killed once its
 * descendants are known. A process id is used only through a pidfd whose process was seen to have
 * the same start time.
 */

#include "local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* SIGKILL works at once, but for a process in an uninterruptible call. */
#define END_TIME_MS 10000
#define SOCKETS_MAX 256
#define TCP_LISTEN_STATE 0x0a

struct process {
    pid_t pid, parent, group, session;
    int64_t start;
    char comm[16], state;
    bool doomed;
};

struct processes {
    struct process *items;
    size_t n, cap;
};

/* The sockets of the instance's port, as in /proc/net/tcp. */
struct sockets {
    uint64_t inodes[SOCKETS_MAX];
    size_t n;
    bool listening;
};

struct search {
    char home[LOCAL_FILE_MAX], config[64], mark[64];
    struct sockets sockets;
};

static int open_proc(pid_t pid, const char *name)
{
    char path[64];

    (void) snprintf(path, sizeof(path), "/proc/%ld/%s", (long) pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static ssize_t read_proc(pid_t pid, const char *name, char *buf, size_t size)
{
    int fd = open_proc(pid, name);
    size_t len = 0;
    ssize_t got;

    if (fd < 0)
        return -1;
    while (len < size - 1 && (got = read(fd, buf + len, size - 1 - len)) > 0)
        len += (size_t) got;
    (void) close(fd);
    buf[len] = '\0';
    return (ssize_t) len;
}

/* The words of a line, cut apart in place; returns how many there are, at most `max`. */
static size_t split(char *line, char **words, size_t max)
{
    size_t n = 0;

    for (char *word; n < max && (word = strsep(&line, " \n"));)
        if (*word)
            words[n++] = word;
    return n;
}

/* What stands behind the name in /proc/PID/stat (proc(5)). */
enum { STAT_STATE, STAT_PARENT, STAT_GROUP, STAT_SESSION, STAT_START = 19, STAT_WORDS };

static bool take_stat(char *line, struct process *ret)
{
    int64_t parent, group, session, start;
    char *words[STAT_WORDS];

    if (split(line, words, STAT_WORDS) != STAT_WORDS ||
        !number_parse(words[STAT_PARENT], INT32_MAX, &parent) ||
        !number_parse(words[STAT_GROUP], INT32_MAX, &group) ||
        !number_parse(words[STAT_SESSION], INT32_MAX, &session) ||
        !number_parse(words[STAT_START], INT64_MAX, &start))
        return false;
    ret->state = *words[STAT_STATE];
    ret->parent = (pid_t) parent;
    ret->group = (pid_t) group;
    ret->session = (pid_t) session;
    ret->start = start;
    return true;
}

static bool read_process(pid_t pid, struct process *ret)
{
    char stat[1024], *open, *close;
    size_t len;

    if (read_proc(pid, "stat", stat, sizeof(stat)) <= 0)
        return false;
    /* The name may itself hold brackets and spaces: it ends at the last one. */
    open = strchr(stat, '(');
    close = strrchr(stat, ')');
    if (!open || !close || close < open)
        return false;
    memset(ret, 0, sizeof(*ret));
    len = (size_t) (close - open - 1);
    if (len >= sizeof(ret->comm))
        len = sizeof(ret->comm) - 1;
    memcpy(ret->comm, open + 1, len);
    ret->pid = pid;
    return take_stat(close + 1, ret) && ret->state != 'Z' && ret->state != 'X';
}

static bool is_sshd(const struct process *p)
{
    return strncmp(p->comm, "sshd", 4) == 0; /* from 9.8 on also sshd-session and sshd-auth */
}

static bool has_config(pid_t pid, const char *config)
{
    char line[2048];
    ssize_t len = read_proc(pid, "cmdline", line, sizeof(line));

    return len > 0 && memmem(line, (size_t) len, config, strlen(config)) != NULL;
}

/* "/ID/sshd_config". sshd overwrites its command line with a title that begins "sshd: " and then
 * the arguments, cut at their old length; -E with a long path comes last for that reason. */
static void format_config(const char *id, char *ret, size_t size)
{
    (void) snprintf(ret, size, "/%s/sshd_config", id);
}

bool process_is_listener(pid_t pid, const char *id)
{
    char config[64];
    struct process p;

    format_config(id, config, sizeof(config));
    return pid > 1 && read_process(pid, &p) && is_sshd(&p) && has_config(pid, config);
}

/* Whether `entry` stands in the environment, read as a stream: it may be very long. */
static bool has_mark(pid_t pid, const char *entry)
{
    size_t want = strlen(entry) + 1, at = 0; /* with the NUL that ends an entry */
    bool possible = true, found = false;
    char block[4096];
    ssize_t got;
    int fd = open_proc(pid, "environ");

    if (fd < 0)
        return false;
    while (!found && (got = read(fd, block, sizeof(block))) > 0)
        for (ssize_t i = 0; i < got && !found; i++) {
            possible = possible && block[i] == entry[at];
            found = possible && ++at == want;
            if (block[i] == '\0') {
                possible = true;
                at = 0;
            }
        }
    (void) close(fd);
    return found;
}

static bool is_in_home(pid_t pid, const char *home)
{
    char path[64], cwd[4096];
    size_t len = strlen(home);
    ssize_t got;

    (void) snprintf(path, sizeof(path), "/proc/%ld/cwd", (long) pid);
    got = readlink(path, cwd, sizeof(cwd) - 1);
    if (got < (ssize_t) len)
        return false;
    cwd[got] = '\0';
    return strncmp(cwd, home, len) == 0 &&
           (cwd[len] == '\0' || cwd[len] == '/' || cwd[len] == ' '); /* " (deleted)" */
}

/* What a line of /proc/net/tcp tells about a socket. */
struct socket {
    uint64_t address, port, state, inode;
};
enum { TCP_OWN_END = 1, TCP_STATE = 3, TCP_INODE = 9, TCP_WORDS };

/* False for the heading. */
static bool take_socket(char *line, struct socket *ret)
{
    const char *end, *state, *inode;
    char *words[TCP_WORDS];

    if (split(line, words, TCP_WORDS) != TCP_WORDS)
        return false;
    end = words[TCP_OWN_END];
    state = words[TCP_STATE];
    inode = words[TCP_INODE];
    return number_take(&end, 16, UINT32_MAX, &ret->address) && *end++ == ':' &&
           number_take(&end, 16, UINT16_MAX, &ret->port) && !*end &&
           number_take(&state, 16, UINT8_MAX, &ret->state) && !*state &&
           number_take(&inode, 10, UINT64_MAX, &ret->inode) && !*inode;
}

/* The inodes of sockets whose own end is 127.0.0.1 and this port. */
static void read_sockets(uint16_t port, struct sockets *ret)
{
    struct socket socket;
    char line[512];
    FILE *file;

    ret->n = 0;
    ret->listening = false;
    file = port ? fopen("/proc/net/tcp", "re") : NULL;
    if (!file)
        return;
    while (ret->n < SOCKETS_MAX && fgets(line, sizeof(line), file)) {
        if (!take_socket(line, &socket) || socket.address != htonl(INADDR_LOOPBACK) ||
            socket.port != port || socket.inode == 0)
            continue;
        ret->inodes[ret->n++] = socket.inode;
        ret->listening = ret->listening || socket.state == TCP_LISTEN_STATE;
    }
    (void) fclose(file);
}

static bool is_wanted_socket(const struct sockets *s, const char *link)
{
    static const char prefix[] = "socket:[";
    uint64_t inode;

    if (strncmp(link, prefix, strlen(prefix)) != 0)
        return false;
    link += strlen(prefix);
    if (!number_take(&link, 10, UINT64_MAX, &inode))
        return false;
    for (size_t i = 0; i < s->n; i++)
        if (s->inodes[i] == inode)
            return true;
    return false;
}

static bool holds_socket(pid_t pid, const struct sockets *s)
{
    struct dirent *entry;
    bool found = false;
    char path[64], link[64];
    DIR *dir;

    (void) snprintf(path, sizeof(path), "/proc/%ld/fd", (long) pid);
    dir = s->n > 0 ? opendir(path) : NULL;
    if (!dir)
        return false;
    while (!found && (entry = readdir(dir))) {
        ssize_t got = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

        if (got <= 0)
            continue;
        link[got] = '\0';
        found = is_wanted_socket(s, link);
    }
    (void) closedir(dir);
    return found;
}

static bool gives_itself_away(const struct search *search, const struct process *p)
{
    if (has_config(p->pid, search->config) ||
        (is_sshd(p) && holds_socket(p->pid, &search->sockets)))
        return true;
    return has_mark(p->pid, search->mark) || is_in_home(p->pid, search->home);
}

static bool add_process(struct processes *all, const struct process *p)
{
    if (all->n == all->cap) {
        size_t cap = all->cap ? all->cap * 2 : 256;
        struct process *items = reallocarray(all->items, cap, sizeof(*items));

        if (!items)
            return false;
        all->items = items;
        all->cap = cap;
    }
    all->items[all->n++] = *p;
    return true;
}

/* Signals the process that was seen, or nobody when its id has a new owner. */
static int send_signal(const struct process *seen, int number)
{
    int fd = (int) syscall(SYS_pidfd_open, seen->pid, 0);
    struct process now;
    int result = 0;

    if (fd < 0)
        return errno == ESRCH ? 0 : -1;
    if (read_process(seen->pid, &now) && now.start == seen->start)
        result = (int) syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
    (void) close(fd);
    return result;
}

/* The next id in /proc, in ascending order; 0 behind the last one, -1 when it cannot be read. The
 * kernel gives a few entries at once: the position goes back behind the first of them, so that the
 * next answer is as fresh as this one. */
static pid_t next_pid(int proc_fd)
{
    _Alignas(struct dirent64) char buf[sizeof(struct dirent64)];
    const struct dirent64 *entry = (const struct dirent64 *) buf;
    int64_t pid = 0;
    ssize_t got;

    while (pid <= 0) {
        got = getdents64(proc_fd, buf, sizeof(buf));
        if (got <= 0)
            return (pid_t) got;
        if (lseek(proc_fd, entry->d_off, SEEK_SET) < 0)
            return -1;
        if (!number_parse(entry->d_name, INT32_MAX, &pid))
            pid = 0;
    }
    return (pid_t) pid;
}

static bool scan(const struct search *search, struct processes *all)
{
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = proc_fd >= 0;
    struct process p;
    pid_t pid = 0;

    all->n = 0;
    while (ok && (pid = next_pid(proc_fd)) > 0) {
        if (pid == 1 || pid == getpid() || !read_process(pid, &p))
            continue;
        p.doomed = gives_itself_away(search, &p);
        if (p.doomed)
            (void) send_signal(&p, SIGSTOP);
        ok = add_process(all, &p);
    }
    if (proc_fd >= 0)
        (void) close(proc_fd);
    return ok && pid == 0;
}

/* Dooms whatever a doomed process has started or leads. */
static bool spread(struct processes *all)
{
    bool changed = false;

    for (size_t i = 0; i < all->n; i++)
        for (size_t j = 0; all->items[i].doomed && j < all->n; j++) {
            struct process *p = &all->items[j];
            pid_t leader = all->items[i].pid;

            if (p->doomed || (p->parent != leader && p->group != leader && p->session != leader))
                continue;
            p->doomed = true;
            changed = true;
        }
    return changed;
}

int process_stop(pid_t pid, const char *id)
{
    struct process p;

    if (!process_is_listener(pid, id) || !read_process(pid, &p)) {
        errno = ESRCH;
        return -1;
    }
    return send_signal(&p, SIGSTOP);
}

/* One round: kills what is found and returns how many that was, -1 when /proc cannot be read. */
static int end_round(const struct search *search, struct processes *all)
{
    int found = 0;

    if (!scan(search, all))
        return -1;
    while (spread(all))
        ;
    for (size_t i = 0; i < all->n; i++)
        if (all->items[i].doomed) {
            (void) send_signal(&all->items[i], SIGKILL);
            found++;
        }
    return found;
}

/* From now on no sshd can begin: a host that was killed may have left one on its way. */
static void take_config_away(struct flt_group *g, const char *id)
{
    int fd = open_dir_at(g->instances_fd, id);

    if (fd < 0)
        return;
    (void) unlinkat(fd, "sshd_config", 0);
    (void) close(fd);
}

int32_t process_end_all(struct flt_group *g, flt_call *call, const char *id, uint16_t port)
{
    int64_t until = clock_boot_ms() + END_TIME_MS;
    struct search search = { 0 };
    struct processes all = { 0 };
    int32_t code = FLT_OK;
    int found;

    take_config_away(g, id);
    format_config(id, search.config, sizeof(search.config));
    (void) snprintf(search.mark, sizeof(search.mark), LOCAL_MARK "=%s", id);
    (void) snprintf(search.home, sizeof(search.home), "%s/instances/%s/home", g->dir, id);
    /* Once our sshd is dead its port may be somebody else's: then it says nothing any more. */
    read_sockets(port, &search.sockets);
    if (search.sockets.listening && !machine_is_up(g, id))
        port = 0;
    for (;;) {
        read_sockets(port, &search.sockets);
        found = end_round(&search, &all);
        if (found <= 0)
            break;
        if (clock_boot_ms() > until) {
            code = flt_failf(g->host, call, FLT_E_UNAVAILABLE, 0,
                             "instance %s: %d processes do not end after SIGKILL", id, found);
            break;
        }
        code = call_wait(g->host, call, 5);
        if (code != FLT_OK)
            break;
    }
    if (found < 0)
        code = flt_failf(g->host, call, FLT_E_INTERNAL, 0, "instance %s: /proc cannot be read: %m",
                         id);
    free(all.items);
    return code;
}
