/* tests/integration/call_isolation.c - calls one slot of an isolation, with this machine as the instance.
 *
 * Usage: call_isolation PLUGIN CONFIG TIME_MS create IMAGE SLOT | remove ID | list
 * Each VM is a line "vm ID|NAME|ADDR|STOMPED"; the last line is "RESULT REASON". The call is cancelled when standard input
 * ends. What is dialled goes to standard error. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <flotilla/isolation.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/str.h"
#include "tests/fakes/host_fake.h"

static int connect_to(const char *address)
{
    struct sockaddr_un local = { .sun_family = AF_UNIX };
    struct sockaddr_in remote = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    bool is_local = str_starts(address, "unix:");
    int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int64_t port = 0;

    if (is_local)
        (void) snprintf(local.sun_path, sizeof(local.sun_path), "%s", address + 5);
    else if (parse_i64(strrchr(address, ':') + 1, 1, 65535, &port) < 0)
        return -1;
    remote.sin_port = htons((uint16_t) port);
    if (connect(fd, is_local ? (void *) &local : (void *) &remote,
                is_local ? sizeof(local) : sizeof(remote)) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        (void) close(fd);
        return -1;
    }
    return fd;
}

static int32_t dial(flt_call *call, const char *address, int32_t *ret_fd)
{
    (void) fprintf(stderr, "%s\n", address);
    *ret_fd = connect_to(address);
    return *ret_fd < 0 ? fake_host.fail(call, FLT_E_UNAVAILABLE, 0, "nobody listens there")
                       : FLT_OK;
}

static int32_t print_vm(void *arg, const struct flt_vm *vm)
{
    (void) arg;
    (void) printf("vm %s|%s|%s|%s\n", vm->id, vm->name, vm->addr,
                  vm->stomped_id ? vm->stomped_id : "NULL");
    return 0;
}

static int32_t call_slot(const struct flt_isolation *isolation, flt_vms *vms, flt_call *call,
                         char **words)
{
    int64_t slot;

    if (str_eq(words[0], "list"))
        return isolation->list(vms, call, print_vm, NULL);
    if (str_eq(words[0], "remove") && words[1])
        return isolation->remove(vms, call, words[1]);
    if (str_eq(words[0], "create") && words[1] && words[2] &&
        parse_i64(words[2], INT32_MIN, INT32_MAX, &slot) == 0)
        return isolation->create(vms, call, words[1], (int32_t) slot, print_vm, NULL);
    return FLT_E_UNSUPPORTED;
}

int main(int argc, char **argv)
{
    struct flt_isolation_host host = { .struct_size = sizeof(host),
                                       .abi_minor = FLT_ISOLATION_MINOR,
                                       .log = fake_host.log,
                                       .fail = fake_host.fail,
                                       .time_left_ms = fake_host.time_left_ms,
                                       .cancelled = fake_host.cancelled,
                                       .cancel_fd = fake_host.cancel_fd,
                                       .dial = dial };
    void *library = argc > 4 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    const struct flt_isolation *(*entry)(void) = NULL;
    struct fake_call call;
    flt_vms *vms = NULL;
    int64_t time_ms;
    int32_t code;

    if (library)
        *(void **) (&entry) = dlsym(library, FLT_ISOLATION_ENTRY);
    if (!entry || parse_i64(argv[3], 1, INT32_MAX, &time_ms) < 0) {
        (void) fprintf(stderr, "call_isolation: %s\n", library ? "wrong words" : dlerror());
        return 1;
    }
    fake_call_init(&call, "/nonexistent", time_ms);
    fake_call_done(&call);
    call.cancel_fd = 0;
    code = entry()->open(&host, fake_call_ptr(&call), argv[2], &vms);
    if (code == FLT_OK) {
        code = call_slot(entry(), vms, fake_call_ptr(&call), argv + 4);
        entry()->close(vms);
    }
    (void) printf("%" PRId32 " %s\n", code, call.fail_text);
    return 0;
}
