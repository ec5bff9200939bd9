/* tests/unit/exec/ci_dump.c - see ci_dump.h. */
#include "tests/unit/exec/ci_dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/str.h"

static void dump_lines(struct buf *out, const char *what, const struct ci_lines *lines)
{
    if (lines->count == 0)
        return;
    buf_addf(out, " %s[", what);
    for (size_t i = 0; i < lines->count; i++)
        buf_addf(out, "%s%s", i > 0 ? "|" : "", lines->items[i]);
    buf_add_char(out, ']');
}

static void dump_variables(struct buf *out, const struct ci_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++)
        buf_addf(out, " %s%s%s", variables->items[i].key, variables->items[i].raw ? ":=" : "=",
                 variables->items[i].value);
}

static void dump_retry(struct buf *out, const struct ci_retry *retry)
{
    if (retry->max == 0)
        return;
    buf_addf(out, " retry=%u", retry->max);
    dump_lines(out, "retry-on", &retry->reasons);
    for (size_t i = 0; i < retry->exit_codes.count; i++)
        buf_addf(out, " retry-exit-%d", retry->exit_codes.items[i]);
}

static void dump_artifacts(struct buf *out, const struct ci_artifacts *artifacts)
{
    for (size_t i = 0; i < artifacts->count; i++) {
        const struct ci_artifact *entry = &artifacts->items[i];

        buf_addf(out, " keeps %s as %s of %s", entry->type->name, entry->name ? entry->name : "-",
                 entry->type->format);
        dump_lines(out, "paths", &entry->paths);
        dump_lines(out, "but", &entry->exclude);
        buf_addf(out, "%s %s%s%s", entry->untracked ? " untracked" : "", entry->when,
                 entry->expire_in ? " for " : "", entry->expire_in ? entry->expire_in : "");
    }
}

static void dump_caches(struct buf *out, const struct ci_caches *caches)
{
    for (size_t i = 0; i < caches->count; i++) {
        const struct ci_cache *cache = &caches->items[i];

        buf_addf(out, " cache %s", cache->key);
        dump_lines(out, "paths", &cache->paths);
        dump_lines(out, "else", &cache->fallback_keys);
        buf_addf(out, "%s %s %s", cache->untracked ? " untracked" : "", cache->when,
                 cache->policy ? cache->policy : "-");
    }
}

static bool same(const struct ci_lines *a, const struct ci_lines *b)
{
    bool equal = a->count == b->count;

    for (size_t i = 0; equal && i < a->count; i++)
        equal = str_eq(a->items[i], b->items[i]);
    return equal;
}

/* Jobs that others need give them their artifacts, unless it is written otherwise. */
static void dump_picked(struct buf *out, const struct ci_job *job)
{
    if (!job->picks || (job->has_needs && same(&job->needs, &job->picked)))
        return;
    if (job->picked.count == 0)
        buf_add_str(out, " from[]");
    dump_lines(out, "from", &job->picked);
}

static void dump_job(struct buf *out, const struct ci_config *config, const struct ci_job *job)
{
    static const char *const whens[] = { "", " on-failure", " always", " manual" };

    buf_addf(out, "%s@%s", job->name, config->stages[job->stage]);
    dump_lines(out, "before", &job->before_script);
    dump_lines(out, "script", &job->script);
    dump_lines(out, "after", &job->after_script);
    dump_lines(out, "hook", &job->pre_get_sources);
    dump_variables(out, &job->variables);
    if (!job->inherits_all && job->inherits.count == 0)
        buf_add_str(out, " inherits-none");
    dump_lines(out, "inherits", &job->inherits);
    if (job->has_needs && job->needs.count == 0)
        buf_add_str(out, " needs[]");
    dump_lines(out, "needs", &job->needs);
    dump_picked(out, job);
    dump_artifacts(out, &job->artifacts);
    dump_caches(out, &job->caches);
    buf_add_str(out, whens[job->when]);
    if (job->allow_failure)
        buf_add_str(out, " may-fail");
    for (size_t k = 0; k < job->allow_exit_codes.count; k++)
        buf_addf(out, " may-exit-%d", job->allow_exit_codes.items[k]);
    dump_retry(out, &job->retry);
    if (job->timeout_s > 0)
        buf_addf(out, " timeout=%d", (int) job->timeout_s);
    if (job->node_total > 0)
        buf_addf(out, " node=%u/%u", job->node_index, job->node_total);
    buf_add_char(out, '\n');
}

void ci_dump(struct buf *out, const struct ci_config *config)
{
    if (config->never)
        buf_add_str(out, "never\n");
    if (config->variables.count > 0) {
        buf_add_str(out, "global");
        dump_variables(out, &config->variables);
        buf_add_char(out, '\n');
    }
    for (size_t i = 0; i < config->n_jobs; i++)
        dump_job(out, config, &config->jobs[i]);
}

void ci_dump_findings(struct buf *out, const struct config_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        buf_addf(out, "%s%s\n", findings->items[i].severity == CONFIG_ERROR ? "E " : "W ",
                 findings->items[i].text);
}

void ci_dump_expect(const char *why, const char *text, const struct ci_context *context,
                    const char *want)
{
    auto_ptr(ci_config_free) struct ci_config *config = NULL;
    struct config_findings findings = { 0 };
    autobuf struct buf got = BUF_INIT;
    int r = ci_config_parse("f", text, strlen(text), NULL, context, &config, &findings, NULL);

    ci_dump_findings(&got, &findings);
    config_findings_done(&findings);
    if ((r == 0) != (config != NULL))
        fail_msg("%s: %d", why, r);
    if (config)
        ci_dump(&got, config);
    if (!str_eq(buf_str(&got), want))
        fail_msg("%s: got\n%swanted\n%s", why, buf_str(&got), want);
}
