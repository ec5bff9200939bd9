/* core/job/connect/winrm_shell.h - an instance's WinRM between its commands: asking, shells that are made and removed, and
 * how much it takes at once; for winrm.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/job/connect/winrm_http.h"
#include "core/job/connect/winrm_soap.h"

#define WINRM_CHUNK_MIN 1024
#define WINRM_CHUNK_SURE                                                                           \
    16384 /* the smallest envelope that Windows can be set up for has room for it */

struct winrm_conn {
    struct winrm_site site;
    struct winrm_http *talk, *feed; /* all but input, and input */
    int64_t operation_ms;
    size_t chunk; /* the most input that is sent at once */
    bool chunk_is_told;
    bool broken, left_running;
};

int64_t winrm_answer_deadline(const struct winrm_conn *conn);
/* An instance that does not answer is lost; a command's own time is its caller's. */
int winrm_lost_if_early(int r, int64_t deadline, struct error *err);
/* winrm_http_ask() within the time that an answer has. */
int winrm_ask(struct winrm_conn *conn, struct winrm_http *http, const struct buf *request,
              int64_t deadline, struct buf *answer, struct error *err);

/* *place names it then, and names none when this fails. */
int winrm_shell_make(struct winrm_conn *conn, int64_t deadline, struct soap_place *place,
                     struct error *err);
/* Its end is that of every process in it. */
int winrm_shell_remove(struct winrm_conn *conn, const struct soap_place *place, bool running,
                       struct error *err);

/* Asks how much it takes, which stays in conn->chunk. */
int winrm_learn_chunk(struct winrm_conn *conn, int64_t deadline, struct error *err);
