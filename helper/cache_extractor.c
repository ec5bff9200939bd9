/* helper/cache_extractor.c - the command `cache-extractor`: brings a cache's archive where the store has a
 * newer one, and unpacks it (job-execution.md 5.5, 7.4). */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/commands.h"
#include "helper/extract.h"
#include "helper/http.h"
#include "helper/say.h"
#include "helper/stream.h"

struct extractor {
    const char *file;
    struct cache_object primary, alternate;
};
static const struct option extractor_options[] = {
    OPTION("file", NULL, OPTION_TEXT, extractor, file, "the archive; required"),
    OPTION("url", NULL, OPTION_TEXT, extractor, primary.url, "signed URL for GET"),
    OPTION("head-url", NULL, OPTION_TEXT, extractor, primary.head_url, "signed URL for HEAD"),
    OPTION("header", NULL, OPTION_LIST, extractor, primary.headers, "\"Key: value\"; repeatable"),
    OPTION("gocloud-url", NULL, OPTION_TEXT, extractor, primary.gocloud_url, CACHE_GOCLOUD_HELP),
    OPTION("alternate-url", NULL, OPTION_TEXT, extractor, alternate.url,
           "of the object's former name"),
    OPTION("alternate-head-url", NULL, OPTION_TEXT, extractor, alternate.head_url, "the same"),
    OPTION("alternate-gocloud-url", NULL, OPTION_TEXT, extractor, alternate.gocloud_url,
           "the same"),
    { 0 }
};

/* The object that was modified last; where that can't be said, the primary one. */
static const struct cache_object *newest(const struct extractor *extractor, int64_t timeout_ms)
{
    int64_t of_primary = 0, of_alternate = 0;
    int r;

    if (!cache_object_is_given(&extractor->alternate))
        return &extractor->primary;
    r = http_look_at_cache(&extractor->primary, timeout_ms, &of_primary);
    if ((r < 0 && r != -ENOENT) ||
        http_look_at_cache(&extractor->alternate, timeout_ms, &of_alternate) < 0)
        return &extractor->primary;
    return r == -ENOENT || of_alternate > of_primary ? &extractor->alternate : &extractor->primary;
}

/* The exit status; a miss is a warning, as the peer has it. */
static int download(const struct extractor *extractor, struct cache_transfer *transfer)
{
    const struct cache_object *object = newest(extractor, cache_transfer_timeout_ms(transfer));
    struct error err = { 0 };
    int r;

    if (cache_make_folders(extractor->file, &err) < 0) {
        say(SAY_WARNING, "%s", err.message);
        return 1;
    }
    r = http_download_cache(object, transfer, extractor->file, &err);
    if (r == 0 || (r == -ENOENT && str_empty(object->url)))
        return 0; /* a store asked by its own protocol may lack what is here */
    say(SAY_WARNING, "%s", err.message);
    return 1;
}

/* Nothing at all on stdin leaves the archive that is here. */
static int receive(const char *file, struct error *err)
{
    autofree char *name = NULL;
    autoclose int fd = -1;
    int64_t n;

    if (cache_make_folders(file, err) < 0 || cache_temporary(file, "cache", &name, &fd, err) < 0)
        return err->code;
    n = stream_receive(fd);
    if (n > 0 && rename(name, file) == 0)
        return 0;
    if (n > 0)
        n = -errno;
    (void) unlink(name);
    return n < 0 ? error_errno(err, (int) n, "'%s'", file) : 0;
}

static int fetch(const struct extractor *extractor, struct cache_transfer *transfer)
{
    struct error err = { 0 };

    if (stream_is_on())
        return receive(extractor->file, &err) < 0 ? say_fatal("%s", err.message) : 0;
    if (cache_object_is_given(&extractor->primary))
        return download(extractor, transfer);
    say(SAY_INFO, "No URL provided, cache will not be downloaded from shared cache server. "
                  "Instead a local version of cache will be extracted.");
    return 0;
}

static int extract(const char *file)
{
    autoclose int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        say(SAY_WARNING, "Cache file does not exist");
        return 1;
    }
    if (fd < 0)
        return say_fatal("'%s': %s", file, strerror(errno));
    return extract_here(fd);
}

int run_cache_extractor(int argc, char **argv)
{
    struct extractor extractor = { 0 };
    struct cache_transfer transfer = CACHE_TRANSFER_DEFAULT;
    auto_env_file struct env_file environment = { 0 };
    autobuf struct buf more = { .secret = true, .max = CACHE_OPTIONS_MAX };
    auto_options const struct option_set sets[] = { { extractor_options, &extractor },
                                                    { cache_transfer_options, &transfer },
                                                    { retry_options, &transfer.retry },
                                                    { meter_options, &transfer.meter },
                                                    { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    if (transfer.options_stdin && options_read_stdin(sets, argv[0], &more) < 0)
        return 1;
    if (str_empty(extractor.file)) {
        say(SAY_WARNING, "Missing cache file");
        return 1;
    }
    if (cache_transfer_begin(&transfer, &environment) < 0)
        return 1;
    extractor.primary.environment = extractor.alternate.environment = &environment;
    transfer.meter.label = "Downloading cache";
    if (fetch(&extractor, &transfer) != 0)
        return 1;
    return extract(extractor.file);
}
