/* core/job/connect/ssh_pulse.c - see the header. */
#include "core/job/connect/ssh_pulse.h"

#include <errno.h>

#include "core/job/connect/remote_wait.h"

#define MISSES 3

void ssh_pulse_heard(struct ssh_pulse *pulse)
{
    ssh_pulse_skip(pulse);
    pulse->next_ms = pulse->heard_ms + pulse->every_ms;
}

int ssh_pulse_due(const struct ssh_pulse *pulse, struct error *err)
{
    int64_t now = now_ms();

    if (pulse->every_ms <= 0 || now < pulse->next_ms)
        return 0;
    if (pulse->unanswered < MISSES)
        return 1;
    return error_set(err, -EPIPE, "the connection to the instance is lost: no answer for %lld s",
                     (long long) ((now - pulse->heard_ms) / 1000));
}

void ssh_pulse_sent(struct ssh_pulse *pulse)
{
    pulse->unanswered++;
    pulse->next_ms = now_ms() + pulse->every_ms;
}

void ssh_pulse_skip(struct ssh_pulse *pulse)
{
    pulse->heard_ms = now_ms();
    pulse->unanswered = 0;
}
