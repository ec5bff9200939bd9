/* nesting.h - what the parts of the isolation for nesting daemons share. The daemon makes and deletes VMs on an instance
 * and is asked by gRPC over the stream that the host dials.
 *
 * Read isolation.c first (the slots), then call.c (a call with the lazy Init), request.c and answer.c (the messages, pure),
 * target.c (nesting_host, pure).
 */
#pragma once

#include <flotilla/isolation.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sdk/lib/grpc.h"
#include "sdk/lib/text.h"

#define NESTING_VMS_MAX 64 /* hardening.md N12 */
#define NESTING_ADDRESS_SIZE 512

struct flt_vms {
    const struct flt_isolation_host *host;
    char target[NESTING_ADDRESS_SIZE]; /* as dial() takes it */
    struct json_object *config;        /* nesting_config; NULL = none, which Init writes as null */
};

/* target.c: nesting_host as an address for dial(). 0, or -1 with a sentence in `why` (FLT_ERROR_MAX bytes). */
int target_parse(const char *nesting_host, char ret[NESTING_ADDRESS_SIZE], char *why);

/* request.c: encoded messages; NULL without memory, else the caller frees. */
unsigned char *request_init(const char *config_json, size_t *ret_len);
unsigned char *request_create(const char *image, int32_t slot, size_t *ret_len);
unsigned char *request_delete(const char *id, size_t *ret_len);

/* answer.c: what the daemon answered, checked and emitted. FLT_OK; FLT_E_CANCELLED by the sink; FLT_E_INTERNAL with what is
 * wrong with it in `why`: "it ...". */
int32_t answer_create(const unsigned char *data, size_t len, flt_vm_sink sink, void *arg,
                      char *why);
int32_t answer_list(const unsigned char *data, size_t len, flt_vm_sink sink, void *arg, char *why);
/* Whether an error says that the VM to delete is not there. */
bool answer_is_missing(const struct flt_grpc_answer *answer);
/* FAILED_PRECONDITION, by which the daemon tells whether it has been initialised. */
bool answer_is_about_init(const struct flt_grpc_answer *answer);
/* The result of the ABI for an error of the daemon. */
int32_t answer_result(int status);

/* call.c: dials, asks, initialises the daemon and asks once more where it wants that. `verb` is the method's name. FLT_OK:
 * *ret is the daemon's answer, which may be an error. Else the reason is told. At most `limit_ms` in all, 0 = as long as
 * the call. */
int32_t call_daemon(flt_vms *vms, flt_call *call, const char *verb, const void *message, size_t len,
                    int64_t limit_ms, struct flt_grpc_answer *ret);
/* Tells why the daemon's answer is an error; frees it. */
int32_t call_failed(flt_vms *vms, flt_call *call, const char *verb, struct flt_grpc_answer *answer);
/* Why a call failed, "the nesting daemon at unix:/x: Create: it ...". */
int32_t call_because(flt_vms *vms, flt_call *call, int32_t code, const char *verb, const char *why);
