/* signals.c - what AWS is going to take: spot instances that are interrupted, instances with scheduled events, members
 * that fail a health check, instances that the group itself takes out, and growth that fails (activities.c).
 *
 * The host asks before each list; AWS is asked every 15 s, after a failure less and less often, and what it said is
 * told again in between: the rate of requests is one for the whole account. */

#include "aws.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/xml.h"

#define LOOK_EVERY_MS 15000
#define PAGES_MAX 100
#define TOKEN_MAX 4096

/* A question about the whole account, narrowed by a filter, and how an item of its answer is read. */
struct survey {
    const char *action, *list;
    enum aws_right right;
    struct flt_aws_param params[8];
    size_t n_params;
    void (*take)(struct flt_group *g, xmlNodePtr item, struct flt_signal_list *ret);
};

static bool is_ours(const struct flt_group *g, const char *id)
{
    return find_member(g->members, g->n_members, id) != NULL;
}

/* "[Completed] ..." and "[Canceled] ..." are told on for a week. */
static void take_events(struct flt_group *g, xmlNodePtr item, struct flt_signal_list *ret)
{
    xmlNodePtr events = flt_xml_find(item, "eventsSet");
    const char *id = text_at(item, "instanceId");
    char text[512];

    for (xmlNodePtr at = NULL; is_ours(g, id) && (at = flt_xml_next(events, "item", at));) {
        const char *what = text_at(at, "description");

        if (strncmp(what, "[Completed]", 11) == 0 || strncmp(what, "[Canceled]", 10) == 0)
            continue;
        (void) snprintf(text, sizeof(text), "scheduled event %s: %s", text_at(at, "code"), what);
        flt_signal_list_add(ret, id, time_here(g, text_at(at, "notBefore")), text);
    }
}

/* AWS gives two minutes from when it marked the request. */
static void take_spot(struct flt_group *g, xmlNodePtr item, struct flt_signal_list *ret)
{
    int64_t marked_ms = time_here(g, text_at(item, "status/updateTime"));
    const char *id = text_at(item, "instanceId");
    char text[512];

    if (!is_ours(g, id))
        return;
    (void) snprintf(text, sizeof(text), "spot interruption: %s",
                    *text_at(item, "status/message") ? text_at(item, "status/message")
                                                     : text_at(item, "status/code"));
    flt_signal_list_add(ret, id, marked_ms ? marked_ms + 120000 : 0, text);
}

static const struct survey surveys[] = {
    { .action = "DescribeInstanceStatus",
      .list = "instanceStatusSet",
      .right = AWS_RIGHT_STATUS,
      .params = { { "Filter.1.Name", "event.code" },
                  { "Filter.1.Value.1", "instance-reboot" },
                  { "Filter.1.Value.2", "system-reboot" },
                  { "Filter.1.Value.3", "system-maintenance" },
                  { "Filter.1.Value.4", "instance-retirement" },
                  { "Filter.1.Value.5", "instance-stop" } },
      .n_params = 6,
      .take = take_events },
    { .action = "DescribeSpotInstanceRequests",
      .list = "spotInstanceRequestSet",
      .right = AWS_RIGHT_SPOT,
      .params = { { "Filter.1.Name", "status-code" },
                  { "Filter.1.Value.1", "marked-for-termination" },
                  { "Filter.1.Value.2", "marked-for-stop" } },
      .n_params = 3,
      .take = take_spot },
};

/* One page; `token` becomes that of the next, "" = that was the last. */
static int32_t ask_page(struct flt_group *g, const struct survey *survey, char token[TOKEN_MAX],
                        struct flt_signal_list *ret)
{
    struct flt_aws_param params[COUNT(survey->params) + 1];
    struct aws_ask ask = { .service = "ec2",
                           .action = survey->action,
                           .params = params,
                           .n_params = survey->n_params,
                           .repeatable = true };
    struct flt_aws_error error;
    xmlDocPtr doc = NULL;
    int32_t code;

    memcpy(params, survey->params, sizeof(survey->params));
    if (*token)
        params[ask.n_params++] = (struct flt_aws_param) { "NextToken", token };
    code = aws_ask(g, &ask, &doc, &error);
    token[0] = '\0';
    if (aws_is_denied(code, &error)) {
        aws_note_denied(g, survey->right, &error);
        return FLT_OK;
    }
    if (code != FLT_OK)
        return aws_refused(g, code, &error);
    for (xmlNodePtr list = flt_xml_find(flt_xml_root(doc), survey->list), at = NULL;
         (at = flt_xml_next(list, "item", at));)
        survey->take(g, at, ret);
    (void) snprintf(token, TOKEN_MAX, "%s", text_at(flt_xml_root(doc), "nextToken"));
    xmlFreeDoc(doc);
    return FLT_OK;
}

static int32_t run_survey(struct flt_group *g, const struct survey *survey,
                          struct flt_signal_list *ret)
{
    char token[TOKEN_MAX] = "";
    int32_t code = FLT_OK;
    size_t page = 0;

    if (g->denied[survey->right])
        return FLT_OK;
    do
        code = ask_page(g, survey, token, ret);
    while (code == FLT_OK && *token && ++page < PAGES_MAX);
    return code;
}

static bool is_told(const struct flt_signal_list *signals, const char *id)
{
    for (size_t i = 0; i < signals->n; i++)
        if (strcmp(signals->items[i].id, id) == 0)
            return true;
    return false;
}

/* Those of the last list: it came a moment ago, or comes at once. */
static void add_members(const struct flt_group *g, struct flt_signal_list *ret)
{
    for (size_t i = 0; i < g->n_members; i++) {
        const struct aws_member *member = &g->members[i];

        /* Also one that never came up: as FLT_STATE_TIMEOUT the host would take it for gone, and it would stay. */
        if (member->trouble &&
            (member->state == FLT_STATE_RUNNING || member->state == FLT_STATE_CREATING))
            flt_signal_list_add(ret, member->id, 0, member->trouble);
        if (member->state == FLT_STATE_DELETING && !member->released &&
            !is_told(&g->signals, member->id))
            flt_signal_list_add(ret, member->id, 0, "AWS takes it out of the group");
    }
}

static int32_t look(struct flt_group *g, struct flt_signal_list *ret)
{
    int32_t code = activities_read(g, ret), first = code;

    if (code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT)
        code = refresh_look(g);
    if (first == FLT_OK)
        first = code;
    for (size_t i = 0; i < COUNT(surveys) && code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT;
         i++) {
        code = run_survey(g, &surveys[i], ret);
        if (first == FLT_OK)
            first = code;
    }
    return first;
}

int32_t signals_try(struct flt_group *g)
{
    struct flt_signal_list none = { 0 };
    int32_t code = look(g, &none);

    flt_signal_list_done(&none);
    return code;
}

/* Looks where it is time to. The host asks on at its own pace meanwhile: it learns of unhealthy members all the same. */
static int32_t look_in_time(struct flt_group *g)
{
    struct flt_signal_list fresh = { 0 };
    int64_t now_ms = flt_monotonic_ms();
    int32_t code;

    if (pause_lasts(&g->signals_pause, now_ms))
        return aws_fail(g, FLT_E_PARTIAL, 0, "%s", g->signals_pause.failure.text);
    if (g->signals_at_ms != 0 && now_ms - g->signals_at_ms < LOOK_EVERY_MS)
        return FLT_OK;
    g->failure = (struct aws_failure) { .text = "AWS did not answer in time" };
    code = look(g, &fresh);
    g->signals_at_ms = code == FLT_OK ? flt_monotonic_ms() : 0;
    if (code == FLT_OK)
        pause_end(&g->signals_pause);
    else if (code != FLT_E_CANCELLED)
        pause_begin(&g->signals_pause, &g->failure, flt_monotonic_ms());
    if (code == FLT_E_CANCELLED || code == FLT_E_TIMEOUT) {
        flt_signal_list_done(&fresh); /* what was heard before is told on */
        return code;
    }
    flt_signal_list_done(&g->signals);
    g->signals = fresh;
    return code == FLT_OK ? FLT_OK : aws_fail(g, FLT_E_PARTIAL, 0, "%s", g->failure.text);
}

/* What could be heard is told also when something could not. */
int32_t signals_emit(struct flt_group *g, flt_signal_sink sink, void *arg)
{
    struct flt_signal_list of_members = { 0 };
    int32_t code = flt_call_ended(g->host, g->call), emitted;

    if (code == FLT_OK)
        code = look_in_time(g);
    if (code != FLT_OK && code != FLT_E_PARTIAL)
        return code;
    add_members(g, &of_members);
    emitted = flt_signal_list_emit(&g->signals, sink, arg);
    if (emitted == FLT_OK)
        emitted = flt_signal_list_emit(&of_members, sink, arg);
    flt_signal_list_done(&of_members);
    return emitted == FLT_OK ? code : emitted;
}
