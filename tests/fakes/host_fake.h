/* tests/fakes/host_fake.h - a plugin's host without a supervisor: keeps what the plugin said, gives
 * the answers that the test has set, and really runs the programs it is asked to run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <flotilla/provider.h>

struct fake_call {
    int64_t deadline_ms;    /* CLOCK_MONOTONIC */
    int cancel_fd;          /* an eventfd */
    const char *request_id; /* NULL: a call that changes nothing */
    int64_t epoch;
    const char *state_dir;

    /* What came back. */
    int32_t fail_code;
    int64_t retry_after_ms;
    char fail_text[1024];
    char log[8192]; /* all lines */
    uint32_t max_size;
    int64_t price_micros_hour, minimum_billed_ms, minimum_life_ms;
    char identity[128];
    unsigned runs;
};

extern const struct flt_host fake_host;

void fake_call_init(struct fake_call *call, const char *state_dir, int64_t time_ms);
void fake_call_done(struct fake_call *call);
void fake_call_cancel(struct fake_call *call);
static inline flt_call *fake_call_ptr(struct fake_call *call)
{
    return (flt_call *) (void *) call;
}

int64_t fake_now_ms(void);
/* Runs a program, its output (standard output only) into `out`, cut; its exit status, 128 + signal,
 * or -1. The same that host->run() uses. `pass_stderr` joins standard error. */
int fake_run(const char *const *argv, flt_output_sink sink, void *arg, bool join_stderr);
