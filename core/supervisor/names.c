/* core/supervisor/names.c - finds what an operator means by a name (names.h): never by guessing. */
#include "core/supervisor/names.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/nearest.h"
#include "core/base/str.h"

#define NAME_MAX_BYTES 1024 /* an id has 255 bytes, a runner's name may be long */

struct operator_name name_parse(const char *word)
{
    static const struct {
        const char *prefix;
        enum named_kind kind;
    } kinds[] = { { "runner:", NAMED_RUNNER },
                  { "instance:", NAMED_INSTANCE },
                  { "job:", NAMED_JOB } };

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (str_starts(word, kinds[i].prefix) && word[strlen(kinds[i].prefix)])
            return (struct operator_name) { kinds[i].kind, word + strlen(kinds[i].prefix) };
    return (struct operator_name) { NAMED_ANY, word };
}

int64_t name_job_id(const struct operator_name *name)
{
    int64_t id = 0;

    if (name->kind == NAMED_ANY || name->kind == NAMED_JOB)
        (void) parse_i64(name->text, 1, INT64_MAX, &id);
    return id;
}

/* "NUMBER", or "RUNNER/NUMBER"; false when it is neither. */
static bool split_job(const struct operator_name *name, size_t *ret_runner_len, int64_t *ret_id)
{
    const char *slash = strrchr(name->text, '/'), *digits = slash ? slash + 1 : name->text;

    *ret_runner_len = slash ? (size_t) (slash - name->text) : 0;
    return (name->kind == NAMED_ANY || name->kind == NAMED_JOB) &&
           parse_i64(digits, 1, INT64_MAX, ret_id) == 0;
}

static bool is_named(const struct job *job, const char *text, size_t runner_len, int64_t id)
{
    const char *runner = job->group->runner->name;

    return job->job_id == id && (runner_len == 0 || (strlen(runner) == runner_len &&
                                                     strncmp(runner, text, runner_len) == 0));
}

int name_find_job(const struct supervisor *supervisor, const struct operator_name *name,
                  struct job **ret, int64_t *ret_id, struct error *err)
{
    size_t runner_len = 0;
    struct job *found = NULL;

    *ret_id = 0;
    if (!split_job(name, &runner_len, ret_id))
        return 0;
    for (struct job *job = supervisor->jobs; job; job = job->next) {
        if (!is_named(job, name->text, runner_len, *ret_id))
            continue;
        if (found)
            return error_set(err, -EINVAL,
                             "several jobs are numbered %" PRId64 "; say which, as in "
                             "job:%.80s/%" PRId64,
                             *ret_id, job->group->runner->name, *ret_id);
        found = job;
    }
    *ret = found;
    return found != NULL;
}

int name_of_request(json_t *request, bool needed, struct operator_name *ret, struct error *err)
{
    const char *word = NULL;
    int r = json_opt_str(request, "name", &word, err);

    *ret = (struct operator_name) { 0 };
    if (r < 0 || (!word && !needed))
        return r;
    if (str_empty(word) || strlen(word) > NAME_MAX_BYTES)
        return error_set(err, -EINVAL, "name: has to have 1 to %d bytes", NAME_MAX_BYTES);
    *ret = name_parse(word);
    return 0;
}

/* "ID", or "RUNNER/ID" where several runners have one of that id. */
static const struct fleet_instance *instance_of(const struct group *group, const char *text)
{
    const char *runner = group->runner->name;
    size_t len = strlen(runner);

    if (str_starts(text, runner) && text[len] == '/' && fleet_find(group->fleet, text + len + 1))
        return fleet_find(group->fleet, text + len + 1);
    return fleet_find(group->fleet, text);
}

struct matches {
    struct named runner, instance;
    unsigned runners, instances;
};

/* An entry that left goes on with its jobs beside another that has its name: it takes nothing over. */
static void match_runner(struct matches *matches, struct group *group)
{
    const struct group *before = matches->runner.group;

    if (before && group->leaving)
        return;
    if (before && before->leaving)
        matches->runners = 0;
    matches->runners++;
    matches->runner = (struct named) { group, NULL };
}

/* An entry that only sees another's instance is not asked about it while that one is there. */
static void match_instance(struct matches *matches, struct group *group, const char *text)
{
    const struct fleet_instance *instance = instance_of(group, text), *before;

    if (!instance)
        return;
    before = matches->instance.instance;
    if (before && instance->cause == CAUSE_FOREIGN)
        return;
    if (before && before->cause == CAUSE_FOREIGN)
        matches->instances = 0;
    matches->instances++;
    matches->instance = (struct named) { group, instance };
}

static struct matches match(struct supervisor *supervisor, const struct operator_name *name)
{
    struct matches matches = { 0 };

    for (size_t i = 0; i < supervisor->n_groups; i++) {
        struct group *group = supervisor->groups[i];

        if (name->kind != NAMED_INSTANCE && str_eq(group->runner->name, name->text))
            match_runner(&matches, group);
        if (name->kind != NAMED_RUNNER)
            match_instance(&matches, group, name->text);
    }
    return matches;
}

int name_unknown(const struct supervisor *supervisor, const struct operator_name *name,
                 const char *kinds, struct error *err)
{
    struct nearest nearest = nearest_to(name->text);

    for (size_t i = 0; i < supervisor->n_groups; i++) {
        const struct group *group = supervisor->groups[i];

        if (name->kind != NAMED_INSTANCE)
            nearest_try(&nearest, group->runner->name);
        for (size_t k = 0; name->kind != NAMED_RUNNER && k < fleet_instance_count(group->fleet);
             k++)
            nearest_try(&nearest, fleet_instance_at(group->fleet, k)->id);
    }
    if (nearest.found)
        return error_set(err, -ENOENT, "there is no %s '%.80s'; did you mean '%.80s'?", kinds,
                         name->text, nearest.found);
    return error_set(err, -ENOENT, "there is no %s '%.80s'; `flotilla fleet` lists them", kinds,
                     name->text);
}

int name_find(struct supervisor *supervisor, const struct operator_name *name, struct named *ret,
              struct error *err)
{
    struct matches matches = match(supervisor, name);

    if (matches.runners > 0 && matches.instances > 0)
        return error_set(err, -EINVAL,
                         "'%.60s' is a runner and an instance; say runner:%.60s or instance:%.60s",
                         name->text, name->text, name->text);
    if (matches.runners > 1)
        return error_set(err, -EINVAL,
                         "%u runners are named '%.80s'; give each a name of its own in the "
                         "configuration",
                         matches.runners, name->text);
    if (matches.instances > 1)
        return error_set(err, -EINVAL,
                         "%u runners have an instance '%.60s'; say which, as in "
                         "instance:%.60s/%.60s",
                         matches.instances, name->text, matches.instance.group->runner->name,
                         matches.instance.instance->id);
    if (matches.runners + matches.instances == 0)
        return name_unknown(supervisor, name,
                            name->kind == NAMED_RUNNER     ? "runner"
                            : name->kind == NAMED_INSTANCE ? "instance"
                                                           : "runner or instance",
                            err);
    *ret = matches.runners > 0 ? matches.runner : matches.instance;
    return 0;
}
