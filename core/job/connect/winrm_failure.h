/* core/job/connect/winrm_failure.h - what is said when WinRM fails: what happened, and what to look at; for the other
 * winrm files. Each returns the code that it sets.
 */
#pragma once

#include "core/job/connect/remote.h"
#include "core/job/connect/winrm_soap.h"

int winrm_failed_late(struct error *err, const char *address);
int winrm_failed_http(struct error *err, const char *address, const char *why);
int winrm_failed_certificate(struct error *err, const char *address);
/* A status of HTTP that is no answer of WinRM's. */
int winrm_failed_status(struct error *err, const struct remote_options *options, long status);
int winrm_failed_login(struct error *err, const struct remote_options *options);
/* It takes no login of ours; perhaps basic authentication. */
int winrm_failed_offer(struct error *err, const struct remote_options *options, bool basic);
/* Whether that is a command which has closed its input, or has ended. */
bool winrm_is_unread_input(const struct soap_fault *fault);
/* `doing` as "making a shell". */
int winrm_failed_fault(struct error *err, const char *doing, const struct soap_fault *fault);
