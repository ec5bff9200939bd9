/* core/cli/doctor_machine.c - `flotilla doctor` on this machine: the state directory and its disk, limits, what confines
 * workers, whether a manager runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/cli/control_client.h"
#include "core/cli/doctor.h"
#include "core/job/sandbox.h"

#define DISK_LEAST_MIB 8U /* below that no job is asked for (core/store/reserve.c) */
#define DISK_GOOD_MIB 1024U
#define FILES_FOR_A_JOB 4
#define FILES_BESIDE 256
#define ASK_MS 5000

static void look_at_owner(struct doctor *doctor)
{
    struct stat st;

    if (stat(doctor->state_dir, &st) < 0) {
        doctor_say(doctor, errno == ENOENT ? DOCTOR_WARN : DOCTOR_FAIL, "state directory",
                   "the manager makes it at its first start", "%s: %s", doctor->state_dir,
                   strerror(errno));
        return;
    }
    /* Root looks at what is the service's account's. */
    if (geteuid() == 0 && st.st_uid != 0 && (st.st_mode & 077) == 0)
        doctor_say(doctor, DOCTOR_OK, "state directory", NULL,
                   "%s is user %u's alone, as whom the manager has to run", doctor->state_dir,
                   st.st_uid);
    else if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        doctor_say(doctor, DOCTOR_FAIL, "state directory",
                   "chown it to the manager's user and chmod 700 it, or run this as that user",
                   "%s belongs to user %u and has mode %03o; the manager takes only its own, with "
                   "700",
                   doctor->state_dir, st.st_uid, st.st_mode & 0777);
    else
        doctor_say(doctor, DOCTOR_OK, "state directory", NULL, "%s is ours alone",
                   doctor->state_dir);
}

/* Of a directory that is to be made: of the nearest one that is there. */
static int find_disk(const char *path, struct statvfs *ret)
{
    char at[4096];
    char *slash;

    if (str_copy(at, sizeof(at), path) < 0)
        return -ENAMETOOLONG;
    while (statvfs(at, ret) < 0) {
        slash = strrchr(at, '/');
        if (errno != ENOENT || !slash || slash == at)
            return -errno;
        *slash = '\0';
    }
    return 0;
}

static void look_at_disk(struct doctor *doctor)
{
    struct statvfs disk;
    uint64_t mib;
    int r = find_disk(doctor->state_dir, &disk);

    if (r < 0) {
        doctor_say(doctor, DOCTOR_WARN, "disk", NULL, "%s: %s", doctor->state_dir, strerror(-r));
        return;
    }
    mib = (uint64_t) disk.f_bavail * disk.f_frsize / (1024 * 1024);
    if (mib < DISK_LEAST_MIB)
        doctor_say(doctor, DOCTOR_FAIL, "disk", "free space there, or set another state_dir",
                   "%" PRIu64 " MiB are free at %s; below %u no job is asked for", mib,
                   doctor->state_dir, DISK_LEAST_MIB);
    else if (mib < DISK_GOOD_MIB)
        doctor_say(doctor, DOCTOR_WARN, "disk", "free space there, or set another state_dir",
                   "%" PRIu64 " MiB are free at %s, which logs of jobs may fill", mib,
                   doctor->state_dir);
    else
        doctor_say(doctor, DOCTOR_OK, "disk", NULL, "%" PRIu64 " MiB are free at %s", mib,
                   doctor->state_dir);
}

static void look_at_limits(struct doctor *doctor)
{
    uint64_t jobs = doctor->config ? (uint64_t) doctor->config->concurrent : 1;
    uint64_t wanted = FILES_BESIDE + jobs * FILES_FOR_A_JOB;
    struct rlimit files = { 0 }, processes = { 0 };

    (void) getrlimit(RLIMIT_NOFILE, &files);
    (void) getrlimit(RLIMIT_NPROC, &processes);
    if (files.rlim_max < wanted)
        doctor_say(doctor, DOCTOR_FAIL, "descriptors",
                   "raise the hard limit (LimitNOFILE= of the unit, or limits.conf), or lower "
                   "concurrent",
                   "a process may have %" PRIu64 ", %" PRIu64 " job%s need%s %" PRIu64,
                   (uint64_t) files.rlim_max, jobs, str_plural(jobs), jobs == 1 ? "s" : "", wanted);
    else
        doctor_say(doctor, DOCTOR_OK, "descriptors", NULL,
                   "a process may have %" PRIu64 ", %" PRIu64 " job%s need%s %" PRIu64,
                   (uint64_t) files.rlim_max, jobs, str_plural(jobs), jobs == 1 ? "s" : "", wanted);
    if (geteuid() != 0 && processes.rlim_max != RLIM_INFINITY && processes.rlim_max < 2 * jobs + 64)
        doctor_say(doctor, DOCTOR_FAIL, "processes",
                   "raise it (LimitNPROC= of the unit, or limits.conf), or lower concurrent",
                   "this user may have %" PRIu64 ", %" PRIu64 " jobs need up to %" PRIu64,
                   (uint64_t) processes.rlim_max, jobs, 2 * jobs + 64);
}

static void look_at_sandbox(struct doctor *doctor)
{
    bool filter = !doctor->config || doctor->config->worker_seccomp;
    autobuf struct buf text = BUF_INIT;
    bool whole = sandbox_describe(filter, &text);

    doctor_say(doctor, whole ? DOCTOR_OK : DOCTOR_WARN, "sandbox",
               whole    ? NULL
               : filter ? "a kernel from 5.13 on, with Landlock, offers all of it"
                        : "set worker_seccomp = true, or leave it out",
               "%s", buf_str(&text));
}

/* Its own word on what goes wrong. */
static void look_at_manager(struct doctor *doctor)
{
    autojson json_t *request = json_frame("status"), *status = NULL;
    json_t *problems = NULL, *runners = NULL;
    struct error err = { 0 };

    if (control_ask(doctor->state_dir, request, ASK_MS, &status, NULL, &err) < 0) {
        doctor_say(doctor, DOCTOR_WARN, "manager", "start it once all else is well", "%s",
                   err.message);
        return;
    }
    doctor_say(doctor, DOCTOR_OK, "manager", NULL, "one runs with %s", doctor->state_dir);
    (void) json_opt_array(status, "problems", &problems, NULL);
    for (size_t i = 0; problems && i < json_object_array_length(problems); i++)
        doctor_say(doctor, DOCTOR_WARN, "manager", NULL, "%s",
                   json_object_get_string(json_object_array_get_idx(problems, i)));
    (void) json_opt_array(status, "runners", &runners, NULL);
    for (size_t i = 0; runners && i < json_object_array_length(runners); i++) {
        json_t *runner = json_object_array_get_idx(runners, i);
        const char *name = "", *problem = "";

        (void) json_opt_str(runner, "name", &name, NULL);
        (void) json_opt_str(runner, "problem", &problem, NULL);
        if (*problem)
            doctor_say(doctor, DOCTOR_WARN, "manager", "`flotilla explain` says more",
                       "runner '%s': %s", name, problem);
    }
}

void doctor_look_at_machine(struct doctor *doctor)
{
    if (doctor->state_dir) {
        look_at_owner(doctor);
        look_at_disk(doctor);
        look_at_manager(doctor);
    }
    look_at_limits(doctor);
    look_at_sandbox(doctor);
}
