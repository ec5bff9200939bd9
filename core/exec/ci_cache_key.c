/* core/exec/ci_cache_key.c - a text, or one made of files: GitLab joins a prefix and the SHA-1 of what the
 * files are in the commit (`files`) or of the last commits that changed them (`files_commits`), sorted,
 * each once. Files that are not there count as nothing; all of them missing gives "default". */
#include "core/exec/ci_cache_key.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/glob.h"
#include "core/base/mem.h"
#include "core/base/str.h"

#define KEY_DEFAULT "default"
#define FILES_MAX 10    /* of one key; GitLab takes 2 unless it is told otherwise */
#define COMMITS_MAX 200 /* git is asked for each */

void ci_cache_key_check(struct ci_reading *reading, const char *name, const char *keyword,
                        const struct yaml_value *value)
{
    const char *text = yaml_scalar(value);
    autobuf struct buf subject = BUF_INIT;

    if (text && (strchr(text, '/') || str_eq(text, ".") || str_eq(text, "..")))
        yaml_finding(&reading->doc, CONFIG_ERROR, value, "%s can't be '%s': no '/', '.' or '..'",
                     ci_subject(&subject, name, keyword), text);
}

/* Ids of the snapshot's files, one for each of context->files. */
static bool have_ids(struct ci_reading *reading)
{
    const struct ci_context *context = reading->context;

    if (!context || !context->ids)
        return false;
    if (reading->ids.count == 0 && context->ids(context->arg, &reading->ids) == -ENOMEM)
        reading->doc.out_of_memory = true;
    return reading->ids.count == context->files.count;
}

static void add_contents(struct ci_reading *reading, const char *pattern, struct ci_lines *ret)
{
    const struct ci_lines *files = reading->context ? &reading->context->files : NULL;
    bool is_pattern = strchr(pattern, '*') != NULL;

    if (!have_ids(reading))
        return;
    for (size_t i = 0; i < files->count; i++) {
        const char *file = files->items[i];

        if (is_pattern ? glob_match(pattern, file, GLOB_FOLDERS) : str_eq(pattern, file))
            ci_append(reading, ret, reading->ids.items[i]);
    }
}

/* The commit, "" when there is none; NULL when no more are looked for. */
static const char *last_commit(struct ci_reading *reading, const struct yaml_value *place,
                               const char *path)
{
    const struct ci_context *context = reading->context;
    const struct ci_variable *known = ci_variables_find(&reading->commits, path);
    autobuf struct buf commit = BUF_INIT;

    if (known)
        return known->value;
    if (reading->commits.count >= COMMITS_MAX) {
        yaml_exhaust(&reading->doc);
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "keys of caches ask for the commits of more than %d files", COMMITS_MAX);
        return NULL;
    }
    if (context && context->last_commit)
        context->last_commit(context->arg, path, &commit);
    if (buf_error(&commit) || ci_variables_add(&reading->commits, path, buf_str(&commit), true) < 0)
        reading->doc.out_of_memory = true;
    known = ci_variables_find(&reading->commits, path);
    return known ? known->value : NULL;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void add_digest(struct buf *out, struct ci_lines *ids)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    char hex[2 * SHA_DIGEST_LENGTH + 1];
    autobuf struct buf joined = BUF_INIT;

    if (ids->count == 0) {
        buf_add_str(out, KEY_DEFAULT);
        return;
    }
    qsort(ids->items, ids->count, sizeof(*ids->items), by_text);
    for (size_t i = 0; i < ids->count; i++)
        if (i == 0 || !str_eq(ids->items[i], ids->items[i - 1]))
            buf_addf(&joined, "%s%s", i > 0 ? "-" : "", ids->items[i]);
    (void) SHA1((const unsigned char *) buf_str(&joined), joined.len, digest);
    hex_encode(hex, digest, sizeof(digest));
    buf_add_str(out, hex);
    buf_inherit_error(out, &joined);
}

/* Adds what the files come to. */
static void add_files(struct ci_reading *reading, const char *name, const struct yaml_pair *pair,
                      struct buf *out)
{
    bool commits = str_eq(pair->key, "files_commits");
    struct ci_lines files = { 0 }, ids = { 0 };

    ci_read_lines(reading, name, pair->key, pair->value, &files);
    if (files.count == 0 || files.count > FILES_MAX)
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->value, "'%s' must have 1 to %d files",
                     pair->key, FILES_MAX);
    for (size_t i = 0; i < MIN(files.count, (size_t) FILES_MAX); i++) {
        const char *file = files.items[i] + strspn(files.items[i], "/"), *commit;

        if (!commits) {
            add_contents(reading, file, &ids);
        } else {
            commit = last_commit(reading, pair->value, file);
            if (!str_empty(commit))
                ci_append(reading, &ids, commit);
        }
    }
    add_digest(out, &ids);
    ci_lines_done(&files);
    ci_lines_done(&ids);
}

static void read_mapping(struct ci_reading *reading, const char *name,
                         const struct yaml_value *value, size_t index, struct buf *out)
{
    const struct yaml_value *prefix = yaml_get(value, "prefix");
    const struct yaml_pair *files = yaml_map_find(&value->map, "files");
    const struct yaml_pair *commits = yaml_map_find(&value->map, "files_commits");

    for (size_t i = 0; i < value->map.count; i++)
        (void) ci_keyword_known(reading, CI_PLACE_CACHE_KEY, name, &value->map.items[i]);
    if (!files == !commits) {
        ci_wrong_kind(reading, name, "key", value,
                      "a string, or a mapping with either 'files' or 'files_commits'");
        return;
    }
    if (prefix && !yaml_scalar(prefix))
        ci_wrong_kind(reading, name, "prefix", prefix, "a string");
    else if (prefix)
        ci_cache_key_check(reading, name, "prefix", prefix);
    if (prefix && yaml_scalar(prefix))
        buf_addf(out, "%s%s", yaml_scalar(prefix), *yaml_scalar(prefix) ? "-" : "");
    else
        buf_addf(out, "%zu-", index);
    add_files(reading, name, files ? files : commits, out);
}

void ci_cache_key_read(struct ci_reading *reading, const char *name, const struct yaml_value *value,
                       size_t index, char **ret)
{
    autobuf struct buf key = BUF_INIT;

    if (value && value->kind == YAML_KIND_MAPPING) {
        read_mapping(reading, name, value, index, &key);
    } else if (value && !yaml_scalar(value)) {
        ci_wrong_kind(reading, name, "key", value, "a string or a mapping with 'files'");
    } else {
        buf_add_str(&key, value ? yaml_scalar(value) : KEY_DEFAULT);
        if (value)
            ci_cache_key_check(reading, name, "key", value);
    }
    *ret = buf_take(&key);
    reading->doc.out_of_memory |= !*ret;
}
