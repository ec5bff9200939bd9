/* core/job/connect/winrm_soap.h - what WinRM's envelopes say (MS-WSMV): requests written, answers read. Pure; for winrm.c.
 *
 * An answer is an instance's word: hostile. What is taken from it is checked here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* What Windows takes unless it is set up otherwise, in bytes: older ones 150 KiB, later ones 500. */
#define SOAP_ENVELOPE_MAX (150 * 1024)

#define SOAP_ID_SIZE 65
struct soap_place {
    const char *url;
    int64_t timeout_ms; /* after which the instance answers in any case */
    char shell[SOAP_ID_SIZE], command[SOAP_ID_SIZE];
};

/* Each is a whole envelope. A shell lives for `idle_ms` without a request. */
void soap_create(struct buf *out, const struct soap_place *place, int64_t idle_ms);
/* As cmd.exe reads it, as sshd's commands are read by the account's shell. */
void soap_command(struct buf *out, const struct soap_place *place, const char *line);
/* To its stdin; `end` closes that. */
void soap_send(struct buf *out, const struct soap_place *place, const void *data, size_t len,
               bool end);
void soap_receive(struct buf *out, const struct soap_place *place);
void soap_terminate(struct buf *out, const struct soap_place *place);
/* Its service's settings, in which no shell is named. */
void soap_get_config(struct buf *out, const struct soap_place *place);
void soap_delete(struct buf *out, const struct soap_place *place);

/* What is wrong, in Windows' words. */
struct soap_fault {
    char subcode[64]; /* "TimedOut" */
    int64_t code;     /* of its WSManFault; 0 = none */
    char text[300];
};
/* What a command said. */
struct soap_output {
    int (*take)(void *arg, bool is_stderr, const void *data, size_t len); /* negative stops */
    void *arg;
    bool done;
    int status; /* once it is done */
};

/* These return 0; -EREMOTEIO with *ret_fault filled; -EPROTO with a sentence when it is no such answer, or the code of
 * `take`. */
int soap_read_shell(const struct buf *answer, char ret[static SOAP_ID_SIZE],
                    struct soap_fault *ret_fault, struct error *err);
int soap_read_command(const struct buf *answer, char ret[static SOAP_ID_SIZE],
                      struct soap_fault *ret_fault, struct error *err);
int soap_read_output(const struct buf *answer, struct soap_output *output,
                     struct soap_fault *ret_fault, struct error *err);
/* The size of an envelope, in bytes, that it takes. */
int soap_read_config(const struct buf *answer, size_t *ret_envelope, struct soap_fault *ret_fault,
                     struct error *err);
int soap_read_nothing(const struct buf *answer, struct soap_fault *ret_fault, struct error *err);
