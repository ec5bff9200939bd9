/* core/supervisor/terminals.c - GitLab's web terminals: which session is which job's, and who is in it. core/web/session.h
 * has the people's side of it, core/job/terminal.c the instance's: between them goes a socket, of which nothing is read
 * here.
 *
 * A session is made for each request for a job and is that of the job that it brought, until that ends: session and
 * certificate are in the ledger, so that GitLab finds the terminal of a job that was adopted, too. */
#include <errno.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "core/base/frame.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/terminals.h"
#include "core/web/own_certificate.h"

#define LOG_TOPIC "terminal"
#include "core/base/log.h"

/* A certificate is valid from a day before it was made, for two years, and no job lasts longer than one. One of a clock
 * that was far ahead would not be valid for as long. */
#define DAY_MS (24 * 3600 * 1000LL)
#define CERTIFICATE_MS (300 * DAY_MS)

struct terminal {
    struct session session;
    bool taken; /* somebody is in it */
    int fd;     /* who waits for a worker; -1 = nobody does */
};

static struct job *find_job(const struct supervisor *supervisor, const char *id)
{
    for (struct job *job = supervisor->jobs; job; job = job->next)
        if (job->terminal && job->state < JOB_FINISHED && str_eq(job->terminal->session.id, id))
            return job;
    return NULL;
}

static const struct session *find(void *arg, const char *id)
{
    const struct job *job = find_job(arg, id);

    return job ? &job->terminal->session : NULL;
}

static void close_waiting(struct terminal *terminal)
{
    if (terminal->fd >= 0)
        (void) close(terminal->fd);
    terminal->fd = -1;
}

void terminal_pass(struct job *job)
{
    autojson json_t *frame = NULL;
    struct error err = { 0 };
    int r;

    if (!job->terminal || job->terminal->fd < 0 || !job->worker || !job->start_sent)
        return;
    frame = json_frame("terminal");
    r = frame ? channel_send_with(job->worker, frame, FRAME_MAX_OPERATOR, job->terminal->fd, &err)
              : -ENOMEM;
    if (r == -EAGAIN)
        return; /* job_tick() tries again */
    if (r < 0)
        log_warning("job %" PRId64 ": its worker cannot be given a terminal: %s", job->job_id,
                    err.message);
    close_waiting(job->terminal);
}

/* Of an adopted job only its state says whether it had one. */
static bool has_instance(const struct job *job)
{
    return job->connected || (job->state == JOB_RUNNING && !job->spawned_here);
}

static void tell(int fd, const char *line)
{
    (void) send(fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static unsigned enter(void *arg, const char *id, int *ret_fd)
{
    struct job *job = find_job(arg, id);
    struct terminal *terminal = job ? job->terminal : NULL;
    int ends[2];

    if (!terminal)
        return 404;
    if (terminal->taken)
        return 423;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return 503;
    log_info("job %" PRId64 ": somebody opened its terminal", job->job_id);
    if (!has_instance(job))
        tell(ends[1], "The job has no instance yet; its shell comes with it.\r\n");
    terminal->taken = true;
    terminal->fd = ends[1];
    *ret_fd = ends[0];
    terminal_pass(job);
    return 0;
}

static void leave(void *arg, const char *id)
{
    struct job *job = find_job(arg, id);

    if (!job)
        return;
    log_info("job %" PRId64 ": its terminal was left", job->job_id);
    job->terminal->taken = false;
    close_waiting(job->terminal);
}

/* The one that GitLab knows from a former run, or a new one, which is kept. */
static int take_certificate(struct supervisor *supervisor, const char *host, char **ret_certificate,
                            struct secret **ret_key, struct error *err)
{
    int64_t now = now_wall(supervisor);
    int r = ledger_find_certificate(supervisor->ledger, host, now - CERTIFICATE_MS, now + DAY_MS,
                                    ret_certificate, ret_key, err);

    if (r != 0)
        return MIN(r, 0);
    r = own_certificate_make(host, ret_certificate, ret_key, err);
    if (r == 0)
        r = ledger_put_certificate(supervisor->ledger, host, *ret_certificate, *ret_key, err);
    return r;
}

static int start_server(struct supervisor *supervisor, struct session_options *options,
                        struct error *err)
{
    auto_ptr(secret_free) struct secret *key = NULL;
    autofree char *host = session_server_host(options), *certificate = NULL;
    int r;

    if (!host)
        return error_set(err, -ENOMEM, "out of memory");
    r = take_certificate(supervisor, host, &certificate, &key, err);
    options->certificate = certificate;
    options->key = key;
    return r < 0 ? r : session_server_start(supervisor->loop, options, &supervisor->sessions, err);
}

int terminals_start(struct supervisor *supervisor, struct error *err)
{
    const struct config_session_server *config = &supervisor->config->session_server;
    struct session_options options = {
        .find = find, .enter = enter, .leave = leave, .arg = supervisor
    };
    int r;

    if (str_empty(config->listen_address))
        return 0;
    if (!str_empty(config->advertise_address))
        options.advertised = config->advertise_address;
    r = address_parse(config->listen_address, CONFIG_SESSION_PORT, &options.address);
    if (r == 0)
        r = start_server(supervisor, &options, err);
    if (r < 0)
        return error_wrap(err, r, "[session_server] cannot be started");
    log_info("web terminals are at %s", session_server_url(supervisor->sessions));
    return 0;
}

void terminals_stop(struct supervisor *supervisor)
{
    session_server_close(supervisor->sessions);
    supervisor->sessions = NULL;
}

void terminals_announce(const struct supervisor *supervisor, json_t *info)
{
    if (supervisor->sessions && info)
        coordinator_info_add_terminal(info);
}

int terminal_add(struct job *job, const struct session *session)
{
    struct terminal *terminal = mem_zero(sizeof(*terminal));

    if (!terminal)
        return -ENOMEM;
    terminal->session = *session;
    terminal->fd = -1;
    job->terminal = terminal;
    return 0;
}

struct secret *terminal_kept(const struct job *job)
{
    char text[sizeof(struct session)];
    struct secret *kept = NULL;

    if (snprintf(text, sizeof(text), "%s%s", job->terminal->session.id,
                 job->terminal->session.token) < (int) sizeof(text))
        kept = secret_from_str(text);
    secret_wipe(text, sizeof(text));
    return kept;
}

int terminal_restore(struct job *job, const struct secret *kept)
{
    struct session session = { 0 };
    int r = 0;

    if (secret_len(kept) == 2 * (SESSION_TEXT_SIZE - 1)) {
        memcpy(session.id, secret_reveal(kept), SESSION_TEXT_SIZE - 1);
        memcpy(session.token, secret_reveal(kept) + SESSION_TEXT_SIZE - 1, SESSION_TEXT_SIZE - 1);
        r = terminal_add(job, &session);
    }
    secret_wipe(&session, sizeof(session));
    return r;
}

void terminal_remove(struct job *job)
{
    if (!job->terminal)
        return;
    close_waiting(job->terminal);
    secret_wipe(job->terminal, sizeof(*job->terminal));
    free(job->terminal);
    job->terminal = NULL;
}
