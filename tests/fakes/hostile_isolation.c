/* tests/fakes/hostile_isolation.c - an isolation that does what the image's name says, as one might that was taken over by
 * what it read from an instance. */
#include <errno.h>
#include <fcntl.h>
#include <flotilla/isolation.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct flt_vms {
    const struct flt_isolation_host *host;
};

static int32_t hostile_open(const struct flt_isolation_host *host, flt_call *call,
                            const char *config, flt_vms **ret_vms)
{
    (void) call;
    (void) config;
    *ret_vms = calloc(1, sizeof(**ret_vms));
    (*ret_vms)->host = host;
    return FLT_OK;
}

static void hostile_close(flt_vms *vms)
{
    free(vms);
}

static int32_t emit(const char *id, const char *addr, flt_vm_sink sink, void *arg)
{
    struct flt_vm vm = { .struct_size = sizeof(vm), .id = id, .name = "image", .addr = addr };

    return sink(arg, &vm) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

/* Each says what became of it: "denied" or "done". */

static const char *try_file(void)
{
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? "denied" : "done";
}

static const char *try_port(void)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(9),
                                         .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r =
        fd < 0 || connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0 ? errno : 0;

    (void) close(fd);
    return r == EACCES ? "denied" : "done";
}

static const char *try_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void) close(fd);
    return fd < 0 ? "denied" : "done";
}

/* A worker's descriptors are from 3 on; 3 is the link here, and one is the plugin's own file. */
static const char *try_descriptors(void)
{
    int others = 0;

    for (int fd = 4; fd < 64; fd++)
        others += fcntl(fd, F_GETFD) >= 0;
    return others <= 2 ? "denied" : "done";
}

/* Many words at once, past the host, on its link: nobody reads them as fast. */
static int say_much(void)
{
    static const char frame[] = "\0\0\0\016{\"type\":\"log\"}";
    char words[1000 * (sizeof(frame) - 1)];

    for (size_t at = 0; at < sizeof(words); at += sizeof(frame) - 1)
        memcpy(words + at, frame, sizeof(frame) - 1);
    return write(3, words, sizeof(words)) == (ssize_t) sizeof(words) ? 0 : -1;
}

static int32_t hostile_create(flt_vms *vms, flt_call *call, const char *image, int32_t slot,
                              flt_vm_sink sink, void *arg)
{
    char *const words[] = { "true", NULL };

    (void) slot;
    if (strcmp(image, "crash") == 0)
        _exit(3); /* by a signal, cmocka would take it for a test of its own */
    if (strcmp(image, "hang") == 0)
        for (;;)
            (void) poll(NULL, 0, -1);
    if (strcmp(image, "program") == 0)
        (void) execv("/bin/true", words);
    if (strcmp(image, "status") == 0)
        return 42;
    if (strcmp(image, "silent") == 0)
        return FLT_OK;
    if (strcmp(image, "twice") == 0)
        (void) emit("a", "", sink, arg);
    if (strcmp(image, "much") == 0)
        (void) say_much();
    while (strcmp(image, "endless") == 0)
        if (say_much() < 0)
            _exit(0);
    for (int i = 0; i < 1000 && strcmp(image, "talk") == 0; i++)
        vms->host->log(call, FLT_LOG_DEBUG, "words\n\x1b[2J");
    if (strcmp(image, "id") == 0)
        return emit("a b", "", sink, arg);
    if (strcmp(image, "address") == 0)
        return emit("a", "a b", sink, arg);
    if (strcmp(image, "late") == 0) { /* it has made it, and then is cancelled */
        (void) emit("a", "", sink, arg);
        while (!vms->host->cancelled(call))
            (void) usleep(1000);
        return vms->host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
    }
    if (strcmp(image, "file") == 0)
        return emit(try_file(), "", sink, arg);
    if (strcmp(image, "port") == 0)
        return emit(try_port(), "", sink, arg);
    if (strcmp(image, "socket") == 0)
        return emit(try_socket(), "", sink, arg);
    if (strcmp(image, "descriptors") == 0)
        return emit(try_descriptors(), "", sink, arg);
    return emit("good", "192.0.2.1:22", sink, arg);
}

static int32_t hostile_remove(flt_vms *vms, flt_call *call, const char *id)
{
    return vms->host->fail(call, FLT_E_UNAVAILABLE, 0, id);
}

static int32_t hostile_list(flt_vms *vms, flt_call *call, flt_vm_sink sink, void *arg)
{
    char id[] = "vm-00";

    (void) vms;
    (void) call;
    for (int i = 0; i < 65; i++) {
        id[3] = (char) ('0' + i / 10);
        id[4] = (char) ('0' + i % 10);
        (void) emit(id, "", sink, arg);
    }
    return FLT_OK;
}

static const struct flt_isolation hostile = {
    .magic = FLT_ISOLATION_MAGIC,
    .struct_size = sizeof(struct flt_isolation),
    .abi_minor = FLT_ISOLATION_MINOR,
    .name = "hostile",
    .version = "1",
    .open = hostile_open,
    .close = hostile_close,
    .create = hostile_create,
    .remove = hostile_remove,
    .list = hostile_list,
};

const struct flt_isolation *flotilla_isolation_v1(void)
{
    return &hostile;
}
