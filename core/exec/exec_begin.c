/* core/exec/exec_begin.c - what is run and where: the file, the configuration, a temporary directory, the
 * snapshot and the pipeline (exec_internal.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_yaml.h"
#include "core/exec/exec_config.h"
#include "core/exec/exec_context.h"
#include "core/exec/exec_internal.h"
#include "core/exec/leftovers.h"

#define FILE_DEFAULT ".gitlab-ci.yml"
#define NAME_SHOWN 80
#define FILE_MAX ((size_t) 2 << 20)
#define JOB_TIMEOUT_S 3600
#define ARTIFACT_MAX ((int64_t) 1 << 30) /* of one file, as on GitLab.com */
#define ROOM_BYTES ((size_t) 64 << 10)   /* less is a full disk: nothing of ours fits */
#define SOCKET_PATH_MAX 107
#define LONGEST_SOCKET "/control.sock"
#define VM_HOST_ADDRESS "10.0.2.2" /* this machine, in QEMU's user-mode network */

bool exec_is_alone(const struct exec *exec)
{
    return exec->options->listen != NULL;
}

const char *exec_command_name(const struct exec *exec)
{
    return exec_is_alone(exec) ? "coordinator" : "exec";
}

/* Says what a reading found. When that tells why it failed, the error is left without a sentence of
 * its own. */
static int tell_findings(int r, struct config_findings *findings, struct error *err)
{
    config_findings_print(findings, CONFIG_NOTE, stderr);
    for (size_t i = 0; i < findings->count; i++)
        if (r < 0 && findings->items[i].severity == CONFIG_ERROR)
            *err = (struct error) { .code = r };
    config_findings_done(findings);
    return r;
}

/* As git does: here, else at the top of the repository. */
static int find_file(const struct exec *exec, char **ret, struct error *err)
{
    autofree char *top = NULL;

    if (exec->options->file || access(FILE_DEFAULT, F_OK) == 0) {
        *ret = mem_strdup(exec->options->file ? exec->options->file : FILE_DEFAULT);
        return *ret ? 0 : error_set(err, -ENOMEM, "out of memory");
    }
    if (snapshot_find_top(".", &top, NULL) == 0)
        *ret = mem_printf("%s/" FILE_DEFAULT, top);
    if (*ret && access(*ret, F_OK) == 0)
        return 0;
    return error_set(err, -ENOENT,
                     "there is no " FILE_DEFAULT " here nor at the top of a git repository; --file "
                     "FILE names another file");
}

int exec_read_file(struct exec *exec, struct error *err)
{
    int r = find_file(exec, &exec->file, err);

    return r < 0 ? r : fs_read_file(AT_FDCWD, exec->file, FILE_MAX, &exec->text, err);
}

static int check_pipeline(const struct exec *exec, struct error *err)
{
    if (exec->ci->never)
        return error_set(err, -ENOENT,
                         "%s makes no pipeline of this: its workflow:rules say so; name the jobs "
                         "to run them all the same",
                         exec->file);
    if (exec->pipeline->n_jobs > 0)
        return 0;
    return error_set(err, -ENOENT,
                     "%s has no job for this: their rules leave all of them out; name the jobs to "
                     "run them all the same",
                     exec->file);
}

int exec_make_pipeline(struct exec *exec, struct error *err)
{
    const struct ci_selection selection = { exec->options->names, exec->options->n_names };
    struct config_findings findings = { 0 };
    struct ci_context context = { 0 };
    int r = exec_context_fill(&exec->shared, &exec->snapshot, &context, err);

    if (r == 0) {
        r = ci_config_parse(exec->file, buf_str(&exec->text), exec->text.len, &selection, &context,
                            &exec->ci, &findings, err);
        r = tell_findings(r, &findings, err);
    }
    ci_context_done(&context);
    if (r < 0)
        return r;
    r = pipeline_new(exec->ci, &selection, clock_mono_ms(&clock_system), &exec->pipeline, err);
    return r < 0 ? error_wrap(err, r, "%s", exec->file) : check_pipeline(exec, err);
}

/* What is asked for at once and does not go together, and what VMs need. */
int exec_check_options(struct exec *exec, struct error *err)
{
    const struct exec_options *options = exec->options;

    if (options->vms && options->config)
        return error_set(err, -EINVAL,
                         "--isolate makes VMs by a configuration of its own; leave out --isolate, "
                         "or --config %s",
                         options->config);
    if (options->cache && options->config)
        return error_set(err, -EINVAL,
                         "--cache is for instances of this machine alone; set cache_dir in %s",
                         options->config);
    if (options->cache && options->vms)
        return error_set(err, -EINVAL,
                         "--cache is a folder of this machine, which VMs do not see; leave out "
                         "--cache or --isolate");
    return options->vms ? vm_image_find(options->vms, &exec->vm_image, err) : 0;
}

/* Those of --isolate get their sources over HTTP, at an address that is the same with each. */
static void warn_of_sources(const struct exec *exec)
{
    for (size_t i = 0; exec->options->config && i < exec->config->n_runners; i++) {
        const struct config_runner *runner = &exec->config->runners[i];
        autobuf struct buf shown = BUF_INIT;

        if (!runner->autoscaler.vm_isolation.enabled)
            continue;
        str_display(&shown, runner->name, strlen(runner->name), NAME_SHOWN);
        (void) fprintf(stderr,
                       "warning: %s: runner '%s' makes VMs, which do not see the folder of this "
                       "machine that jobs clone from: those jobs fail; --isolate vm instead of "
                       "--config gives VMs the sources\n",
                       exec->options->config, buf_str(&shown));
    }
}

int exec_load_config(struct exec *exec, struct error *err)
{
    struct config_findings findings = { 0 };
    const struct exec_vms vms = {
        .image = &exec->vm_image,
        .socket = exec->vm_daemon ? vm_daemon_socket(exec->vm_daemon) : NULL,
    };
    int r = exec_config_load(exec->options->config, exec->vm_daemon ? &vms : NULL, &exec->config,
                             &findings, err);

    r = tell_findings(r, &findings, err);
    if (r == 0)
        warn_of_sources(exec);
    return r;
}

/* The rest of a socket's path has room in `state_dir`. */
static int check_length(const struct exec *exec, const char *parent, struct error *err)
{
    if (exec_is_alone(exec) || strlen(exec->state_dir) + strlen(LONGEST_SOCKET) <= SOCKET_PATH_MAX)
        return 0;
    return error_set(err, -ENAMETOOLONG, "%s is too long a path for the sockets in it; %s", parent,
                     exec->options->state_dir ? "name a shorter --state-dir"
                                              : "set a shorter one, as in TMPDIR=/tmp");
}

/* Whether TMPDIR is absolute matters, because others resolve it elsewhere. Not XDG_RUNTIME_DIR:
 * jobs build in here, and that one is small and may forbid to execute. */
int exec_make_work_dir(struct exec *exec, struct error *err)
{
    const char *parent = getenv("TMPDIR");

    if (!parent || *parent != '/')
        parent = "/tmp";
    exec->work_dir = mem_printf("%s/flotilla-exec-XXXXXX", parent);
    if (!exec->work_dir)
        return error_set(err, -ENOMEM, "out of memory");
    if (!mkdtemp(exec->work_dir)) {
        int code = -errno;

        free(take_ptr(exec->work_dir));
        return error_errno(err, code, "no temporary directory can be made in %s", parent);
    }
    exec->bare = mem_printf("%s/repository.git", exec->work_dir);
    exec->state_dir = exec->options->state_dir ? mem_strdup(exec->options->state_dir)
                                               : mem_printf("%s/state", exec->work_dir);
    if (!exec->bare || !exec->state_dir || leftovers_mark(exec->work_dir) < 0)
        return error_set(err, -ENOMEM, "out of memory");
    return check_length(exec, exec->options->state_dir ? exec->state_dir : parent, err);
}

/* A path in the repository, when the file was found at its top. */
static const char *config_path(const struct exec *exec)
{
    size_t len = strlen(exec->snapshot.top);

    return str_starts(exec->file, exec->snapshot.top) && exec->file[len] == '/'
               ? exec->file + len + 1
               : exec->file;
}

int exec_take_snapshot(struct exec *exec, struct error *err)
{
    const char *slash;
    time_t now = time(NULL);
    struct tm parts;
    int r = snapshot_take(".", exec->bare, &exec->snapshot, err);

    if (r < 0)
        return r;
    slash = strrchr(exec->snapshot.top, '/');
    exec->project_path = mem_printf("local/%s", slash && slash[1] ? slash + 1 : "project");
    if (!exec->project_path)
        return error_set(err, -ENOMEM, "out of memory");
    (void) strftime(exec->created_at, sizeof(exec->created_at), "%Y-%m-%dT%H:%M:%SZ",
                    gmtime_r(&now, &parts));
    exec->shared = (struct payload_pipeline) {
        .id = 1,
        .project_id = 1,
        .timeout_s = JOB_TIMEOUT_S,
        .project_name = exec->project_path + strlen("local/"),
        .project_path = exec->project_path,
        .project_namespace = "local",
        .repo_url = exec->snapshot.url,
        .object_format = exec->snapshot.object_format,
        .sha = exec->snapshot.sha,
        .before_sha = "0000000000000000000000000000000000000000",
        .ref = exec->snapshot.ref,
        .branch = exec->snapshot.detached ? NULL : exec->snapshot.ref,
        .default_branch = exec->snapshot.default_branch,
        .tag = exec->snapshot.tag,
        .message = exec->snapshot.message,
        .author = exec->snapshot.author,
        .timestamp = exec->snapshot.timestamp,
        .user_name = exec->snapshot.user_name,
        .user_email = exec->snapshot.user_email,
        .config_path = config_path(exec),
        .created_at = exec->created_at,
    };
    return 0;
}

/* Instances are processes of this machine unless a configuration says what they are: then it says as
 * well where their caches are. */
static int make_cache_dir(struct exec *exec, struct error *err)
{
    autofree char *dir = exec->options->cache ? mem_strdup(exec->options->cache)
                                              : mem_printf("%s/cache", exec->work_dir);
    int r = dir ? fs_mkdirs(dir, 0700, err) : error_set(err, -ENOMEM, "out of memory");

    if (r < 0)
        return r;
    exec->cache_dir = realpath(dir, NULL);
    return exec->cache_dir ? 0 : error_errno(err, -errno, "%s", dir);
}

int exec_make_store(struct exec *exec, struct error *err)
{
    autofree char *folder = exec->options->artifacts ? mem_strdup(exec->options->artifacts)
                                                     : mem_printf("%s/artifacts", exec->work_dir);
    int r = folder ? artifact_store_new(folder, ARTIFACT_MAX, &exec->artifacts, err)
                   : error_set(err, -ENOMEM, "out of memory");

    if (r < 0 || exec_is_alone(exec) || exec->options->config || exec->options->vms)
        return r;
    return make_cache_dir(exec, err);
}

int exec_lead_sources(struct exec *exec, const char *url, struct error *err)
{
    const char *port = strrchr(url, ':');

    exec->sources_url = mem_printf("http://" VM_HOST_ADDRESS "%s/" REPOSITORY_PATH, port);
    if (!exec->sources_url)
        return error_set(err, -ENOMEM, "out of memory");
    exec->shared.repo_url = exec->sources_url;
    exec->shared.whole_history = true;
    return snapshot_make_files(&exec->snapshot, err);
}

void exec_explain_full_disk(const struct exec *exec, struct error *err)
{
    struct statvfs place;

    if (!str_empty(err->message) && exec->work_dir && statvfs(exec->work_dir, &place) == 0 &&
        place.f_bavail * place.f_frsize < ROOM_BYTES)
        (void) error_wrap(err, err->code, EXEC_DISK_FULL, exec->work_dir);
}

void exec_remove_work_dir(const struct exec *exec)
{
    if (!exec->work_dir)
        return;
    if (exec->instances > 0)
        (void) fprintf(stderr, "flotilla exec: %u instance%s still there; %s is kept\n",
                       exec->instances, exec->instances == 1 ? " is" : "s are", exec->work_dir);
    else if (fs_remove_tree(AT_FDCWD, exec->work_dir) < 0)
        (void) fprintf(stderr, "flotilla %s: %s can't be removed\n", exec_command_name(exec),
                       exec->work_dir);
}
