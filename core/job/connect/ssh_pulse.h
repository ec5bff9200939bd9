/* core/job/connect/ssh_pulse.h - whether the other side still lives: when a keepalive is due, and when so many were
 * not answered that the connection is lost (hardening.md N6). For both back ends.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/error.h"

struct ssh_pulse {
    int64_t every_ms; /* 0 = no keepalives */
    int64_t heard_ms, next_ms;
    int unanswered;
};

/* Something came, which proves that the other side lives. */
void ssh_pulse_heard(struct ssh_pulse *pulse);
/* 1 when one is to be sent now; -EPIPE with a sentence when the connection is lost. */
int ssh_pulse_due(const struct ssh_pulse *pulse, struct error *err);
void ssh_pulse_sent(struct ssh_pulse *pulse);
/* Nothing could be heard meanwhile, by our own doing. */
void ssh_pulse_skip(struct ssh_pulse *pulse);
