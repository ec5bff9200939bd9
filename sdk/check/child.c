/* sdk/check/child.c - the child in which the plugin is a guest: runs the checks in their order and
 * reports each to the parent. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/base/frame.h"
#include "core/base/log.h"
#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "sdk/check/isolation.h"

#define REPORT_TIMEOUT_MS 10000

void kit_report(struct kit *kit, const char *type, const char *name, const char *text)
{
    autojson json_t *frame = json_frame(type);
    autobuf struct buf shown = BUF_INIT;

    str_display(&shown, text ? text : "", text ? strlen(text) : 0, 1000);
    if (!frame || json_add_str(frame, "name", name) < 0 ||
        json_add_str(frame, "text", buf_str(&shown)) < 0 ||
        frame_send(kit->link, frame, FRAME_MAX_LINK, REPORT_TIMEOUT_MS, NULL) < 0)
        _exit(125);
}

/* The first one of a check is its reason; the lock because a plugin's thread may cause one. */
static void set_once(struct kit *kit, char *dst, size_t size, const char *fmt, va_list args)
    __attribute__((format(printf, 4, 0)));

static void set_once(struct kit *kit, char *dst, size_t size, const char *fmt, va_list args)
{
    (void) pthread_mutex_lock(&kit->lock);
    if (!*dst)
        (void) vsnprintf(dst, size, fmt, args);
    (void) pthread_mutex_unlock(&kit->lock);
}

void kit_fail(struct kit *kit, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_once(kit, kit->finding, sizeof(kit->finding), fmt, args);
    va_end(args);
}

void kit_skip(struct kit *kit, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    set_once(kit, kit->skip, sizeof(kit->skip), fmt, args);
    va_end(args);
}

void kit_note(struct kit *kit, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    kit_report(kit, "note", kit->check, text);
}

bool kit_failed(struct kit *kit)
{
    bool failed;

    (void) pthread_mutex_lock(&kit->lock);
    failed = *kit->finding != '\0';
    (void) pthread_mutex_unlock(&kit->lock);
    return failed;
}

/* False when there is no ground for the rest. */
static bool run_checks(struct kit *kit, const struct kit_check *checks)
{
    for (; checks->name; checks++) {
        bool failed;

        *kit->finding = *kit->skip = '\0';
        kit->check = checks->name;
        kit_report(kit, "begin", checks->name, NULL);
        checks->run(kit);
        failed = kit_failed(kit);
        kit_report(kit,
                   failed       ? "fail"
                   : *kit->skip ? "skip"
                                : "ok",
                   checks->name, failed ? kit->finding : kit->skip);
        if (failed && checks->vital)
            return false;
    }
    return true;
}

/* As a provider worker lives (core/provider/worker.c), with a file for standard output. */
static int settle_in(struct kit *kit)
{
    static const struct rlimit no_core = { 0, 0 };

    kit->stdout_fd = memfd_create("stdout", MFD_CLOEXEC);
    kit->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (kit->stdout_fd < 0 || kit->cancel_fd < 0 || dup2(kit->stdout_fd, 1) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        setrlimit(RLIMIT_CORE, &no_core) < 0)
        return -errno;
    (void) signal(SIGPIPE, SIG_IGN);
    (void) unsetenv("LD_PRELOAD");
    (void) unsetenv("LD_LIBRARY_PATH");
    log_open(2, LOG_FORMAT_TEXT, LOG_LEVEL_ERROR);
    return 0;
}

static void check_one_provider(struct kit *kit)
{
    if (!run_checks(kit, kit_checks_open))
        return;
    (void) run_checks(kit, kit_checks_change);
    (void) run_checks(kit, kit_checks_process);
    (void) run_checks(kit, kit_checks_manners);
    (void) run_checks(kit, kit_checks_transport);
}

static void check_one_isolation(struct kit *kit)
{
    if (run_checks(kit, kit_checks_isolation))
        (void) run_checks(kit, kit_checks_manners);
}

void kit_child(const struct check_options *options, int link, const char *state_dir)
{
    struct kit *kit = kit_alloc(sizeof(*kit));
    enum plugin_kind kind;

    kit->options = options;
    kit->host = &kit_host;
    kit->isolation_host = &kit_isolation_host;
    kit->link = link;
    kit->state_dir = kit_copy(state_dir);
    (void) pthread_mutex_init(&kit->lock, NULL);
    if (settle_in(kit) < 0)
        _exit(125);
    kit->process = process_remember();
    if (watch_start(kit) < 0)
        _exit(125);
    /* A file that is neither is told so by the checks of a provider. */
    if (plugin_find_kind(options->file, &kind, NULL) == 0 && kind == PLUGIN_ISOLATION)
        check_one_isolation(kit);
    else
        check_one_provider(kit);
    kit_report(kit, "end", NULL, NULL);
    _exit(0);
}
