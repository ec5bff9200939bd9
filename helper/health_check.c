/* helper/health_check.c - the command `health-check`: waits until a service answers on its TCP port. */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/options.h"
#include "helper/say.h"

#define PAUSE_MS 1000
#define ADDRESS_ENDING "_TCP_ADDR="

extern char **environ;

struct check {
    struct option_list ports;
};
static const struct option check_options[] = {
    OPTION("port", NULL, OPTION_LIST, check, ports, "on this machine; repeatable: all must answer"),
    OPTION("p", NULL, OPTION_LIST, check, ports, "the same"),
    { 0 }
};

static bool answers(const char *host, const char *port)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    bool yes = false;

    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *at = found; at && !yes; at = at->ai_next) {
        autoclose int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);

        yes = fd >= 0 && io_connect(fd, at->ai_addr, at->ai_addrlen) == 0;
    }
    freeaddrinfo(found);
    return yes;
}

static void wait_for(const char *host, const char *port)
{
    (void) printf("waiting for TCP connection to %s on %s...\n", host, port);
    (void) fflush(stdout);
    clock_sleep_ms(fault_limit_ms("helper_pause", PAUSE_MS));
}

static int check_ports(const struct option_list *ports)
{
    int64_t number;

    for (size_t i = 0; i < ports->n; i++)
        if (parse_i64(ports->items[i], 1, 65535, &number) < 0)
            return say_fatal("--port takes a number from 1 to 65535, not '%s'", ports->items[i]);
    for (size_t i = 0; i < ports->n; i++)
        while (!answers("localhost", ports->items[i]))
            wait_for("localhost", ports->items[i]);
    return 0;
}

/* X_TCP_ADDR with its X_TCP_PORT, as a container's links set them; *ret_port NULL = it is none. */
static int read_link(const char *variable, const char **ret_host, const char **ret_port)
{
    const char *ending = strstr(variable, ADDRESS_ENDING);
    autofree char *name = NULL;

    *ret_port = NULL;
    if (!ending || memchr(variable, '=', (size_t) (ending - variable)))
        return 0;
    name = mem_printf("%.*s_TCP_PORT", (int) (ending - variable), variable);
    if (!name)
        return -ENOMEM;
    *ret_host = ending + strlen(ADDRESS_ENDING);
    *ret_port = getenv(name);
    return 0;
}

/* The first that answers is enough. */
static int check_links(void)
{
    for (;;) {
        const char *host = NULL, *port = NULL, *missed_host = NULL, *missed_port = NULL;

        for (char **variable = environ; *variable; variable++) {
            if (read_link(*variable, &host, &port) < 0)
                return say_fatal("out of memory");
            if (port && answers(host, port))
                return 0;
            if (port) {
                missed_host = host;
                missed_port = port;
            }
        }
        if (!missed_port)
            return say_fatal("No HOST or PORT found");
        wait_for(missed_host, missed_port);
    }
}

int run_health_check(int argc, char **argv)
{
    struct check check = { 0 };
    auto_options const struct option_set sets[] = { { check_options, &check }, { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    return check.ports.n > 0 ? check_ports(&check.ports) : check_links();
}
