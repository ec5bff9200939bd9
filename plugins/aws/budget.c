/* budget.c - the budget from which repeated calls are paid, one for all groups of an account and region: AWS throttles
 * those together, while each group has a provider's process of its own. It is in a file of the state directory,
 *
 *   state_dir/retries-REGION-ACCOUNT: struct flt_retry_budget, as this machine has it in memory
 *
 * and locked as long as it takes to read and write it. Nothing is lost with it: where it cannot be had at once, the
 * process pays from a budget of its own. */

#include "aws.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* The account of "arn:aws:autoscaling:REGION:ACCOUNT:..."; its length, 0 when there is none. */
static size_t find_account(const char *arn, const char **ret)
{
    for (int i = 0; i < 4 && arn; i++) {
        arn = strchr(arn, ':');
        arn = arn ? arn + 1 : NULL;
    }
    *ret = arn;
    return arn ? strspn(arn, "0123456789") : 0;
}

int budget_open(const char *beside, const char *region, const char *arn)
{
    const char *account;
    size_t len = find_account(arn, &account);
    char path[FLT_STATE_PATH_MAX + 128];
    const char *slash = strrchr(beside, '/');

    if (len == 0 || !slash)
        return -1;
    (void) snprintf(path, sizeof(path), "%.*s/retries-%s-%.*s", (int) (slash - beside), beside,
                    region, (int) len, account);
    return open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* What no process of ours has written since the machine started is a full one. */
static void check(struct flt_retry_budget *budget, ssize_t len, int64_t now_ms)
{
    if (len != (ssize_t) sizeof(*budget) || budget->tokens < 0 ||
        budget->tokens > FLT_RETRY_BUDGET || budget->filled_ms < 0 || budget->filled_ms > now_ms)
        *budget = (struct flt_retry_budget) { 0 };
}

int budget_take(int fd, struct flt_retry_budget *own, enum flt_retry_why why, int attempt,
                int64_t now_ms)
{
    struct flt_retry_budget shared;
    int ret;

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return flt_retry_take(own, why, attempt, now_ms);
    check(&shared, pread(fd, &shared, sizeof(shared), 0), now_ms);
    ret = flt_retry_take(&shared, why, attempt, now_ms);
    if (pwrite(fd, &shared, sizeof(shared), 0) != (ssize_t) sizeof(shared))
        ret = flt_retry_take(own, why, attempt, now_ms); /* no room: it would be paid by nobody */
    (void) flock(fd, LOCK_UN);
    return ret;
}
