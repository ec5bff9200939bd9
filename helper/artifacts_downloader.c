/* helper/artifacts_downloader.c - the command `artifacts-downloader`: brings the artifacts of a job that
 * ours depends on (job-execution.md 6.4, 7.2). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/extract.h"
#include "helper/gitlab.h"
#include "helper/http.h"
#include "helper/say.h"
#include "helper/stream.h"

struct downloader {
    bool direct;
    const char *staging_dir;
};
static const struct option downloader_options[] = {
    OPTION("direct-download", "FF_USE_DIRECT_DOWNLOAD", OPTION_FLAG, downloader, direct,
           "fetch from GitLab's object storage where it allows that"),
    OPTION("archiver-staging-dir", "ARCHIVER_STAGING_DIR", OPTION_TEXT, downloader, staging_dir,
           "where the archive lies until it is unpacked"),
    { 0 }
};

static int check_gitlab(struct gitlab *gitlab)
{
    if (stream_is_on())
        return 0;
    if (gitlab_take_token(gitlab) < 0)
        return -EINVAL;
    if (str_empty(gitlab->url))
        say(SAY_WARNING, "Missing URL (--url)");
    if (str_empty(gitlab->token))
        say(SAY_WARNING, "Missing runner credentials (--token)");
    if (gitlab->job_id <= 0)
        say(SAY_WARNING, "Missing build ID (--id)");
    if (str_empty(gitlab->url) || str_empty(gitlab->token) || gitlab->job_id <= 0)
        return -say_fatal("Incomplete arguments");
    return 0;
}

/* A file without a name: nothing is left of it, however we end. */
static int open_staging_file(const char *dir, struct error *err)
{
    const char *system = getenv("TMPDIR");
    autofree char *name = NULL;
    int fd;

    if (str_empty(dir))
        dir = str_empty(system) ? "/tmp" : system;
    name = mem_printf("%s/artifactsXXXXXX", dir);
    fd = name ? mkostemp(name, O_CLOEXEC) : -1;
    if (fd < 0)
        return error_errno(err, name ? -errno : -ENOMEM, "a file for the archive in '%s'", dir);
    (void) unlink(name);
    return fd;
}

static int download(const struct gitlab *gitlab, const struct downloader *downloader,
                    const struct retry *retry, struct meter *meter, int fd)
{
    int64_t n;

    if (!stream_is_on())
        return http_download_artifacts(&(struct artifacts_fetch) { .gitlab = gitlab,
                                                                   .direct = downloader->direct,
                                                                   .retry = *retry },
                                       fd, meter);
    n = stream_receive(fd);
    return n < 0 ? say_fatal("the archive cannot be stored: %s", strerror((int) -n)) : 0;
}

int run_artifacts_downloader(int argc, char **argv)
{
    struct gitlab gitlab = { 0 };
    struct downloader downloader = { 0 };
    struct retry retry = RETRY_DEFAULT;
    struct meter meter = { .label = "Downloading artifacts", .total = -1 };
    auto_options const struct option_set sets[] = { { gitlab_options, &gitlab },
                                                    { downloader_options, &downloader },
                                                    { retry_options, &retry },
                                                    { meter_options, &meter },
                                                    { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);
    autoclose int fd = -1;
    struct error err = { 0 };

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    if (check_gitlab(&gitlab) < 0)
        return 1;
    fd = open_staging_file(downloader.staging_dir, &err);
    if (fd < 0)
        return say_fatal("%s", err.message);
    if (download(&gitlab, &downloader, &retry, &meter, fd) != 0)
        return 1;
    return extract_here(fd);
}
