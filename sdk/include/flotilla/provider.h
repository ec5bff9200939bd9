/* flotilla/provider.h - what a provider plugin is: an instance group in a cloud, as a shared object.
 *
 * A provider exports exactly one symbol, flotilla_provider_v1(), which returns a static descriptor and
 * does nothing else. The host copies the descriptor (the smaller of both sizes: an older plugin's
 * missing tail reads as NULL, a newer plugin's is not looked at) and calls its slots.
 *
 * Rules for every slot
 *   - Calls block, one at a time for each group, on one thread; groups may live in other processes.
 *   - A call has a deadline. Poll host->cancel_fd(call) beside your sockets; when it is readable, return
 *     FLT_E_CANCELLED or FLT_E_TIMEOUT within a second. A call that is 2 s late is killed with its
 *     process.
 *   - No call waits for the cloud to converge.
 *   - Pointers passed in, and pointers inside records passed to a sink, are borrowed until the callee
 *     returns. No memory changes hands. Sinks may be called only during the call that brought them.
 *   - All text is UTF-8, at most 4 KiB a string, never NULL unless said so. Ids are 1 to 255 bytes of
 *     [A-Za-z0-9._:/-].
 *   - A provider's process opens the system's programs, libraries and certificates, the clouds' files
 *     in the home directory (~/.aws, ~/.config/gcloud …), what plugin_config and the environment name
 *     by an absolute path (folders of plugin_config for writing, too), its state_dir, and nothing else,
 *     where the kernel has Landlock. The same holds for what host->run() starts.
 *   - No fork, exec, signal handlers, chdir, umask, setlocale, exit or abort; descriptors are
 *     close-on-exec. Programs are run by host->run().
 *   - A result is FLT_OK or one of FLT_E_*; anything else reads as FLT_E_INTERNAL. Before returning an
 *     error say why with host->fail().
 *
 * Growth: slots and fields are only appended, meanings never change. A record that crosses starts with
 * struct_size; whoever reads it copies the smaller size into a zeroed struct. The promise holds from
 * 1.0 of flotilla on; before that this header may change.
 */
#ifndef FLOTILLA_PROVIDER_H
#define FLOTILLA_PROVIDER_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FLT_PROVIDER_MAGIC 0x464c5450u
#define FLT_ABI_MINOR 1u /* the major is in the entry symbol's name */
#define FLT_PROVIDER_ENTRY "flotilla_provider_v1"

#if defined(__GNUC__)
#define FLT_EXPORT __attribute__((visibility("default")))
#else
#define FLT_EXPORT
#endif

/* Results. The numbers are far from errno's, so that neither is mistaken for the other. */
#define FLT_OK 0
#define FLT_E_INVALID (-10001)     /* the configuration or an argument is wrong */
#define FLT_E_AUTH (-10002)        /* credentials refused, or a right is missing */
#define FLT_E_QUOTA (-10003)       /* the cloud has no more for us: capacity, quota, maximum */
#define FLT_E_THROTTLED (-10004)   /* asked too often; say when with host->fail() */
#define FLT_E_UNAVAILABLE (-10005) /* could not ask: network, 5xx */
#define FLT_E_NOT_FOUND (-10006)
#define FLT_E_NOT_READY (-10007) /* ask again after retry_after_ms */
#define FLT_E_PARTIAL (-10008)   /* what was emitted is right, but not all */
#define FLT_E_STALE (-10009)     /* a newer epoch holds the group */
#define FLT_E_UNHEALTHY (-10010)
#define FLT_E_CANCELLED (-10011)
#define FLT_E_TIMEOUT (-10012)
#define FLT_E_UNSUPPORTED (-10013)
#define FLT_E_INTERNAL (-10014)
#define FLT_E_ABI (-10015) /* the loader's own: not a plugin it can use */
#define FLT_E_LAST FLT_E_ABI

/* States of an instance. */
#define FLT_STATE_CREATING 0 /* exists or is being made; not usable */
#define FLT_STATE_RUNNING 1
#define FLT_STATE_DELETING 2
#define FLT_STATE_DELETED 3
/* Failed, and gone or about to be: the host forgets it and removes nothing. One that stays in the group, and in the
 * bill, is reported as creating, and by signals() as FLT_E_UNHEALTHY: then the host removes it. */
#define FLT_STATE_TIMEOUT 4
#define FLT_STATE_SUSPENDING 5
#define FLT_STATE_SUSPENDED 6
#define FLT_STATE_RESUMING 7

/* Capabilities. Unknown bits mean nothing; a known bit whose slots are NULL is refused. */
#define FLT_CAP_HEARTBEAT ((uint64_t) 1 << 0)
#define FLT_CAP_SUSPEND_RESUME ((uint64_t) 1 << 1)
#define FLT_CAP_SIGNALS ((uint64_t) 1 << 2)
#define FLT_CAP_CONFIG_KEYS ((uint64_t) 1 << 3)
/* Instances may be on the host's own machine: loopback and its other addresses are right. From any
 * other provider they are refused. Such a provider's process has no rules for files. */
#define FLT_CAP_THIS_MACHINE ((uint64_t) 1 << 4)
/* An id is given out again: what was removed and is listed after a later increase is a new use of the
 * same machine, with the host key that it had. Without this bit an id that comes back is the old
 * instance, which is still to be removed. */
#define FLT_CAP_IDS_RETURN ((uint64_t) 1 << 5)

#define FLT_LOG_ERROR 0
#define FLT_LOG_WARNING 1
#define FLT_LOG_NOTICE 2
#define FLT_LOG_INFO 3
#define FLT_LOG_DEBUG 4

typedef struct flt_call flt_call;   /* the host's; dies with the call */
typedef struct flt_group flt_group; /* the plugin's; made by open, ended by close */

/* One instance of the group. */
struct flt_instance {
    uint32_t struct_size;
    int32_t state; /* FLT_STATE_* */
    const char *id;
};

/* A host key that the cloud vouches for. */
struct flt_host_key {
    uint32_t struct_size;
    uint32_t reserved; /* 0 */
    const char *type;  /* "ssh-ed25519" */
    const char *key;   /* base64 of the public key blob, as in known_hosts */
};

/* How to reach an instance. Strings may be NULL where unknown; the host fills in what its configuration
 * says. The plugin wipes its own copies of secrets when it returns. */
struct flt_connect_info {
    uint32_t struct_size;
    uint32_t port;         /* 0 = the protocol's own */
    const char *protocol;  /* "ssh", "winrm", "winrm+https"; NULL = what os is known for */
    const char *os, *arch; /* Go's names: linux, windows, darwin; amd64, arm64 */
    const char *address;   /* internal */
    const char *external_address;
    const char *username, *password;
    const char *key; /* private key, PEM or OpenSSH text without passphrase */
    const struct flt_host_key *host_keys;
    uint32_t n_host_keys;
    uint32_t reserved;  /* 0 */
    int64_t expires_ms; /* wall clock; 0 = never */
};

/* What the cloud says about an instance's future, or about growth (instance NULL). */
struct flt_signal {
    uint32_t struct_size;
    int32_t code;         /* FLT_E_UNHEALTHY: it is going; FLT_E_QUOTA: growth fails */
    const char *instance; /* NULL = the group */
    const char *text;     /* the cloud's sentence */
    int64_t at_ms;        /* when it takes effect, wall clock; 0 = now. Of growth: when it failed */
};

/* One key of plugin_config, for documentation and offline validation. */
struct flt_config_key {
    uint32_t struct_size;
    uint32_t required; /* 0 or 1 */
    const char *name;
    const char *type;          /* "string", "integer", "boolean", "duration", "table", "list" */
    const char *default_value; /* NULL = none */
    const char *help;
};

/* What open tells about the group. 0 or NULL = unknown. The host lets no idle instance go whose time is
 * paid for: each is charged for minimum_life_ms at least, and for started pieces of minimum_billed_ms.
 * A cloud that charges by the second after a first minute has a minimum life of a minute, no pieces. */
struct flt_group_info {
    uint32_t struct_size;
    uint32_t max_size;         /* the group's own maximum */
    const char *identity;      /* printable: "local group demo" */
    int64_t price_micros_hour; /* millionths of the currency an hour */
    int64_t minimum_billed_ms, minimum_life_ms, recycle_ms;
};

/* Sinks return 0 to go on; otherwise the plugin stops emitting and returns FLT_E_CANCELLED. */
typedef int32_t (*flt_instance_sink)(void *arg, const struct flt_instance *instance);
typedef int32_t (*flt_id_sink)(void *arg, const char *id);
typedef int32_t (*flt_connect_sink)(void *arg, const struct flt_connect_info *info);
typedef int32_t (*flt_signal_sink)(void *arg, const struct flt_signal *signal);
typedef int32_t (*flt_key_sink)(void *arg, const struct flt_config_key *key);
typedef int32_t (*flt_output_sink)(void *arg, const void *data, uint32_t len);

/* The host's services. Valid as long as the group; read the size before a slot added after 1.0. */
struct flt_host {
    uint32_t struct_size;
    uint32_t abi_minor;

    void (*log)(flt_call *call, int32_t level, const char *text);
    /* Why the call ends as it does, for people; returns `code`. retry_after_ms 0 = no advice. */
    int32_t (*fail)(flt_call *call, int32_t code, int64_t retry_after_ms, const char *text);
    int64_t (*time_left_ms)(flt_call *call);
    int32_t (*cancelled)(flt_call *call); /* 0 or 1 */
    int32_t (*cancel_fd)(flt_call *call); /* readable when cancelled; the host's, do not read it */
    /* A UUID, the same on every repetition of one change; NULL on calls that change nothing. */
    const char *(*request_id)(flt_call *call);
    /* The group's epoch: a changing call of an older one must be answered with FLT_E_STALE where the
     * plugin can know. */
    int64_t (*epoch)(flt_call *call);
    /* Runs a program without a shell within the call's deadline; its standard output goes to the sink
     * (may be NULL), at most 1 MiB. Returns its exit status (0 to 255), 128 + the signal that killed
     * it, or FLT_E_*. argv ends with NULL; argv[0] is an absolute path. */
    int32_t (*run)(flt_call *call, const char *const *argv, flt_output_sink sink, void *arg);
    /* Once, during open. */
    void (*describe_group)(flt_call *call, const struct flt_group_info *info);
    /* A directory of the plugin's own (0700), by its name, for all of its groups; the text lives as long
     * as the call. */
    const char *(*state_dir)(flt_call *call);

    /* Since 1.1. Which manager this is, "ID@MACHINE": an id of at most 63 bytes of [A-Za-z0-9._-], the
     * same over restarts and the loss of the ledger, and no other manager's; the machine's name is for
     * people. A provider that can keep it beside the epoch answers with FLT_E_STALE where another
     * manager holds the group, in open, list and every changing call: managers that do not know each
     * other's instances would delete them. NULL from a tool that never holds a group. */
    const char *(*manager)(flt_call *call);
};

struct flt_provider {
    uint32_t magic;            /* FLT_PROVIDER_MAGIC */
    uint32_t struct_size;      /* sizeof, as the plugin was built */
    uint32_t abi_minor;        /* FLT_ABI_MINOR of the header it was built with */
    uint32_t abi_minor_needed; /* oldest host it can work with */
    const char *name;          /* static, never freed */
    const char *version;
    uint64_t capabilities; /* FLT_CAP_* */

    /* Parses and validates both configurations (JSON objects), reaches the cloud once, describes the
     * group and returns its handle. An unknown key is a warning in the log, a wrong type or value is
     * FLT_E_INVALID with a sentence that names the key. connector_config_json holds the private key's
     * text in "key" when the operator named a key file. */
    int32_t (*open)(const struct flt_host *host, flt_call *call, const char *plugin_config_json,
                    const char *connector_config_json, flt_group **ret_group);
    /* Last call; never concurrent with another. Leaves the instances alone. */
    void (*close)(flt_group *group);
    /* Emits every instance of the group, each id once. FLT_OK means: that was all. */
    int32_t (*list)(flt_group *group, flt_call *call, flt_instance_sink sink, void *arg);
    /* Asks for n more. *ret_accepted (0 to n) is written also when an error is returned. The same
     * request_id again is the same request. */
    int32_t (*increase)(flt_group *group, flt_call *call, uint32_t n, uint32_t *ret_accepted);
    /* Asks for the removal of these; emits each id that was accepted. An unknown id is accepted: it is
     * gone already. */
    int32_t (*decrease)(flt_group *group, flt_call *call, const char *const *ids, uint32_t n,
                        flt_id_sink accepted, void *arg);
    /* Emits one record, or FLT_E_NOT_READY with a time to ask again. FLT_E_NOT_FOUND and FLT_E_UNHEALTHY
     * blame the instance, which is replaced; FLT_E_INVALID and FLT_E_AUTH blame a setting or a right:
     * no instance is replaced for it, and somebody is told. */
    int32_t (*connect_info)(flt_group *group, flt_call *call, const char *id, flt_connect_sink sink,
                            void *arg);

    /* Optional from here: NULL is allowed. */

    /* FLT_OK, FLT_E_UNHEALTHY (the instance is bad) or FLT_E_UNAVAILABLE (could not ask). Cheap. */
    int32_t (*heartbeat)(flt_group *group, flt_call *call, const char *id);
    int32_t (*suspend)(flt_group *group, flt_call *call, const char *const *ids, uint32_t n,
                       flt_id_sink accepted, void *arg);
    int32_t (*resume)(flt_group *group, flt_call *call, const char *const *ids, uint32_t n,
                      flt_id_sink accepted, void *arg);
    /* Polled like list. Emits what holds now, each time anew: an instance that the cloud is going to
     * interrupt, to retire or to take out of the group (FLT_E_UNHEALTHY), and growth that was accepted
     * and fails (FLT_E_QUOTA): each failure is told by its at_ms, or with 0 as long as it holds. Other
     * codes are ignored. */
    int32_t (*signals)(flt_group *group, flt_call *call, flt_signal_sink sink, void *arg);
    /* Pure; may be called before open. */
    int32_t (*config_keys)(flt_key_sink sink, void *arg);
};

/* Size of struct flt_provider up to and including connect_info, frozen: no smaller one is a plugin. */
#define FLT_PROVIDER_SIZE_1_0                                                                      \
    ((uint32_t) (4 * sizeof(uint32_t) + 2 * sizeof(void *) + sizeof(uint64_t) + 6 * sizeof(void *)))

/* The same of the host's table, and of the records that a plugin hands out. */
#define FLT_HOST_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + 10 * sizeof(void *)))
#define FLT_INSTANCE_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + sizeof(void *)))
#define FLT_HOST_KEY_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + 2 * sizeof(void *)))
#define FLT_CONNECT_INFO_SIZE_1_0                                                                  \
    ((uint32_t) (4 * sizeof(uint32_t) + 9 * sizeof(void *) + sizeof(int64_t)))
#define FLT_CONFIG_KEY_SIZE_1_0 ((uint32_t) (2 * sizeof(uint32_t) + 4 * sizeof(void *)))
#define FLT_SIGNAL_SIZE_1_0                                                                        \
    ((uint32_t) (2 * sizeof(uint32_t) + 2 * sizeof(void *) + sizeof(int64_t)))
#define FLT_GROUP_INFO_SIZE_1_0                                                                    \
    ((uint32_t) (2 * sizeof(uint32_t) + sizeof(void *) + 4 * sizeof(int64_t)))

/* The one symbol a provider exports. */
FLT_EXPORT const struct flt_provider *flotilla_provider_v1(void);

#if defined(__GNUC__)
#define FLT_PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define FLT_PRINTF_LIKE(fmt, args)
#endif

/* host->log() and host->fail() with a format, so that no variable arguments cross the boundary. */
FLT_PRINTF_LIKE(4, 5)
static inline void flt_logf(const struct flt_host *host, flt_call *call, int32_t level,
                            const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    host->log(call, level, text);
}

FLT_PRINTF_LIKE(5, 6)
static inline int32_t flt_failf(const struct flt_host *host, flt_call *call, int32_t code,
                                int64_t retry_after_ms, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    (void) vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return host->fail(call, code, retry_after_ms, text);
}

/* For between the steps of a call: FLT_OK, or why it has to end. */
static inline int32_t flt_call_ended(const struct flt_host *host, flt_call *call)
{
    if (host->cancelled(call))
        return host->fail(call, FLT_E_CANCELLED, 0, "cancelled");
    if (host->time_left_ms(call) <= 0)
        return host->fail(call, FLT_E_TIMEOUT, 0, "the call's time is over");
    return FLT_OK;
}

#ifdef __cplusplus
}
#endif

#endif
