/* core/cli/plugin_try_parts.h - what the files of `flotilla plugin try` share: plugin_try.c (the
 * steps), plugin_try_turn.c (waiting, and calls of the provider), plugin_try_signals.c (what the cloud
 * says meanwhile), plugin_try_probe.c (the look at the instance). */
#pragma once

#include <errno.h>
#include <uv.h>

#include "core/base/channel.h"
#include "core/base/json.h"
#include "core/cli/plugin_try.h"
#include "core/provider/client.h"

#define TRY_CALL_MS 60000
#define TRY_GRACE_MS 2000

struct buf;

struct trial {
    const struct try_options *options;
    const struct config_runner *runner;
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    unsigned interrupts, forgiven; /* more than the forgiven ones end a wait */
    bool overdue;

    struct provider_client *provider;
    char *file, *vm_file, *state_dir; /* vm_file: of the plugin that makes VMs, or NULL */
    struct secret *key;
    bool opened, closed;
    unsigned asked, answered; /* calls: the last one's number, and whose answer came last */
    int code;
    char message[512];
    int64_t retry_after_ms;
    json_t *reply, *connect;

    json_t *before;     /* ids that were there when we came */
    bool ordered;       /* an instance exists because of us, or may */
    bool accepted;      /* it does, or will */
    char id[256];       /* once it is known */
    int64_t ordered_ms; /* wall clock */
    char growth[400]; /* why the cloud could not grow the group since then; "" = it does not say */

    struct channel *probe;
    uv_process_t probe_process;
    bool probe_runs;
    json_t *heard; /* frames of the probe that nobody has looked at yet */
    bool probe_ended;
};

/* plugin_try_turn.c */
const char *try_text(json_t *obj, const char *key);
void try_watch(struct trial *trial); /* timer and signals; the loop is there */
void try_unwatch(struct trial *trial);
bool try_interrupted(const struct trial *trial);
/* 0 once the condition holds; -ETIMEDOUT, -EINTR. */
int try_wait(struct trial *trial, bool (*holds)(const struct trial *trial), int64_t ms);
int try_pause(struct trial *trial, int64_t ms);
void try_keep_answer(struct trial *trial, int code, const char *message, int64_t retry_after_ms,
                     json_t *reply);
/* Takes the request. Sets trial->code and trial->reply; negative errno when there is no answer. */
int try_call(struct trial *trial, json_t *request, int64_t deadline_ms, struct error *err);
/* The same, where the plugin's refusal is a failure. */
int try_call_well(struct trial *trial, json_t *request, int64_t deadline_ms, struct error *err);

/* plugin_try_signals.c */
/* Asks for the cloud's signals: what it says of growth is kept; negative when the instance is of no use. */
int try_hear(struct trial *trial, struct error *err);

/* plugin_try_greet.c: what listens at trial->connect's address speaks SSH. */
int try_greet(struct trial *trial, struct buf *told, struct error *err);

/* plugin_try_probe.c: three steps, and the end of it. */
int try_connect(struct trial *trial, struct buf *told, struct error *err);
int try_command(struct trial *trial, struct buf *told, struct error *err);
int try_vms(struct trial *trial, struct buf *told, struct error *err); /* with VM isolation */
void try_end_probe(struct trial *trial);
