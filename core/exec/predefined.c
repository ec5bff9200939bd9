/* core/exec/predefined.c - two tables of names and values; what has no value is left out. */
#include "core/exec/predefined.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/str.h"

#define SLUG_MAX 63

struct named {
    const char *key, *value;
};

static int add_all(struct ci_variables *ret, const struct named *table, size_t count)
{
    int r = 0;

    for (size_t i = 0; i < count && r == 0; i++)
        if (table[i].value)
            r = ci_variables_add(ret, table[i].key, table[i].value, true);
    return r;
}

/* GitLab's slug: lower case, what is no letter or digit becomes '-', 63 bytes, no '-' at the ends.
 */
static void add_slug(struct buf *out, const char *text)
{
    for (const char *c = text; *c && out->len < SLUG_MAX; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        bool upper = *c >= 'A' && *c <= 'Z';
        char slug = '-';

        if (letter)
            slug = *c;
        else if (upper)
            slug = (char) (*c - 'A' + 'a');
        if (slug != '-' || out->len > 0)
            buf_add_char(out, slug);
    }
    while (out->len > 0 && out->data[out->len - 1] == '-')
        out->data[--out->len] = '\0';
}

/* What follows the first line and an empty one. */
static const char *description_of(const char *message)
{
    const char *newline = message ? strchr(message, '\n') : NULL;

    return newline ? newline + strspn(newline, "\n") : message ? "" : NULL;
}

/* The source is a push: that is what the local state is tried out for. */
int predefined_of_pipeline(const struct payload_pipeline *pipeline, struct ci_variables *ret)
{
    char short_sha[9], pipeline_text[24], project_text[24];
    autobuf struct buf slug = BUF_INIT, path_slug = BUF_INIT, title = BUF_INIT;
    int r;

    (void) snprintf(short_sha, sizeof(short_sha), "%.8s", pipeline->sha);
    (void) snprintf(pipeline_text, sizeof(pipeline_text), "%" PRId64, pipeline->id);
    (void) snprintf(project_text, sizeof(project_text), "%" PRId64, pipeline->project_id);
    add_slug(&slug, pipeline->ref);
    add_slug(&path_slug, pipeline->project_path);
    if (pipeline->message)
        buf_add(&title, pipeline->message, strcspn(pipeline->message, "\n"));
    const struct named table[] = {
        { "CI", "true" },
        { "GITLAB_CI", "true" },
        { "CI_SERVER", "yes" },
        { "CI_SERVER_NAME", "flotilla exec" },
        { "CI_PIPELINE_ID", pipeline_text },
        { "CI_PIPELINE_IID", pipeline_text },
        { "CI_PIPELINE_SOURCE", "push" },
        { "CI_PIPELINE_CREATED_AT", pipeline->created_at },
        { "CI_CONFIG_PATH", pipeline->config_path },
        { "CI_PROJECT_ID", project_text },
        { "CI_PROJECT_NAME", pipeline->project_name },
        { "CI_PROJECT_TITLE", pipeline->project_name },
        { "CI_PROJECT_PATH", pipeline->project_path },
        { "CI_PROJECT_PATH_SLUG", buf_str(&path_slug) },
        { "CI_PROJECT_NAMESPACE", pipeline->project_namespace },
        { "CI_PROJECT_ROOT_NAMESPACE", pipeline->project_namespace },
        { "CI_PROJECT_VISIBILITY", "private" },
        { "CI_DEFAULT_BRANCH", pipeline->default_branch },
        { "CI_COMMIT_SHA", pipeline->sha },
        { "CI_COMMIT_SHORT_SHA", short_sha },
        { "CI_COMMIT_BEFORE_SHA", pipeline->before_sha },
        { "CI_COMMIT_REF_NAME", pipeline->ref },
        { "CI_COMMIT_REF_SLUG", buf_str(&slug) },
        { "CI_COMMIT_REF_PROTECTED", "false" },
        { "CI_COMMIT_BRANCH", pipeline->branch },
        { "CI_COMMIT_TAG", pipeline->tag },
        { "CI_COMMIT_MESSAGE", pipeline->message },
        { "CI_COMMIT_TITLE", pipeline->message ? buf_str(&title) : NULL },
        { "CI_COMMIT_DESCRIPTION", description_of(pipeline->message) },
        { "CI_COMMIT_AUTHOR", pipeline->author },
        { "CI_COMMIT_TIMESTAMP", pipeline->timestamp },
        { "CI_REPOSITORY_URL", pipeline->repo_url },
        { "GITLAB_USER_NAME", pipeline->user_name },
        { "GITLAB_USER_EMAIL", pipeline->user_email },
    };

    r = add_all(ret, table, ARRAY_LEN(table));
    return buf_error(&slug) || buf_error(&path_slug) || buf_error(&title) ? -ENOMEM : r;
}

int predefined_of_job(const char *stage, const struct ci_job *job, int64_t job_id,
                      struct ci_variables *ret)
{
    char job_text[24], index[16], total[16];
    autobuf struct buf slug = BUF_INIT;
    int r;

    (void) snprintf(job_text, sizeof(job_text), "%" PRId64, job_id);
    (void) snprintf(index, sizeof(index), "%u", job->node_index);
    (void) snprintf(total, sizeof(total), "%u", MAX(job->node_total, 1U));
    add_slug(&slug, job->name);
    const struct named table[] = {
        { "CI_JOB_ID", job_id > 0 ? job_text : NULL },
        { "CI_JOB_NAME", job->name },
        { "CI_JOB_NAME_SLUG", buf_str(&slug) },
        { "CI_JOB_GROUP_NAME", job->base },
        { "CI_JOB_STAGE", stage },
        { "CI_JOB_MANUAL", job->when == CI_WHEN_MANUAL ? "true" : NULL },
        { "CI_NODE_INDEX", job->node_index > 0 ? index : NULL },
        { "CI_NODE_TOTAL", total },
        /* A person reads along; the file may switch it on again. */
        { "FF_TIMESTAMPS", "false" },
    };

    r = add_all(ret, table, ARRAY_LEN(table));
    return buf_error(&slug) ? -ENOMEM : r;
}
