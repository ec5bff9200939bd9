/* core/supervisor/state_dir.c - the state directory at a start: ours alone, and what lies in it
 * (docs/design/processes.md "State directory"). Called by supervisor.c, before anything else runs. */
#include "core/supervisor/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/coordinator/system_id.h"
#include "core/supervisor/kept_logs.h"
#include "core/supervisor/strangers.h"

#define LOG_TOPIC "supervisor"
#include "core/base/log.h"

char *supervisor_default_state_dir(void)
{
    const char *home = getenv("HOME"), *state = getenv("XDG_STATE_HOME");
    const struct passwd *pw;

    if (geteuid() == 0)
        return mem_strdup("/var/lib/flotilla");
    if (!str_empty(state) && *state == '/')
        return mem_printf("%s/flotilla", state);
    if (str_empty(home)) {
        pw = getpwuid(geteuid());
        home = pw ? pw->pw_dir : "/";
    }
    return mem_printf("%s/.local/state/flotilla", home);
}

/* One supervisor a state directory: the second says so instead of deleting the first one's work. */
static int lock_state_dir(struct supervisor *supervisor, struct error *err)
{
    supervisor->lock_fd =
        openat(supervisor->state_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (supervisor->lock_fd < 0)
        return error_errno(err, -errno, "state directory %s: lock", supervisor->state_dir);
    if (flock(supervisor->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return error_set(
            err, -EBUSY,
            "state directory %s is in use by another flotilla; stop it or give another "
            "directory with --state-dir",
            supervisor->state_dir);
    return 0;
}

int state_dir_open(struct supervisor *supervisor, struct error *err)
{
    const char *given = supervisor->options.state_dir ? supervisor->options.state_dir
                                                      : supervisor->config->state_dir;
    char resolved[PATH_MAX];
    int r;

    supervisor->state_dir = given ? mem_strdup(given) : supervisor_default_state_dir();
    if (!supervisor->state_dir)
        return error_set(err, -ENOMEM, "state directory: out of memory");
    r = fs_open_private_dir(supervisor->state_dir, &supervisor->state_fd, err);
    if (r < 0)
        return r;
    if (!realpath(supervisor->state_dir, resolved))
        return error_errno(err, -errno, "state directory %s", supervisor->state_dir);
    free(supervisor->state_dir);
    supervisor->state_dir = mem_strdup(resolved);
    supervisor->control_path = mem_printf("%s/control.sock", resolved);
    if (!supervisor->state_dir || !supervisor->control_path)
        return error_set(err, -ENOMEM, "state directory: out of memory");
    r = lock_state_dir(supervisor, err);
    if (r < 0)
        return r;
    if (mkdirat(supervisor->state_fd, "spool", 0700) < 0 && errno != EEXIST)
        return error_errno(err, -errno, "state directory %s: spool", resolved);
    supervisor->spool_dir_fd =
        openat(supervisor->state_fd, "spool", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (supervisor->spool_dir_fd < 0)
        return error_errno(err, -errno, "state directory %s: spool", resolved);
    return 0;
}

/* Of a manager that leaves nothing behind the file is not kept, either. */
static int load_system_id(struct supervisor *supervisor, struct error *err)
{
    struct error unsaved = { 0 };
    const char *file = supervisor->options.passing ? NULL : supervisor->config->file;
    int r = system_id_load(file, supervisor->state_fd, supervisor->system_id, &unsaved);

    if (r < 0)
        return error_set(err, r, "%s", unsaved.message);
    if (r > 0)
        log_warning("%s; the system id holds for this run only", unsaved.message);
    return 0;
}

/* Machine and state directory, which one manager has at a time: a ledger that was lost, or even all of
 * the directory, is followed by a manager of the same name. */
static void name_manager(struct supervisor *supervisor)
{
    char host[65] = "", hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    if (supervisor->options.passing ||
        EVP_Digest(supervisor->state_dir, strlen(supervisor->state_dir), hash, &len, EVP_sha256(),
                   NULL) != 1)
        return;
    hex_encode(hex, hash, len);
    (void) gethostname(host, sizeof(host) - 1);
    for (char *c = host; *c; c++)
        if (!isalnum((unsigned char) *c) && *c != '.' && *c != '_')
            *c = '-';
    (void) snprintf(supervisor->manager, sizeof(supervisor->manager), "%s.%.8s@%s",
                    supervisor->system_id, hex, host);
}

static void open_timeline(struct supervisor *supervisor)
{
    struct error err = { 0 };

    if (timeline_open(&supervisor->timeline, supervisor->state_fd, &clock_system, &err) < 0)
        log_warning("%s; a step of the system's clock may count between this run and the next",
                    err.message);
    supervisor->clock = &supervisor->timeline.clock;
}

/* What lies in the spool directory is marked before a new ledger is there, or a second crash would
 * have it swept. */
static int open_or_begin_ledger(struct supervisor *supervisor, struct error *err)
{
    int r = ledger_is_there(supervisor->state_fd) ? 0 : strangers_mark(supervisor, err);

    return r == 0 ? ledger_open(supervisor->state_dir, supervisor->clock, &supervisor->ledger, err)
                  : r;
}

static int set_ledger_aside(struct supervisor *supervisor, const struct error *damage,
                            struct error *err)
{
    char name[64];
    int r = ledger_set_aside(supervisor->state_fd, supervisor->clock, name, sizeof(name), err);

    if (r < 0)
        return r;
    (void) snprintf(supervisor->ledger_problem, sizeof(supervisor->ledger_problem),
                    "the ledger was damaged and is now %.120s/%s; a new one was begun from what "
                    "runs and what the clouds list",
                    supervisor->state_dir, name);
    log_error("%s: %s. Jobs that waited for an instance, or whose end GitLab had not taken yet, "
              "are lost: GitLab fails them when it hears nothing for an hour",
              damage->message, supervisor->ledger_problem);
    return 0;
}

/* A ledger that is damaged makes way for a new one; so does none (hardening.md R13). */
static int open_ledger(struct supervisor *supervisor, struct error *err)
{
    struct error damage = { 0 };
    int r = open_or_begin_ledger(supervisor, &damage);

    if (r == -EUCLEAN) {
        r = set_ledger_aside(supervisor, &damage, err);
        if (r == 0)
            r = open_or_begin_ledger(supervisor, err);
    } else if (r < 0) {
        *err = damage;
    }
    return r == 0 ? strangers_load(supervisor, err) : r;
}

int state_dir_load(struct supervisor *supervisor, struct error *err)
{
    int r = load_system_id(supervisor, err);

    if (r < 0)
        return r;
    name_manager(supervisor);
    open_timeline(supervisor);
    kept_logs_load(supervisor);
    return open_ledger(supervisor, err);
}
