/* local.h - what the parts of the local provider share: the group, its options, one instance.
 *
 * The provider's instances are private sshd processes on loopback, each with a directory below the
 * group's state directory. Read provider.c first (the slots), then machine.c (how one instance is
 * made), store.c (what lies on disk), process.c (who is alive and how to end it).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <flotilla/provider.h>

#define LOCAL_ID_PREFIX "local-"
#define LOCAL_ID_LEN 22 /* the prefix and 16 hex digits */
#define LOCAL_PATH_MAX 512
#define LOCAL_DIR_MAX (LOCAL_PATH_MAX + 64) /* an instance's directory below such a path */
#define LOCAL_FILE_MAX (LOCAL_DIR_MAX + 64) /* a file in there */
#define LOCAL_REQUEST_MAX 64
#define LOCAL_MARK                                                                                 \
    "FLOTILLA_LOCAL_INSTANCE" /* in the environment of whatever runs on an instance */

enum local_failure {
    LOCAL_FAILURE_NONE,
    LOCAL_FAILURE_NEVER_BOOTS,
    LOCAL_FAILURE_DIES,
    LOCAL_FAILURE_DEAD_END,
};

struct local_options {
    char name[LOCAL_REQUEST_MAX];
    char state_dir[LOCAL_PATH_MAX]; /* empty: below the host's */
    char sshd[LOCAL_PATH_MAX];      /* empty: looked for */
    int64_t max_size, quota;        /* quota 0: max_size alone */
    int64_t price_micros_hour, minimum_billed_ms, minimum_life_ms;
    int64_t boot_delay_ms, boot_timeout_ms, dies_after_ms;
    enum local_failure failure;
    int32_t increase_error; /* FLT_OK or what every increase is answered with */
};

/* The handle of an opened group. */
struct flt_group {
    const struct flt_host *host;
    struct local_options options;
    char dir[LOCAL_PATH_MAX]; /* absolute */
    int dir_fd, instances_fd, trash_fd;
    char sshd[LOCAL_PATH_MAX], keygen[LOCAL_PATH_MAX], env[LOCAL_PATH_MAX], setsid[LOCAL_PATH_MAX];
    bool has_penalties; /* this sshd would lock out an address that only knocks */
    char username[256];
    char boot_id[64];
};

/* One instance as its meta.json says. Times count from the machine's boot (CLOCK_BOOTTIME), so that
 * a step of the wall clock changes nothing; with another boot id they mean nothing. */
struct local_instance {
    char id[LOCAL_ID_LEN + 1];
    char request_id[LOCAL_REQUEST_MAX];
    char boot_id[64];
    int64_t epoch, created_wall_ms;
    int64_t ready_ms;            /* creating until then */
    int64_t end_ms;              /* dies: when; never_boots: when it counts as failed; else 0 */
    int64_t interrupted_wall_ms; /* the end, where an `interrupt` file has set it; 0 = none has */
    uint16_t port;               /* 0: no sshd (never_boots) */
    enum local_failure failure;
    bool deleting;
};

struct local_instances {
    struct local_instance *items;
    size_t n, cap;
};

/* options.c */
int32_t options_parse(const struct flt_host *host, flt_call *call, const char *json,
                      struct local_options *ret);
int32_t options_describe(flt_key_sink sink, void *arg);
const char *failure_name(enum local_failure failure);
bool path_is_usable(const char *path); /* in sshd_config and between a shell's single quotes */
bool failure_parse(const char *text, enum local_failure *ret);

/* store.c - the group's directory. The functions that change something want the lock held. */
int32_t store_open(struct flt_group *g, flt_call *call, const char *path);
void store_close(struct flt_group *g);
/* Waits for the lock until the call ends; closing *ret_fd releases it. */
int32_t store_lock(struct flt_group *g, flt_call *call, int *ret_fd);
bool store_try_lock(struct flt_group *g, int *ret_fd);
/* FLT_E_STALE when a newer epoch has changed the group; else remembers the call's. */
int32_t store_admit_epoch(struct flt_group *g, flt_call *call);
/* All whole instances; half-made directories are not among them. Release with instances_done(). */
int32_t store_load(struct flt_group *g, flt_call *call, struct local_instances *ret);
bool store_find(struct flt_group *g, const char *id, struct local_instance *ret);
void instances_done(struct local_instances *all);
int store_commit(struct flt_group *g, int instance_fd, const struct local_instance *instance);
bool store_mark_deleting(struct flt_group *g, const char *id); /* false: there is none */
int store_discard(struct flt_group *g, const char *id); /* into the trash: gone from every list */
int64_t store_death_noted_ms(struct flt_group *g, const char *id); /* notes it the first time */
/* Ends what was begun: half-made directories, interrupted removals, the trash. */
void store_sweep(struct flt_group *g, flt_call *call);
void store_empty_trash(struct flt_group *g, flt_call *call);
bool id_is_ours(const char *id);
int open_dir_at(int dir_fd, const char *name);
/* Reads a small file whole, NUL-terminated; -1 when it cannot, or is larger than the buffer. */
ssize_t read_small(int dir_fd, const char *name, char *buf, size_t size);
int write_small(int dir_fd, const char *name, const char *text, mode_t mode);

/* number.c */
/* The digits at *at, in base 10 or 16, moving behind them; false when there is none, or when the
 * number is above `max`. */
bool number_take(const char **at, unsigned base, uint64_t max, uint64_t *ret);
/* The whole text, from 0 to `max`; a newline may end it, as in a file. */
bool number_parse(const char *text, int64_t max, int64_t *ret);

/* tree.c */
/* Removes `name` and what is below without following a link; -1 when something is left, also when
 * keep_going() said stop. */
int tree_remove(int dir_fd, const char *name, bool (*keep_going)(void *arg), void *arg);

/* process.c */
bool process_is_listener(pid_t pid, const char *id);
/* Kills (SIGKILL) whatever runs on the instance and waits until it is gone: FLT_OK, or why not. */
int32_t process_end_all(struct flt_group *g, flt_call *call, const char *id, uint16_t port);
int process_stop(pid_t pid, const char *id);

/* machine.c */
int32_t machine_create(struct flt_group *g, flt_call *call, const struct local_instances *others,
                       struct local_instance *ret);
int32_t machine_state(struct flt_group *g, const struct local_instance *instance); /* FLT_STATE_* */
bool machine_is_up(struct flt_group *g, const char *id);
/* Runs a program by the host; what it prints on either stream, cut, is put into `output`. */
int32_t machine_run(struct flt_group *g, flt_call *call, const char *const *argv, char *output,
                    size_t size);
bool find_program(const char *name, char *ret, size_t size);

/* Everything on the instance is killed at its end_ms, whether anybody asks or not. */
int32_t machine_arm(struct flt_group *g, flt_call *call, const struct local_instance *in);

/* signals.c - what files tell, as a cloud would */
int32_t signals_emit(struct flt_group *g, flt_call *call, flt_signal_sink sink, void *arg);
/* FLT_OK, or why the group cannot grow. */
int32_t signals_admit_growth(struct flt_group *g, flt_call *call);

/* clock.c */
int64_t clock_boot_ms(void);
int64_t clock_wall_ms(void);
/* Waits, unless the call is cancelled or out of time: FLT_OK, FLT_E_CANCELLED or FLT_E_TIMEOUT. */
int32_t call_wait(const struct flt_host *host, flt_call *call, int timeout_ms);
