/* nestingd/serve.c - `flotilla-nesting serve`: the daemon, from its options to its end. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/descriptors.h"
#include "core/base/fs.h"
#include "core/base/str.h"
#include "nestingd/backends.h"
#include "nestingd/commands.h"
#include "nestingd/fd.h"
#include "nestingd/places.h"
#include "nestingd/server.h"
#include "nestingd/service.h"
#include "nestingd/settings.h"
#include "nestingd/socket.h"

#define LOG_TOPIC "serve"
#include "core/base/log.h"

struct options {
    const char *hypervisor, *config, *state;
};

static int stop_fd = -1; /* where the handler of signals writes */

static int parse_options(int argc, char **argv, struct options *ret)
{
    static const struct option options[] = {
        { "hypervisor", required_argument, NULL, 'h' },
        { "config", required_argument, NULL, 'c' },
        { "state", required_argument, NULL, 's' },
        { 0 },
    };
    int c;

    while ((c = getopt_long_only(argc, argv, ":", options, NULL)) != -1) {
        if (c == 'h')
            ret->hypervisor = optarg;
        else if (c == 'c')
            ret->config = optarg;
        else if (c == 's')
            ret->state = optarg;
        else
            return -1;
    }
    return optind == argc ? 0 : -1;
}

static const struct backend_kind *find_backend(const char *name, struct error *err)
{
    autobuf struct buf known = BUF_INIT;

    if (!name && n_backends > 0)
        return backends[0];
    for (size_t i = 0; i < n_backends; i++) {
        if (str_eq(backends[i]->name, name))
            return backends[i];
        buf_addf(&known, "%s%s", i == 0 ? "" : ", ", backends[i]->name);
    }
    (void) error_set(err, -ENOENT, "there is no hypervisor '%s' here, there is: %s",
                     name ? name : "", buf_str(&known));
    if (str_eq(name, "parallels") || str_eq(name, "virtualizationframework"))
        (void) error_set(err, -ENOENT,
                         "this daemon does not drive %s, as upstream's does: use tart or qemu",
                         name);
    return NULL;
}

static int configure(struct vms *vms, const char *file, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    autojson json_t *settings = NULL;
    int r = file ? settings_read(file, &text, err) : 0;

    if (r == 0 && file) {
        r = settings_parse(buf_str(&text), text.len, &settings, err);
        if (r == 0 && settings)
            r = vms_configure(vms, settings, err);
        if (r < 0)
            return error_wrap(err, r, "%s", file);
    }
    return r;
}

static void on_signal(int number)
{
    int saved = errno;

    (void) number;
    (void) !write(stop_fd, "", 1);
    errno = saved;
}

static int watch_signals(int *ret_fd, struct error *err)
{
    struct sigaction action = { .sa_handler = on_signal };
    int ends[2];
    int r = fd_pipe(ends);

    if (r < 0)
        return error_errno(err, r, "a pipe");
    (void) fs_set_nonblock(ends[0]);
    (void) fs_set_nonblock(ends[1]);
    *ret_fd = ends[0];
    stop_fd = ends[1];
    (void) sigemptyset(&action.sa_mask);
    (void) sigaction(SIGINT, &action, NULL);
    (void) sigaction(SIGTERM, &action, NULL);
    return 0;
}

static int serve_vms(struct vms *vms, int signals, struct error *err)
{
    auto_ptr(service_free) struct service *service = NULL;
    autobuf struct buf path = BUF_INIT;
    autoclose int listener = -1;
    struct server_options options = { .stop_fd = signals, .handle = service_call };
    int r = service_new(vms, &service, err);

    if (r == 0)
        r = places_socket(&path, err);
    if (r == 0)
        r = socket_listen(buf_str(&path), &listener, err);
    if (r < 0)
        return r;
    log_info("listens at %s", buf_str(&path));
    options.listener = listener;
    options.path = buf_str(&path);
    options.arg = service;
    r = server_run(&options, err);
    if (r < 0)
        (void) take_ptr(service); /* calls still use it, until the process ends */
    return r;
}

static int serve(const struct options *options, struct error *err)
{
    auto_ptr(vms_close) struct vms *vms = NULL;
    const struct backend_kind *kind = find_backend(options->hypervisor, err);
    autobuf struct buf folder = BUF_INIT;
    autoclose int signals = -1;
    int r = kind ? places_state(options->state, &folder, err) : -ENOENT;

    if (r == 0)
        r = watch_signals(&signals, err);
    if (r == 0)
        r = vms_open(kind, buf_str(&folder), &vms, err);
    if (r == 0)
        r = configure(vms, options->config, err);
    if (r == 0)
        r = serve_vms(vms, signals, err);
    if (r == -ETIMEDOUT)
        (void) take_ptr(vms);
    return r;
}

int command_serve(int argc, char **argv)
{
    struct options options = { 0 };
    struct error err = { 0 };

    if (parse_options(argc, argv, &options) < 0)
        return command_misused("serve", "usage: flotilla-nesting serve [-hypervisor tart|qemu] "
                                        "[-config FILE] [-state DIR]");
    (void) descriptors_raise_limit();
    if (serve(&options, &err) < 0)
        return command_failed("serve", &err);
    log_info("stopped");
    log_flush();
    return EXIT_SUCCESS;
}
