/* nestingd/service.h - what the calls of clients do: the five methods with upstream's texts. Used by serve.c; called on
 * the threads of running.c.
 */
#pragma once

#include "nestingd/session.h"
#include "nestingd/vms.h"

struct service;

/* The VMs stay the caller's. */
int service_new(struct vms *vms, struct service **ret, struct error *err);
void service_free(struct service *service);
/* A running_handler; `service` is the struct. */
void service_call(void *service, enum method method, const void *data, size_t len,
                  const struct call *call, struct flt_grpc_answer *ret);

DEFINE_AUTO_PTR(struct service, service_free)
