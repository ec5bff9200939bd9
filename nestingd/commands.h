/* nestingd/commands.h - the subcommands of flotilla-nesting, one file each, and what they share. Upstream's, with its words
 * and exit statuses: 1 for a command line that is wrong, 2 for whatever fails, told in one sentence.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "core/base/error.h"
#include "sdk/lib/grpc_session.h"

enum { EXIT_MISUSE = 1, EXIT_FAILED = 2 };

/* argv[0] is the subcommand; each returns the exit status. */
int command_serve(int argc, char **argv);
int command_init(int argc, char **argv);
int command_create(int argc, char **argv);
int command_delete(int argc, char **argv);
int command_list(int argc, char **argv);
int command_shutdown(int argc, char **argv);
int command_version(int argc, char **argv);

/* A line on stderr, safe for a terminal; returns EXIT_FAILED. main.c */
int command_failed(const char *command, const struct error *err);
/* As command_failed(), with where help is; returns EXIT_MISUSE. main.c */
int command_misused(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* One call of the daemon at the default socket, without a request for an empty one: 0 and its answer, whose data the caller
 * frees; -1 when there is none or it is an error, which is told. client.c */
int client_call(const char *command, const char *method, const ProtobufCMessage *request,
                struct flt_grpc_answer *ret);
