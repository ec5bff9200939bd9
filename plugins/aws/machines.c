/* machines.c - what EC2 says of the instances that are asked about. Of a group that boots each is asked about every few
 * seconds, and the rate of requests is one for the whole account: so one question is for all that boot, and its answer
 * holds for a moment. */

#include "aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/xml.h"

#define FRESH_MS 2000
#define AT_ONCE 100 /* half of what a filter may name */
#define PAGES_MAX 10
#define TOKEN_MAX 4096
#define NAME_SIZE 40

static struct aws_machine *find(const struct flt_group *g, const char *id)
{
    for (size_t i = 0; i < g->n_machines; i++)
        if (strcmp(g->machines[i].id, id) == 0)
            return &g->machines[i];
    return NULL;
}

static struct aws_machine *find_or_add(struct flt_group *g, const char *id)
{
    struct aws_machine *machine = find(g, id), *grown;

    if (machine)
        return machine;
    grown = realloc(g->machines, (g->n_machines + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    g->machines = grown;
    machine = &grown[g->n_machines++];
    *machine = (struct aws_machine) { .doc = NULL };
    (void) snprintf(machine->id, sizeof(machine->id), "%s", id);
    return machine;
}

static bool is_fresh(const struct aws_machine *machine)
{
    return machine && machine->described_ms != 0 &&
           flt_monotonic_ms() - machine->described_ms < FRESH_MS;
}

/* Descriptions that hold no more, and all that is known of instances that are gone. */
static void drop_old(struct flt_group *g)
{
    bool crowded = g->n_machines > 2 * g->n_members + 16;
    size_t kept = 0;

    for (size_t i = 0; i < g->n_machines; i++) {
        struct aws_machine *machine = &g->machines[i];

        if (!is_fresh(machine)) {
            xmlFreeDoc(machine->doc);
            machine->doc = NULL;
        }
        if (crowded && !machine->doc && !find_member(g->members, g->n_members, machine->id))
            continue;
        g->machines[kept++] = *machine;
    }
    g->n_machines = kept;
}

/* Who is asked about at once: the one that is wanted, and members that nobody was told how to reach. */
struct batch {
    const char *ids[AT_ONCE];
    size_t n;
};

static void add_others(const struct flt_group *g, struct batch *batch)
{
    for (size_t i = 0; i < g->n_members && batch->n < AT_ONCE; i++) {
        const struct aws_member *member = &g->members[i];
        const struct aws_machine *machine = find(g, member->id);

        if (member->state != FLT_STATE_DELETING && strcmp(member->id, batch->ids[0]) != 0 &&
            (!machine || !machine->reached) && !is_fresh(machine))
            batch->ids[batch->n++] = member->id;
    }
}

static void take_instance(struct flt_group *g, xmlNodePtr node)
{
    struct aws_machine *machine = find(g, text_at(node, "instanceId"));
    xmlNodePtr copy;

    if (!machine || machine->doc)
        return;
    machine->doc = xmlNewDoc(BAD_CAST "1.0");
    copy = machine->doc ? xmlDocCopyNode(node, machine->doc, 1) : NULL;
    if (copy)
        (void) xmlDocSetRootElement(machine->doc, copy);
}

static void take_page(struct flt_group *g, xmlDocPtr doc)
{
    xmlNodePtr list = flt_xml_find(flt_xml_root(doc), "reservationSet");

    for (xmlNodePtr at = NULL; (at = flt_xml_next(list, "item", at));) {
        xmlNodePtr instances = flt_xml_find(at, "instancesSet");

        for (xmlNodePtr node = NULL; (node = flt_xml_next(instances, "item", node));)
            take_instance(g, node);
    }
}

/* By a filter: one that EC2 does not know yet would fail a question that names all of them. */
static size_t fill_params(const struct batch *batch, char names[AT_ONCE][NAME_SIZE],
                          struct flt_aws_param params[AT_ONCE + 2])
{
    params[0] = (struct flt_aws_param) { "Filter.1.Name", "instance-id" };
    for (size_t i = 0; i < batch->n; i++) {
        (void) snprintf(names[i], sizeof(names[i]), "Filter.1.Value.%zu", i + 1);
        params[i + 1] = (struct flt_aws_param) { names[i], batch->ids[i] };
    }
    return batch->n + 1;
}

static int32_t ask_pages(struct flt_group *g, const struct batch *batch)
{
    char names[AT_ONCE][NAME_SIZE], token[TOKEN_MAX] = "";
    struct flt_aws_param params[AT_ONCE + 2];
    size_t n = fill_params(batch, names, params), page = 0;
    int32_t code;

    params[n] = (struct flt_aws_param) { "NextToken", token };
    do {
        struct aws_ask ask = { .service = "ec2",
                               .action = "DescribeInstances",
                               .params = params,
                               .n_params = n + (*token != '\0'),
                               .repeatable = true };
        struct flt_aws_error error;
        xmlDocPtr doc = NULL;

        code = aws_ask(g, &ask, &doc, &error);
        if (code != FLT_OK)
            return aws_refused(g, code, &error);
        take_page(g, doc);
        (void) snprintf(token, sizeof(token), "%s", text_at(flt_xml_root(doc), "nextToken"));
        xmlFreeDoc(doc);
    } while (*token && ++page < PAGES_MAX);
    return FLT_OK;
}

static int32_t describe(struct flt_group *g, const char *id)
{
    struct batch batch = { .ids = { id }, .n = 1 };
    int32_t code;

    add_others(g, &batch);
    for (size_t i = 0; i < batch.n; i++)
        if (!find_or_add(g, batch.ids[i]))
            return aws_fail(g, FLT_E_INTERNAL, 0, "out of memory");
    code = ask_pages(g, &batch);
    for (size_t i = 0; i < batch.n; i++)
        find(g, batch.ids[i])->described_ms = code == FLT_OK ? flt_monotonic_ms() : 0;
    return code;
}

int32_t machines_ask(struct flt_group *g, const char *id, struct aws_machine **ret)
{
    int32_t code = FLT_OK;

    *ret = NULL;
    if (strlen(id) >= AWS_ID_MAX)
        return aws_fail(g, FLT_E_NOT_FOUND, 0, "'%.64s...' is no instance's id", id);
    if (!is_fresh(find(g, id))) {
        drop_old(g);
        code = describe(g, id);
    }
    *ret = code == FLT_OK ? find(g, id) : NULL;
    return code;
}

void machines_free(struct flt_group *g)
{
    for (size_t i = 0; i < g->n_machines; i++)
        xmlFreeDoc(g->machines[i].doc);
    free(g->machines);
}
