/* core/cli/ask.h - what the commands share that ask the running manager: options, one question over
 * the control socket, and showing what comes back. Whatever it is, nothing of it drives the
 * operator's terminal. */
#pragma once

#include "core/base/buf.h"
#include "core/base/json.h"
#include "core/cli/cli.h"

struct ask_usage {
    const char *text;    /* of --help, which adds what all have */
    const char *missing; /* what is said when the word lacks; NULL = it may */
    bool takes_word, takes_force, takes_dry_run, takes_follow, takes_raw, takes_for, takes_command;
    bool no_json;
};
struct ask_options {
    const char *config, *state_dir, *word, *time; /* time: of --for */
    char **command;                               /* behind the word, after "--"; or NULL */
    bool json, force, dry_run, follow, raw;
};
/* 0, 1 when help was shown and nothing is left to do, negative when the command line is wrong. */
int ask_parse(int argc, char **argv, const struct ask_usage *usage, struct ask_options *ret);

/* The answer (a new reference), or a line on stderr that says why there is none. Waits for
 * `timeout_ms`. */
int ask_manager(const struct ask_options *options, json_t *request, int timeout_ms, json_t **ret);
#define ASK_TIMEOUT_MS 10000
/* The whole of a command that changes what its word names, and is a request of its own name: the exit status. */
int ask_change(int argc, char **argv, const struct ask_usage *usage);

/* "" or 0 or false when it is not there. */
const char *ask_text(json_t *obj, const char *key);
int64_t ask_number(json_t *obj, const char *key);
bool ask_bool(json_t *obj, const char *key);
json_t *ask_list(json_t *obj, const char *key, size_t *ret_n);

void ask_add_time(struct buf *out, int64_t ms); /* in whole seconds */
/* "drained since 2026-11-26 02:10:33 (12m3s)"; both times are the manager's. */
void ask_add_drained(struct buf *out, int64_t since_ms, int64_t now_ms);

void ask_print_json(json_t *answer);
void ask_print_line(const char *line); /* made safe, at most 1024 bytes */
