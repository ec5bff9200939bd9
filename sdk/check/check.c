/* sdk/check/check.c - the parent of the conformance kit: starts the child, prints what it reports,
 * and turns its death into a finding. */
#include "sdk/check/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/base/frame.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "sdk/check/kit.h"

/* Of silence. The child ends overdue calls by itself; this is for code outside of any call. */
#define SILENCE_MS 60000

struct watcher {
    FILE *out;
    char check[128]; /* that runs now */
    unsigned failed, passed, skipped;
    json_t *made; /* ids that exist because of us */
    bool ended;
};

static const char *text_of(json_t *frame, const char *key)
{
    const char *text = "";

    (void) json_opt_str(frame, key, &text, NULL);
    return text;
}

static void print_failure(struct watcher *watcher, const char *name, const char *why)
{
    watcher->failed++;
    (void) fprintf(watcher->out, "FAIL %s: %s\n", name, why);
}

static void take_report(struct watcher *watcher, json_t *frame)
{
    const char *type = text_of(frame, "type"), *name = text_of(frame, "name");
    const char *text = text_of(frame, "text");

    if (str_eq(type, "begin")) {
        (void) snprintf(watcher->check, sizeof(watcher->check), "%s", name);
    } else if (str_eq(type, "ok")) {
        watcher->passed++;
        (void) fprintf(watcher->out, "ok   %s\n", name);
    } else if (str_eq(type, "fail")) {
        print_failure(watcher, name, text);
        *watcher->check = '\0';
    } else if (str_eq(type, "skip")) {
        watcher->skipped++;
        (void) fprintf(watcher->out, "skip %s: %s\n", name, text);
    } else if (str_eq(type, "note")) {
        (void) fprintf(watcher->out, "note %s: %s\n", name, text);
    } else if (str_eq(type, "made")) {
        (void) json_add_bool(watcher->made, text, true);
    } else if (str_eq(type, "gone")) {
        json_object_object_del(watcher->made, text);
    } else if (str_eq(type, "end")) {
        watcher->ended = true;
    }
    (void) fflush(watcher->out);
}

/* Until the child has said its last word; negative when it fell silent. */
static int follow(struct watcher *watcher, int link, int64_t patience_ms)
{
    int timeout_ms = (int) MIN(SILENCE_MS + 2 * patience_ms, INT64_C(3600000));
    struct frame_decoder decoder;
    int r;

    frame_decoder_init(&decoder, FRAME_MAX_LINK);
    for (;;) {
        autojson json_t *frame = NULL;

        r = frame_recv(link, &decoder, timeout_ms, &frame, NULL);
        if (r != 1)
            break;
        take_report(watcher, frame);
    }
    frame_decoder_done(&decoder);
    return r;
}

/* The child died while a check ran, unless it had said why. */
static void judge_end(struct watcher *watcher, int followed, int status)
{
    char why[128];

    if (watcher->ended || !*watcher->check)
        return;
    if (followed == -ETIMEDOUT)
        (void) snprintf(why, sizeof(why), "the plugin hangs");
    else if (WIFSIGNALED(status))
        (void) snprintf(why, sizeof(why), "the plugin crashed with signal %d", WTERMSIG(status));
    else
        (void) snprintf(why, sizeof(why), "the plugin ended its process with status %d",
                        WEXITSTATUS(status));
    print_failure(watcher, watcher->check, why);
}

static void print_leftovers(const struct watcher *watcher)
{
    json_object_object_foreach(watcher->made, id, ignored)
    {
        (void) ignored;
        (void) fprintf(watcher->out, "note instance %s may be left behind\n", id);
    }
}

static int start(const struct check_options *options, const char *state_dir, int *ret_link,
                 pid_t *ret_pid, struct error *err)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return error_errno(err, -errno, "socketpair");
    (void) fflush(NULL);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        (void) close(fds[0]);
        kit_child(options, fds[1], state_dir);
    }
    (void) close(fds[1]);
    *ret_link = fds[0];
    return *ret_pid < 0 ? error_errno(err, -errno, "fork") : 0;
}

int check_contract(const struct check_options *options, FILE *out, struct error *err)
{
    struct watcher watcher = { .out = out };
    const char *parent = getenv("TMPDIR");
    autofree char *state_dir = NULL;
    autoclose int link = -1;
    int status = 0, r;
    pid_t pid = -1;

    state_dir = mem_printf("%s/flotilla-check-XXXXXX", str_empty(parent) ? "/tmp" : parent);
    watcher.made = json_object_new_object();
    if (!state_dir || !watcher.made || !mkdtemp(state_dir)) {
        json_object_put(watcher.made);
        return error_errno(err, -errno, "a directory for the check");
    }
    r = start(options, state_dir, &link, &pid, err);
    if (r == 0) {
        r = follow(&watcher, link, options->patience_ms);
        if (r < 0)
            (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        judge_end(&watcher, r, status);
        print_leftovers(&watcher);
        (void) fprintf(out, "%u passed, %u failed, %u skipped\n", watcher.passed, watcher.failed,
                       watcher.skipped);
        r = watcher.failed > 0 || !watcher.ended;
    }
    json_object_put(watcher.made);
    (void) fs_remove_tree(AT_FDCWD, state_dir);
    return r;
}
