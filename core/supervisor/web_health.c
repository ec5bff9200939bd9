/* core/supervisor/web_health.c - may jobs come to this manager? For those who restart it, and for those who wait until
 * it has started. */
#include "core/base/str.h"
#include "core/supervisor/strangers.h"
#include "core/supervisor/web.h"

/* Nobody knows yet what there is. */
static bool group_starts(const struct group *group)
{
    return !group->listed_once && !group->refused && !group->stale && !group->leaving &&
           str_empty(group->list_error) && str_empty(group->provider_error);
}

static const struct group *find_starting(const struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->n_groups; i++)
        if (group_starts(supervisor->groups[i]))
            return supervisor->groups[i];
    return NULL;
}

const char *web_process_state(const struct supervisor *supervisor)
{
    if (supervisor->stopping)
        return "forceful-shutdown";
    if (supervisor->draining)
        return "graceful-shutdown";
    return find_starting(supervisor) || strangers_awaited(supervisor) ? "starting" : "running";
}

/* Why none may; false = they may. */
static bool say_why(const struct supervisor *supervisor, struct buf *out)
{
    const struct group *group = find_starting(supervisor);

    if (supervisor->stopping)
        buf_add_str(out, "the manager is stopping");
    else if (supervisor->draining)
        buf_add_str(out, "the manager takes no new jobs and stops once those that run have ended");
    else if (strangers_awaited(supervisor))
        buf_add_str(
            out,
            "the ledger was lost: workers of jobs that run are waited for, at most 10 minutes");
    else if (supervisor->disk_short)
        buf_add_str(
            out,
            "the disk that holds the state directory is full: no job is asked for until 8 MiB are "
            "free there");
    else if (supervisor->descriptors_short)
        buf_add_str(out,
                    "too few file descriptors are left: no job is asked for until more are free");
    else if (group)
        buf_addf(out, "the manager starts: the instances of runner '%s' have not been listed yet",
                 group->runner->name);
    else
        return false;
    return true;
}

void web_answer_live(void *arg, struct web_request *request)
{
    (void) arg;
    web_answer_text(request, 200, "live");
}

void web_answer_ready(void *arg, struct web_request *request)
{
    autobuf struct buf why = BUF_INIT;

    if (say_why(arg, &why))
        web_answer_text(request, 503, "%s", buf_str(&why));
    else
        web_answer_text(request, 200, "ready");
}

void web_answer_process_state(void *arg, struct web_request *request)
{
    web_answer_text(request, 200, "%s", web_process_state(arg));
}
