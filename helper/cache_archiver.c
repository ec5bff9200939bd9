/* helper/cache_archiver.c - the command `cache-archiver`: packs a cache where its last archive is older
 * than its files, keeps it here, and sends it to the store (job-execution.md 5.6, 7.3). */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/choice.h"
#include "helper/commands.h"
#include "helper/http.h"
#include "helper/say.h"
#include "helper/stream.h"

#define NS_PER_S INT64_C(1000000000)

struct archiver {
    const char *file, *alternate_file, *format, *level;
    int64_t max_size;
};
static const struct option archiver_options[] = {
    OPTION("file", NULL, OPTION_TEXT, archiver, file, "the archive; required"),
    OPTION("alternate-file", NULL, OPTION_TEXT, archiver, alternate_file,
           "its former name: renamed where --file is not there"),
    OPTION("compression-format", "CACHE_COMPRESSION_FORMAT", OPTION_TEXT, archiver, format,
           "zip, zipzstd or tarzstd (zip)"),
    OPTION("compression-level", "CACHE_COMPRESSION_LEVEL", OPTION_TEXT, archiver, level,
           "fastest, fast, default, slow or slowest"),
    OPTION("max-uploaded-archive-size", "CACHE_MAX_UPLOADED_ARCHIVE_SIZE", OPTION_NUMBER, archiver,
           max_size, "larger archives are only kept here; 0 = no limit"),
    { 0 }
};

static const struct option object_options[] = {
    OPTION("url", NULL, OPTION_TEXT, cache_object, url, "signed URL for PUT"),
    OPTION("header", NULL, OPTION_LIST, cache_object, headers, "\"Key: value\"; repeatable"),
    OPTION("check-url", NULL, OPTION_TEXT, cache_object, head_url, "signed URL for HEAD"),
    OPTION("gocloud-url", NULL, OPTION_TEXT, cache_object, gocloud_url, CACHE_GOCLOUD_HELP),
    OPTION("metadata", "CACHE_METADATA", OPTION_TEXT, cache_object, metadata,
           "a JSON object that is kept with the cache"),
    { 0 }
};

static void take_alternate(const struct archiver *archiver)
{
    int64_t modified;

    if (str_empty(archiver->alternate_file) || cache_file_modified(archiver->file, &modified))
        return;
    if (rename(archiver->alternate_file, archiver->file) < 0 && errno != ENOENT)
        say(SAY_WARNING, "'%s' can't be renamed to '%s': %s", archiver->alternate_file,
            archiver->file, strerror(errno));
}

static bool is_up_to_date(const struct archiver *archiver, const struct choice *choice)
{
    struct stat st;

    if (lstat(archiver->file, &st) < 0)
        return false;
    return selection_newest_ns(choice->selection, choice->root_fd) <=
           st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
}

static void read_format(const struct archiver *archiver, struct pack_request *request)
{
    if (pack_format_parse(archiver->format, &request->format) < 0 ||
        request->format == FORMAT_GZIP || request->format == FORMAT_RAW)
        request->format = FORMAT_ZIP; /* another name is no reason to have no cache */
    if (pack_level_parse(archiver->level, &request->level) < 0)
        say(SAY_WARNING, "compression level \"%s\" is invalid, falling back to default",
            archiver->level);
}

/* Under another name first: who reads the old archive meanwhile keeps it whole. */
static int make_archive(const struct archiver *archiver, const struct choice *choice,
                        struct error *err)
{
    struct pack_request request = { .root_fd = choice->root_fd, .selection = choice->selection };
    autofree char *name = NULL;
    autoclose int fd = -1;
    struct pack_sink sink;
    int r;

    read_format(archiver, &request);
    if (cache_make_folders(archiver->file, err) < 0 ||
        cache_temporary(archiver->file, "archive_", &name, &fd, err) < 0)
        return err->code;
    sink = pack_sink_fd(&fd);
    r = pack_write(&request, &sink, &say_report, NULL, err);
    if (r == 0 && rename(name, archiver->file) < 0)
        r = error_errno(err, -errno, "'%s'", archiver->file);
    if (r < 0)
        (void) unlink(name);
    return r;
}

static int write_metadata(const struct archiver *archiver, const char *metadata, struct error *err)
{
    autofree char *copy = mem_strdup(archiver->file);
    autoclose int dir = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    const char *text = str_empty(metadata) ? "{}" : metadata;

    if (dir < 0)
        return error_errno(err, copy ? -errno : -ENOMEM, "metadata.json beside '%s'",
                           archiver->file);
    return fs_replace_file(dir, "metadata.json", text, strlen(text), 0600, err);
}

static int check_metadata(struct cache_object *object)
{
    autojson json_t *json = NULL;
    struct error err = { 0 };

    if (str_empty(object->metadata))
        object->metadata = env_file_get(object->environment, "CACHE_METADATA");
    if (str_empty(object->metadata))
        return 0;
    if (json_parse(object->metadata, strlen(object->metadata), &json, &err) < 0 ||
        !json_object_is_type(json, json_type_object))
        return -say_fatal("--metadata must be a JSON object");
    return 0;
}

static bool is_too_big(const struct archiver *archiver)
{
    struct stat st;

    if (archiver->max_size <= 0 || stat(archiver->file, &st) < 0 ||
        st.st_size <= archiver->max_size)
        return false;
    say(SAY_INFO,
        "Cache archive size (%" PRId64 ") is too big (Limit is set to %" PRId64
        "). Cache will be stored only locally.",
        (int64_t) st.st_size, archiver->max_size);
    return true;
}

/* `made` tells the manager that there is something new: an old archive may be in the store already. */
static int send_through_stream(const struct archiver *archiver, bool made)
{
    autoclose int fd = open(archiver->file, O_RDONLY | O_CLOEXEC);
    autojson json_t *line = json_object_new_object();
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !line)
        return say_fatal("'%s': %s", archiver->file, strerror(errno));
    if (json_add_i64(line, "size", st.st_size) < 0 ||
        json_add_i64(line, "modified", st.st_mtim.tv_sec) < 0 ||
        json_add_bool(line, "made", made) < 0 || stream_send_line(take_ptr(line)) < 0 ||
        stream_send_file(fd, st.st_size) < 0)
        return say_fatal("nobody takes the archive");
    return 0;
}

static int send_to_store(const struct archiver *archiver, const struct cache_object *object,
                         struct cache_transfer *transfer, bool made)
{
    int64_t modified;
    struct error err = { 0 };

    if (!made && http_look_at_cache(object, cache_transfer_timeout_ms(transfer), &modified) == 0) {
        say(SAY_INFO, "Primary cache already exists remotely, skipping upload");
        return 0;
    }
    if (http_upload_cache(object, transfer, archiver->file, &err) < 0)
        return say_fatal("%s", err.message);
    return 0;
}

static int send(const struct archiver *archiver, const struct cache_object *object,
                struct cache_transfer *transfer, bool made)
{
    if (stream_is_on() ? !stream_has_store() : !cache_object_is_given(object)) {
        say(SAY_INFO, "No URL provided, cache will not be uploaded to shared cache server. "
                      "Cache will be stored only locally.");
        return 0;
    }
    if (is_too_big(archiver))
        return 0;
    return stream_is_on() ? send_through_stream(archiver, made)
                          : send_to_store(archiver, object, transfer, made);
}

static int keep(const struct archiver *archiver, const struct choice *choice,
                const struct cache_object *object, struct cache_transfer *transfer)
{
    struct error err = { 0 };
    bool made;

    take_alternate(archiver);
    made = !is_up_to_date(archiver, choice);
    if (!made)
        say(SAY_INFO, "Archive is up to date!");
    else if (make_archive(archiver, choice, &err) < 0 ||
             write_metadata(archiver, object->metadata, &err) < 0)
        return say_fatal("%s", err.message);
    /* Without another name there is no doubt that the store has it, too. */
    if (!made &&
        (str_empty(archiver->alternate_file) || str_eq(archiver->alternate_file, archiver->file)))
        return 0;
    return send(archiver, object, transfer, made);
}

int run_cache_archiver(int argc, char **argv)
{
    struct archiver archiver = { 0 };
    struct cache_object object = { 0 };
    struct cache_transfer transfer = CACHE_TRANSFER_DEFAULT;
    auto_choice struct choice choice = CHOICE_INIT;
    auto_env_file struct env_file environment = { 0 };
    autobuf struct buf more = { .secret = true, .max = CACHE_OPTIONS_MAX };
    auto_options const struct option_set sets[] = { { archiver_options, &archiver },
                                                    { object_options, &object },
                                                    { choice_options, &choice },
                                                    { cache_transfer_options, &transfer },
                                                    { retry_options, &transfer.retry },
                                                    { meter_options, &transfer.meter },
                                                    { 0 } };
    enum options_next next = options_read(sets, argc, argv, NULL);

    if (next != OPTIONS_RUN)
        return next == OPTIONS_HELP_SHOWN ? 0 : 1;
    if (transfer.options_stdin && options_read_stdin(sets, argv[0], &more) < 0)
        return 1;
    if (str_empty(archiver.file))
        return say_fatal("Missing --file");
    if (cache_transfer_begin(&transfer, &environment) < 0)
        return 1;
    object.environment = &environment;
    transfer.meter.label = "Uploading cache";
    if (check_metadata(&object) < 0 || choice_make(&choice) < 0)
        return 1;
    if (choice.selection->n_paths == 0) {
        say(SAY_WARNING, "No files to cache.");
        return 0;
    }
    return keep(&archiver, &choice, &object, &transfer);
}
