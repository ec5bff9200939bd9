/* core/exec/ci_include.c - included files are merged in their order, then the including file over
 * them; a file's own includes come first. Files that git does not track are not there for GitLab
 * either, so they are not read. */
#include "core/exec/ci_include.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fs.h"
#include "core/base/glob.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_rules.h"

#define FILES_MAX 150 /* as GitLab's */
#define LEVELS_MAX 20
#define FILE_MAX ((size_t) 2 << 20)

struct including {
    struct ci_reading *reading;
    const struct yaml_value *merged; /* NULL: nothing yet */
    int level;
};

static const struct yaml_value *resolve(struct ci_reading *reading, const struct yaml_value *root,
                                        int level);

/* Git tracks links, too, and what one of them names may lie anywhere. */
static bool leads_out(const char *top, const char *path)
{
    autofree char *file = mem_printf("%s/%s", top, path), *target = NULL, *inside = NULL;

    inside = realpath(top, NULL);
    target = file ? realpath(file, NULL) : NULL;
    return inside && target && !(str_starts(target, inside) && target[strlen(inside)] == '/');
}

static void add_file(struct including *including, const struct yaml_value *place, const char *path)
{
    struct ci_reading *reading = including->reading;
    autoclose int top = open(reading->context->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
    autobuf struct buf text = BUF_INIT;
    const struct yaml_value *root;
    struct error why = { 0 };

    if (reading->config->files.count >= FILES_MAX) {
        yaml_exhaust(&reading->doc);
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "more than %d files are included, or one includes itself", FILES_MAX);
        return;
    }
    ci_append(reading, &reading->config->files, path);
    if (leads_out(reading->context->top, path)) {
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "'include': '%s' is a link out of the repository", path);
        return;
    }
    if (fs_read_file(top, path, FILE_MAX, &text, &why) < 0) {
        yaml_finding(&reading->doc, CONFIG_ERROR, place, "'include' can't read this: %s",
                     why.message);
        return;
    }
    root = yaml_doc_load(&reading->doc, path, buf_str(&text), text.len);
    if (!root || root->kind == YAML_KIND_NULL)
        return;
    if (root->kind != YAML_KIND_MAPPING) {
        yaml_finding(&reading->doc, CONFIG_ERROR, root, "the file must be a mapping of jobs");
        return;
    }
    root = resolve(reading, root, including->level + 1);
    including->merged =
        including->merged ? yaml_merge(&reading->doc, including->merged, root) : root;
}

static void add_matching(struct including *including, const struct yaml_value *place,
                         const char *pattern)
{
    const struct ci_lines *files = &including->reading->context->files;
    size_t found = 0;

    for (size_t i = 0; i < files->count && !including->reading->doc.exhausted; i++)
        if (glob_match(pattern, files->items[i], GLOB_ANYTHING)) {
            add_file(including, place, files->items[i]);
            found++;
        }
    if (found == 0)
        yaml_finding(&including->reading->doc, CONFIG_ERROR, place,
                     "'include': git tracks no file that matches '%s'; git add it", pattern);
}

/* `place` holds the path as it is written. */
static void add_local(struct including *including, const struct yaml_value *place)
{
    struct ci_reading *reading = including->reading;
    const struct ci_scope scope = { .lists = { reading->context ? &reading->context->variables
                                                                : NULL } };
    autobuf struct buf written = BUF_INIT;
    const char *path;

    if (place->kind != YAML_KIND_STRING) {
        ci_wrong_kind(reading, NULL, "include", place, "the path of a file in the repository");
        return;
    }
    ci_expand(&written, &scope, place->text);
    reading->doc.out_of_memory |= buf_error(&written) != 0;
    path = buf_str(&written) + (*buf_str(&written) == '/');
    if (str_starts(path, "http://") || str_starts(path, "https://"))
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "'include' of a file from elsewhere is not supported: put it into the "
                     "repository and include it with 'local'");
    else if (!str_ends(path, ".yml") && !str_ends(path, ".yaml"))
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "'include' takes files whose names end in .yml or .yaml, not '%s'", path);
    else if (!reading->context || !reading->context->top)
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "'include' needs a git repository, from which the file is read");
    else if (glob_is_pattern(path))
        add_matching(including, place, path);
    else if (!ci_lines_have(&reading->context->files, path))
        yaml_finding(&reading->doc, CONFIG_ERROR, place,
                     "'include': git tracks no file '%s' in the repository; git add it", path);
    else
        add_file(including, place, path);
}

/* {local: …, rules: …} */
static void add_entry(struct including *including, const struct yaml_value *entry)
{
    struct ci_reading *reading = including->reading;
    const struct yaml_value *local = yaml_get(entry, "local"), *rules = yaml_get(entry, "rules");
    const struct ci_scope scope = { .lists = { reading->context ? &reading->context->variables
                                                                : NULL } };
    const struct yaml_value *rule = NULL;
    bool known = true;

    if (entry->kind != YAML_KIND_MAPPING) {
        add_local(including, entry);
        return;
    }
    for (size_t i = 0; i < entry->map.count; i++)
        known = ci_keyword_known(reading, CI_PLACE_INCLUDE, NULL, &entry->map.items[i]) && known;
    if (!known)
        return;
    if (rules) {
        rule = ci_rules_match(reading, CI_PLACE_INCLUDE_RULE, NULL, rules, &scope);
        if (!rule || (yaml_get(rule, "when") && str_eq(yaml_get(rule, "when")->text, "never")))
            return;
    }
    if (local)
        add_local(including, local);
    else
        yaml_finding(&reading->doc, CONFIG_ERROR, entry, "an entry of 'include' names no file");
}

static const struct yaml_value *resolve(struct ci_reading *reading, const struct yaml_value *root,
                                        int level)
{
    const struct yaml_value *include = yaml_get(root, "include");
    struct including including = { .reading = reading, .level = level };
    struct yaml_value *own;

    if (!include)
        return root;
    if (level >= LEVELS_MAX) {
        yaml_exhaust(&reading->doc); /* what doubles with each level must not be told so often */
        yaml_finding(&reading->doc, CONFIG_ERROR, include,
                     "files include each other over more than %d levels", LEVELS_MAX);
        return root;
    }
    if (include->kind == YAML_KIND_SEQUENCE)
        for (size_t i = 0; i < include->n_items && yaml_visit(&reading->doc, include); i++)
            add_entry(&including, include->items[i]);
    else
        add_entry(&including, include);
    own = yaml_new(&reading->doc, root, YAML_KIND_MAPPING);
    for (size_t i = 0; own && i < root->map.count; i++)
        if (!str_eq(root->map.items[i].key, "include"))
            yaml_put(&reading->doc, own, &root->map.items[i]);
    if (!own)
        return root;
    return including.merged ? yaml_merge(&reading->doc, including.merged, own) : own;
}

const struct yaml_value *ci_include_resolve(struct ci_reading *reading,
                                            const struct yaml_value *root)
{
    return resolve(reading, root, 0);
}
