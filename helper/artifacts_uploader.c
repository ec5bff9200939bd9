/* helper/artifacts_uploader.c - the command `artifacts-uploader`: packs what a job has made and brings it
 * to GitLab (job-execution.md 6, 7.1). */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/host.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/provenance.h"
#include "helper/choice.h"
#include "helper/commands.h"
#include "helper/gitlab.h"
#include "helper/http.h"
#include "helper/say.h"
#include "helper/stream.h"

struct uploader {
    const char *name, *expire_in, *format, *type, *level;
    int64_t timeout_ms, response_timeout_ms;
    bool debug, with_provenance;
};
static const struct option uploader_options[] = {
    OPTION("name", NULL, OPTION_TEXT, uploader, name, "of the archive (artifacts)"),
    OPTION("expire-in", NULL, OPTION_TEXT, uploader, expire_in, "when GitLab may delete it"),
    OPTION("artifact-format", NULL, OPTION_TEXT, uploader, format,
           "zip, zipzstd, tarzstd, gzip or raw (zip)"),
    OPTION("artifact-type", NULL, OPTION_TEXT, uploader, type, "archive, junit, dotenv..."),
    OPTION("compression-level", "ARTIFACT_COMPRESSION_LEVEL", OPTION_TEXT, uploader, level,
           "fastest, fast, default, slow or slowest"),
    OPTION("timeout", NULL, OPTION_DURATION, uploader, timeout_ms, "for the whole upload (1h)"),
    OPTION("response-header-timeout", NULL, OPTION_DURATION, uploader, response_timeout_ms,
           "for the answer to it (10m)"),
    OPTION("ci-debug-trace", "CI_DEBUG_TRACE", OPTION_FLAG, uploader, debug,
           "say what the server answers"),
    OPTION("generate-artifacts-metadata", NULL, OPTION_FLAG, uploader, with_provenance,
           "add NAME-metadata.json, which says how they were made"),
    { 0 }
};

static const struct option provenance_options[] = {
    OPTION("runner-id", NULL, OPTION_NUMBER, provenance, runner_id, "for the metadata"),
    OPTION("repo-url", NULL, OPTION_TEXT, provenance, repo_url, "for the metadata"),
    OPTION("repo-digest", NULL, OPTION_TEXT, provenance, repo_digest, "for the metadata"),
    OPTION("job-name", NULL, OPTION_TEXT, provenance, job_name, "for the metadata"),
    OPTION("executor-name", NULL, OPTION_TEXT, provenance, executor_name, "for the metadata"),
    OPTION("runner-name", NULL, OPTION_TEXT, provenance, runner_name, "for the metadata"),
    OPTION("started-at", NULL, OPTION_TEXT, provenance, started_at, "for the metadata"),
    OPTION("ended-at", NULL, OPTION_TEXT, provenance, ended_at, "for the metadata"),
    OPTION("schema-version", NULL, OPTION_TEXT, provenance, schema_version, "for the metadata"),
    { 0 }
};

struct parameters {
    struct option_list names;
};
static const struct option parameter_options[] = {
    OPTION("metadata-parameter", NULL, OPTION_LIST, parameters, names,
           "the name of a variable, for the metadata; repeatable"),
    { 0 }
};

/* The caller frees. */
static char *expand_name(const char *name)
{
    struct error err = { 0 };
    char *expanded = NULL;

    if (expand_text(name, &expand_environment, &expanded, &err) < 0) {
        say(SAY_WARNING, "invalid artifact name: %s", err.message);
        expanded = mem_strdup(name);
    }
    return expanded;
}

/* The last component of the name, with what tells the format; the caller frees. */
static char *file_name_of(const char *name, enum pack_format format)
{
    autofree char *copy = mem_strdup(name);
    const char *base = copy ? basename(copy) : NULL;

    if (!base)
        return NULL;
    if (str_empty(name) || str_eq(base, "."))
        base = "default";
    return mem_printf("%s%s", base, pack_format_suffix(format));
}

static int read_format(const struct uploader *uploader, struct pack_request *request)
{
    if (pack_format_parse(uploader->format, &request->format) < 0)
        return -say_fatal("unsupported archive format: %s", uploader->format);
    if (pack_level_parse(uploader->level, &request->level) < 0)
        say(SAY_WARNING, "compression level \"%s\" is invalid, falling back to default",
            uploader->level);
    return 0;
}

static int check_gitlab(struct gitlab *gitlab)
{
    if (stream_is_on())
        return 0;
    if (gitlab_take_token(gitlab) < 0)
        return -EINVAL;
    if (str_empty(gitlab->url) || str_empty(gitlab->token))
        return -say_fatal("Missing runner credentials");
    return gitlab->job_id > 0 ? 0 : -say_fatal("Missing build ID");
}

static int add_provenance(struct provenance *provenance, const struct parameters *parameters,
                          const struct gitlab *gitlab, const char *name, struct choice *choice)
{
    struct error err = { 0 };

    provenance->artifact_name = name;
    provenance->server_url = gitlab->url;
    provenance->job_id = gitlab->job_id;
    provenance->runner_version = FLOTILLA_VERSION;
    provenance->architecture = host_architecture();
    provenance->parameters = parameters->names.items;
    provenance->n_parameters = parameters->names.n;
    say(SAY_INFO, "Generating artifacts statement");
    if (provenance_write(provenance, choice->root_fd, choice->selection, &err) < 0)
        return -say_fatal("%s", err.message);
    return 0;
}

static int send_through_stream(const char *file_name, const struct pack_request *request)
{
    const int out = STDOUT_FILENO;
    const struct pack_sink sink = pack_sink_fd(&out);
    autojson json_t *line = json_object_new_object();
    struct error err = { 0 };

    if (!line || json_add_str(line, "file_name", file_name) < 0)
        return say_fatal("out of memory");
    if (stream_send_line(take_ptr(line)) < 0)
        return say_fatal("nobody takes the archive");
    if (pack_write(request, &sink, &say_report, NULL, &err) < 0)
        return say_fatal("%s", err.message);
    return 0;
}

static int send(const struct uploader *uploader, const struct gitlab *gitlab, const char *name,
                const struct choice *choice, struct meter *meter)
{
    struct pack_request request = { .root_fd = choice->root_fd, .selection = choice->selection };
    auto_packed struct packed packed = PACKED_INIT(request);
    autofree char *file_name = NULL;

    if (read_format(uploader, &request) < 0)
        return 1;
    file_name = file_name_of(name, request.format);
    if (!file_name)
        return say_fatal("out of memory");
    if (stream_is_on())
        return send_through_stream(file_name, &request);
    packed.request = request;
    return http_upload_artifacts(
        &(struct artifacts_form) { .gitlab = gitlab,
                                   .file_name = file_name,
                                   .format = uploader->format,
                                   .type = uploader->type,
                                   .expire_in = uploader->expire_in,
                                   .timeout_ms = uploader->timeout_ms,
                                   .response_timeout_ms = uploader->response_timeout_ms,
                                   .debug = uploader->debug },
        &packed, meter);
}

int run_artifacts_uploader(int argc, char **argv)
{
    struct uploader uploader = { .name = "artifacts" };
    struct gitlab gitlab = { 0 };
    auto_choice struct choice choice = CHOICE_INIT;
    struct provenance provenance = { .schema_version = "v1" };
    struct parameters parameters = { 0 };
    struct meter meter = { .label = "Uploading artifacts", .total = -1 };
    auto_options const struct option_set sets[] = { { gitlab_options, &gitlab },
                                                    { choice_options, &choice },
                                                    { uploader_options, &uploader },
                                                    { meter_options, &meter },
                                                    { provenance_options, &provenance },
                                                    { parameter_options, &parameters },
                                                    { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);
    autofree char *name = NULL;

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    name = expand_name(uploader.name);
    if (!name || check_gitlab(&gitlab) < 0 || choice_make(&choice) < 0)
        return 1;
    if (uploader.with_provenance &&
        add_provenance(&provenance, &parameters, &gitlab, name, &choice) < 0)
        return 1;
    if (choice.selection->n_paths == 0) {
        say(SAY_ERROR, "No files to upload");
        return 0;
    }
    return send(&uploader, &gitlab, name, &choice, &meter);
}
