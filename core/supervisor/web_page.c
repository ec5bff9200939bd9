/* core/supervisor/web_page.c - what the routes of the status page answer (web_page.h). */
#include "core/supervisor/web_page.h"

#include <errno.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/supervisor/explain.h"

static struct web_events_time time_of(const struct supervisor *supervisor)
{
    return (struct web_events_time) { now_mono(supervisor), now_wall(supervisor) };
}

void web_page_events(void *arg, struct web_request *request)
{
    struct supervisor *supervisor = arg;

    web_events_watch(supervisor->page->events, request, time_of(supervisor));
}

void web_page_log(void *arg, struct web_request *request)
{
    struct supervisor *supervisor = arg;

    web_logs_open(supervisor->page->logs, request);
}

/* Of the query; `initial` when it is not there, or is no number. */
static int64_t query_number(const struct web_request *request, const char *name, int64_t initial)
{
    int64_t value = initial;
    char text[32];

    if (web_query(request, name, text, sizeof(text)))
        (void) parse_i64(text, 0, INT64_MAX, &value);
    return value;
}

void web_page_history(void *arg, struct web_request *request)
{
    struct supervisor *supervisor = arg;
    autobuf struct buf body = BUF_INIT;

    web_history_format(supervisor->page->history, query_number(request, "after", 0), &body);
    web_answer(request, 200, "application/json", &body);
}

/* Why a job waits, or how it is doing. */
void web_page_explain(void *arg, struct web_request *request)
{
    struct supervisor *supervisor = arg;
    const struct job *job = job_find(supervisor, query_number(request, "seq", 0));
    autojson json_t *answer = json_object_new_object(), *lines = json_object_new_array();
    autobuf struct buf body = BUF_INIT;

    if (job && lines)
        explain_job(job, lines);
    (void) json_add(answer, "lines", take_ptr(lines));
    buf_add_str(&body, json_text(answer));
    web_answer(request, 200, "application/json", &body);
}

void web_page_lead(void *arg, struct web_request *request)
{
    (void) arg;
    web_add_header(request, "location", "/status/");
    web_answer_text(request, 303, "the status page is at /status/");
}

int web_page_start(struct supervisor *supervisor, struct error *err)
{
    struct web_page *page = supervisor->page = mem_zero(sizeof(*page));

    if (page) {
        page->history = web_history_new(supervisor->state_fd, now_wall(supervisor));
        page->events = web_events_new(web_status_fill, supervisor, supervisor->rng);
        page->logs = web_logs_new(supervisor);
    }
    if (!page || !page->history || !page->events || !page->logs)
        return error_set(err, -ENOMEM, "status page: out of memory");
    return 0;
}

void web_page_turn(struct supervisor *supervisor)
{
    web_history_turn(supervisor->page->history, supervisor);
    web_events_turn(supervisor->page->events, time_of(supervisor));
}

void web_page_stop(struct supervisor *supervisor)
{
    struct web_page *page = take_ptr(supervisor->page);

    if (!page)
        return;
    web_events_free(page->events);
    web_history_free(page->history);
    web_logs_close(page->logs);
    free(page);
}
