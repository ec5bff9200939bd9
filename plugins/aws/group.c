/* group.c - one look at the Auto Scaling group: its numbers, its members, the epoch that it carries. */

#include "aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/xml.h"

#define PAGES_MAX 1000
#define MEMBERS_MAX 10000

int compare_members(const void *a, const void *b)
{
    return strcmp(((const struct aws_member *) a)->id, ((const struct aws_member *) b)->id);
}

const struct aws_member *find_member(const struct aws_member *members, size_t n, const char *id)
{
    struct aws_member key = { 0 };

    if (n == 0 || (size_t) snprintf(key.id, sizeof(key.id), "%s", id) >= sizeof(key.id))
        return NULL;
    return bsearch(&key, members, n, sizeof(*members), compare_members);
}

void aws_view_done(struct aws_view *view)
{
    free(view->members);
    xmlFreeDoc(view->doc);
    *view = (struct aws_view) { 0 };
}

static int32_t unreadable(struct flt_group *g, const char *error)
{
    return aws_fail(g, FLT_E_INTERNAL, 0, "the answer of AWS cannot be read: %s", error);
}

/* One that is cut off or has other signs in it would be another's, or nobody's. */
static bool is_id(const char *id)
{
    size_t len = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

    return len > 0 && len < AWS_ID_MAX && !id[len];
}

static int32_t read_member(struct flt_group *g, xmlNodePtr node, struct aws_view *view)
{
    struct aws_member *member = &view->members[view->n];
    const char *id, *state, *health = "Healthy", *type = "";
    char error[FLT_ERROR_MAX];
    int protected = 0;

    if (flt_xml_need_text(node, "InstanceId", &id, error) < 0 ||
        flt_xml_need_text(node, "LifecycleState", &state, error) < 0 ||
        flt_xml_opt_text(node, "HealthStatus", &health, error) < 0 ||
        flt_xml_opt_text(node, "InstanceType", &type, error) < 0 ||
        flt_xml_opt_bool(node, "ProtectedFromScaleIn", &protected, error) < 0)
        return unreadable(g, error);
    if (!is_id(id))
        return unreadable(g, "an InstanceId in an unknown form");
    *member = (struct aws_member) { .protected = protected };
    (void) snprintf(member->id, sizeof(member->id), "%s", id);
    (void) snprintf(member->type, sizeof(member->type), "%s", type);
    view->n += lifecycle_read(state, strcasecmp(health, "Unhealthy") != 0, member);
    return FLT_OK;
}

static int32_t read_members(struct flt_group *g, xmlNodePtr group, struct aws_view *view)
{
    xmlNodePtr list = flt_xml_find(group, "Instances");
    int32_t code = FLT_OK;
    size_t n = view->n;
    void *grown;

    if (!list)
        return unreadable(g, "Instances is missing");
    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));)
        n++;
    if (n == 0)
        return FLT_OK;
    if (n > MEMBERS_MAX)
        return aws_fail(g, FLT_E_INTERNAL, 0, "the group has more than %d instances", MEMBERS_MAX);
    grown = realloc(view->members, n * sizeof(*view->members));
    if (!grown)
        return aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
    view->members = grown;
    for (xmlNodePtr at = NULL; code == FLT_OK && (at = flt_xml_next(list, "member", at));)
        code = read_member(g, at, view);
    return code;
}

/* In order, each once: pages may overlap when the group changes between them. */
static void settle_members(struct aws_view *view)
{
    size_t kept = 0;

    if (view->n > 0)
        qsort(view->members, view->n, sizeof(*view->members), compare_members);
    for (size_t i = 0; i < view->n; i++) {
        if (kept > 0 && compare_members(&view->members[i], &view->members[kept - 1]) == 0)
            continue;
        view->counted += view->members[i].counts;
        view->members[kept++] = view->members[i];
    }
    view->n = kept;
}

static int32_t read_group(struct flt_group *g, xmlNodePtr group, struct aws_view *view)
{
    char error[FLT_ERROR_MAX];
    const char *arn;

    if (flt_xml_need_text(group, "AutoScalingGroupARN", &arn, error) < 0 ||
        flt_xml_need_i64(group, "MinSize", 0, INT32_MAX, &view->min, error) < 0 ||
        flt_xml_need_i64(group, "MaxSize", 0, INT32_MAX, &view->max, error) < 0 ||
        flt_xml_need_i64(group, "DesiredCapacity", 0, INT32_MAX, &view->desired, error) < 0)
        return unreadable(g, error);
    (void) snprintf(view->arn, sizeof(view->arn), "%s", arn);
    view->group = group;
    epoch_read(group, view);
    return FLT_OK;
}

/* The element of our group; NULL when this page has none. */
static xmlNodePtr find_group(struct flt_group *g, xmlDocPtr doc)
{
    xmlNodePtr list =
        flt_xml_find(flt_xml_root(doc), "DescribeAutoScalingGroupsResult/AutoScalingGroups");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "member", at));) {
        const char *name = flt_xml_text(at, "AutoScalingGroupName");

        if (name && strcmp(name, g->options.name) == 0)
            return at;
    }
    return NULL;
}

static int32_t ask_page(struct flt_group *g, const char *token, xmlDocPtr *ret)
{
    struct flt_aws_param params[] = {
        { "AutoScalingGroupNames.member.1", g->options.name },
        { "NextToken", token },
    };
    struct aws_ask ask = { .service = "autoscaling",
                           .action = "DescribeAutoScalingGroups",
                           .params = params,
                           .n_params = token ? 2 : 1,
                           .repeatable = true };
    struct flt_aws_error error;
    int32_t code = aws_ask(g, &ask, ret, &error);

    return code == FLT_OK ? FLT_OK : aws_refused(g, code, &error);
}

/* Takes the page in and gives the token of the next, "" = that was the last. */
static int32_t take_page(struct flt_group *g, xmlDocPtr doc, struct aws_view *view, char *token,
                         size_t size)
{
    const char *next = flt_xml_text(flt_xml_root(doc), "DescribeAutoScalingGroupsResult/NextToken");
    xmlNodePtr group = find_group(g, doc);
    int32_t code = FLT_OK;

    if (group && !view->group)
        code = read_group(g, group, view);
    if (group && code == FLT_OK)
        code = read_members(g, group, view);
    if (code == FLT_OK && next && strlen(next) >= size)
        code = unreadable(g, "a NextToken that is too long");
    if (code == FLT_OK && next && *next && strcmp(next, token) == 0)
        code = unreadable(g, "a NextToken that leads to itself");
    if (code != FLT_OK)
        return code;
    (void) snprintf(token, size, "%s", next ? next : "");
    return FLT_OK;
}

static int32_t look(struct flt_group *g, struct aws_view *view)
{
    char token[4096] = "";
    int32_t code = FLT_OK;
    size_t page = 0;

    do {
        xmlDocPtr doc = NULL;

        code = ask_page(g, page > 0 ? token : NULL, &doc);
        if (code == FLT_OK)
            code = take_page(g, doc, view, token, sizeof(token));
        if (view->group && !view->doc)
            view->doc = doc; /* view->group is part of it */
        else
            xmlFreeDoc(doc);
    } while (code == FLT_OK && *token && ++page < PAGES_MAX);
    if (code == FLT_OK && *token)
        code = unreadable(g, "pages without end");
    if (code == FLT_OK && !view->group)
        code = aws_fail(g, FLT_E_NOT_FOUND, 0,
                        "there is no Auto Scaling group '%.64s' in region %s for these "
                        "credentials: check plugin_config.name, the region and the account",
                        g->options.name, g->region);
    return code;
}

void group_release(struct flt_group *g, const char *id)
{
    const struct aws_member *member = find_member(g->members, g->n_members, id);

    if (member)
        g->members[member - g->members].released = true;
}

/* What is known of members over their looks. One that goes of its own accord is asked about at once (activities.c). */
static void carry_over(struct flt_group *g, struct aws_member *members, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct aws_member *before = find_member(g->members, g->n_members, members[i].id);
        bool goes = members[i].state == FLT_STATE_DELETING;

        members[i].released =
            before && g->members_at_ms != 0 ? before->released : goes && g->members_at_ms == 0;
        if (goes && !members[i].released && !(before && before->state == FLT_STATE_DELETING))
            g->signals_at_ms = 0;
    }
}

/* Who was not there at the last look is a fruit of an order, as far as there are any. */
void group_note_members(struct flt_group *g, const struct aws_view *view)
{
    struct aws_member *copy = view->n > 0 ? malloc(view->n * sizeof(*copy)) : NULL;
    uint32_t fresh = 0;
    bool changed;

    if (view->n > 0 && !copy)
        return;
    for (size_t i = 0; i < view->n; i++)
        fresh +=
            view->members[i].counts && !find_member(g->members, g->n_members, view->members[i].id);
    if (copy) {
        memcpy(copy, view->members, view->n * sizeof(*copy));
        carry_over(g, copy, view->n);
    }
    free(g->members);
    g->members = copy;
    g->n_members = view->n;
    g->members_at_ms = flt_monotonic_ms();
    pause_end(&g->look_pause);
    changed = orders_answered(&g->orders, g->answer_sent);
    changed |= orders_appeared(&g->orders, fresh, flt_monotonic_ms());
    /* Where that fails, the next change of an order writes this one, too. */
    if (changed)
        (void) orders_store(g);
}

int32_t group_look(struct flt_group *g, struct aws_view *view)
{
    int32_t code;

    *view = (struct aws_view) { 0 };
    code = look(g, view);
    settle_members(view);
    if (code == FLT_OK && !g->opening) /* provider.c has to read the orders first */
        group_note_members(g, view);
    if (code != FLT_OK && view->group && code != FLT_E_CANCELLED && code != FLT_E_TIMEOUT)
        code = FLT_E_PARTIAL; /* why was said */
    return code;
}
