/* core/exec/ci_yaml.c - reads a .gitlab-ci.yml, keyword by keyword (ci_keywords.c).
 *
 * One reading names everything that is wrong: a finding never ends the walk. What is checked across
 * jobs (unknown needs, cycles) is pipeline.c's. */
#include "core/exec/ci_yaml.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "core/exec/ci_keywords.h"
#include "core/exec/yaml_doc.h"

#define SCRIPT_NESTING_MAX 10 /* as GitLab's */
#define NAME_MAX_BYTES 255
#define STAGE_DEFAULT "test"

struct reading {
    struct yaml_doc doc;
    const struct ci_selection *selection;
    bool named; /* the jobs that are read are those that a person named */
    struct ci_config *config;
    struct ci_lines before_script, after_script; /* of default: or of the file */
};

static void lines_done(struct ci_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
    *lines = (struct ci_lines) { 0 };
}

static void variables_done(struct ci_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->items[i].key);
        free(variables->items[i].value);
    }
    free(variables->items);
}

void ci_config_free(struct ci_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_stages; i++)
        free(config->stages[i]);
    free(config->stages);
    variables_done(&config->variables);
    for (size_t i = 0; i < config->n_jobs; i++) {
        struct ci_job *job = &config->jobs[i];

        free(job->name);
        lines_done(&job->script);
        lines_done(&job->before_script);
        lines_done(&job->after_script);
        lines_done(&job->needs);
        variables_done(&job->variables);
        free(job->allow_exit_codes);
    }
    free(config->jobs);
    free(config);
}

const struct ci_job *ci_config_find(const struct ci_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_jobs; i++)
        if (str_eq(config->jobs[i].name, name))
            return &config->jobs[i];
    return NULL;
}

bool ci_selects(const struct ci_selection *selection, const char *name)
{
    if (!selection || selection->count == 0)
        return true;
    for (size_t i = 0; i < selection->count; i++)
        if (str_eq(name, selection->names[i]))
            return true;
    return false;
}

static void append(struct reading *reading, char ***items, size_t *count, const char *text)
{
    char **grown = mem_resize(*items, *count + 1, sizeof(char *));
    char *copy = mem_strdup(text);

    if (grown)
        *items = grown;
    if (!grown || !copy) {
        reading->doc.out_of_memory = true;
        free(copy);
        return;
    }
    grown[(*count)++] = copy;
}

/* Where a sentence about keyword K of job J begins: "job 'J': 'K'", or only the keyword. */
static const char *subject(struct buf *out, const char *job, const char *keyword)
{
    if (job)
        buf_addf(out, "job '%s': ", job);
    buf_addf(out, "'%s'", keyword);
    return buf_str(out);
}

static void wrong_kind(struct reading *reading, const char *job, const char *keyword,
                       const yaml_node_t *node, const char *wanted)
{
    autobuf struct buf name = BUF_INIT;
    enum yaml_kind kind = yaml_kind_of(node);

    subject(&name, job, keyword);
    if (kind == YAML_KIND_TAGGED)
        yaml_finding(&reading->doc, CONFIG_ERROR, node, "%s has the tag %s, which is not supported",
                     buf_str(&name), (const char *) node->tag);
    else
        yaml_finding(&reading->doc, CONFIG_ERROR, node, "%s must be %s, not %s", buf_str(&name),
                     wanted, yaml_kind_name(kind));
}

static void read_lines(struct reading *reading, const char *job, const char *keyword,
                       yaml_node_t *node, int depth, struct ci_lines *ret)
{
    enum yaml_kind kind = yaml_kind_of(node);

    if (!yaml_visit(&reading->doc, node))
        return;
    if (kind == YAML_KIND_STRING) {
        append(reading, &ret->items, &ret->count, yaml_text(node));
    } else if (kind == YAML_KIND_SEQUENCE && depth < SCRIPT_NESTING_MAX) {
        for (size_t i = 0; i < yaml_item_count(node) && !reading->doc.exhausted; i++)
            read_lines(reading, job, keyword, yaml_item(&reading->doc, node, i), depth + 1, ret);
    } else if (kind == YAML_KIND_SEQUENCE) {
        yaml_finding(&reading->doc, CONFIG_ERROR, node,
                     "lists of '%s' are nested deeper than %d levels", keyword, SCRIPT_NESTING_MAX);
    } else {
        wrong_kind(reading, job, keyword, node,
                   depth == 0                  ? "a string or a list of strings"
                   : kind == YAML_KIND_MAPPING ? "a list of strings (quote a line that has ': ')"
                                               : "a list of strings (quote the line)");
    }
}

static bool variable_name_valid(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    size_t first = strspn(name, letters);

    return first > 0 &&
           name[first + strspn(name + first, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                             "0123456789_")] == '\0';
}

static const char *scalar_value(const yaml_node_t *node)
{
    switch (yaml_kind_of(node)) {
    case YAML_KIND_BOOL:
        return yaml_truth(node) ? "true" : "false";
    case YAML_KIND_STRING:
    case YAML_KIND_NUMBER:
        return yaml_text(node);
    default:
        return NULL;
    }
}

/* {value: …, expand: …, description: …, options: …} */
static const char *long_form_value(struct reading *reading, const struct yaml_pair *pair, bool *raw)
{
    auto_yaml_map struct yaml_map map = { 0 };
    const char *value = NULL;

    if (yaml_map_read(&reading->doc, pair->value, &map) < 0)
        return "";
    for (size_t i = 0; i < map.count; i++) {
        const struct yaml_pair *part = &map.items[i];

        if (str_eq(part->key, "value"))
            value = scalar_value(part->value);
        else if (str_eq(part->key, "expand") && yaml_kind_of(part->value) == YAML_KIND_BOOL)
            *raw = !yaml_truth(part->value);
        else if (!str_eq(part->key, "description") && !str_eq(part->key, "options"))
            yaml_finding(&reading->doc, CONFIG_ERROR, part->key_node,
                         "variable '%s' has no setting '%s' of that form; there are value, expand, "
                         "description and options",
                         pair->key, part->key);
    }
    return value;
}

static void add_variable(struct reading *reading, const struct yaml_pair *pair,
                         struct ci_variables *ret)
{
    struct ci_variable variable = { 0 };
    struct ci_variable *items;
    const char *value;

    if (!variable_name_valid(pair->key)) {
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->key_node,
                     "'%s' can't be the name of a variable; letters, digits and '_' can",
                     pair->key);
        return;
    }
    value = yaml_kind_of(pair->value) == YAML_KIND_MAPPING
                ? long_form_value(reading, pair, &variable.raw)
                : scalar_value(pair->value);
    if (!value) {
        yaml_finding(&reading->doc, CONFIG_ERROR, pair->value,
                     "variable '%s' must be a string, a number, true or false, or have a 'value' "
                     "that is one",
                     pair->key);
        return;
    }
    variable.key = mem_strdup(pair->key);
    variable.value = mem_strdup(value);
    items = mem_resize(ret->items, ret->count + 1, sizeof(*items));
    if (items)
        ret->items = items;
    if (!items || !variable.key || !variable.value) {
        reading->doc.out_of_memory = true;
        free(variable.key);
        free(variable.value);
        return;
    }
    items[ret->count++] = variable;
}

static void read_variables(struct reading *reading, const char *job, yaml_node_t *node,
                           struct ci_variables *ret)
{
    auto_yaml_map struct yaml_map map = { 0 };

    if (yaml_kind_of(node) != YAML_KIND_MAPPING) {
        wrong_kind(reading, job, "variables", node, "a mapping of names to values");
        return;
    }
    if (yaml_map_read(&reading->doc, node, &map) < 0)
        return;
    for (size_t i = 0; i < map.count; i++)
        add_variable(reading, &map.items[i], ret);
}

/* {job: NAME, artifacts: …, optional: …} */
static void read_need_mapping(struct reading *reading, const char *job, yaml_node_t *node,
                              struct ci_lines *ret, bool *optional)
{
    auto_yaml_map struct yaml_map map = { 0 };
    const struct yaml_pair *name;

    if (yaml_map_read(&reading->doc, node, &map) < 0)
        return;
    for (size_t i = 0; i < map.count; i++) {
        const struct yaml_pair *pair = &map.items[i];

        if (str_eq(pair->key, "optional"))
            *optional = yaml_kind_of(pair->value) == YAML_KIND_BOOL && yaml_truth(pair->value);
        else if (!str_eq(pair->key, "job") && !str_eq(pair->key, "artifacts"))
            yaml_finding(&reading->doc, CONFIG_ERROR, pair->key_node,
                         "job '%s': 'needs' with '%s' is not supported, only jobs of this pipeline "
                         "are",
                         job, pair->key);
    }
    name = yaml_map_find(&map, "job");
    if (name && name->value->type == YAML_SCALAR_NODE)
        append(reading, &ret->items, &ret->count, yaml_text(name->value));
    else
        yaml_finding(&reading->doc, CONFIG_ERROR, node,
                     "job '%s': an entry of 'needs' must name a 'job'", job);
}

static void read_needs(struct reading *reading, yaml_node_t *node, struct ci_job *job,
                       const struct yaml_map *all)
{
    job->has_needs = true;
    if (yaml_kind_of(node) != YAML_KIND_SEQUENCE) {
        wrong_kind(reading, job->name, "needs", node, "a list of jobs");
        return;
    }
    for (size_t i = 0; i < yaml_item_count(node) && yaml_visit(&reading->doc, node); i++) {
        yaml_node_t *item = yaml_item(&reading->doc, node, i);
        enum yaml_kind kind = yaml_kind_of(item);
        size_t before = job->needs.count;
        bool optional = false;

        if (kind == YAML_KIND_STRING || kind == YAML_KIND_NUMBER)
            append(reading, &job->needs.items, &job->needs.count, yaml_text(item));
        else if (kind == YAML_KIND_MAPPING)
            read_need_mapping(reading, job->name, item, &job->needs, &optional);
        else
            wrong_kind(reading, job->name, "needs", item, "a list of jobs");
        if (job->needs.count == before)
            continue;
        if (str_starts(job->needs.items[before], ".") ||
            !yaml_map_find(all, job->needs.items[before])) {
            if (!optional)
                yaml_finding(&reading->doc, CONFIG_ERROR, item,
                             "job '%s' needs '%s', and there is no such job", job->name,
                             job->needs.items[before]);
            free(job->needs.items[before]);
            job->needs.count = before;
        }
    }
}

static void add_exit_code(struct reading *reading, struct ci_job *job, const yaml_node_t *node)
{
    int *codes = mem_resize(job->allow_exit_codes, job->n_allow_exit_codes + 1, sizeof(*codes));
    int64_t code = 0;

    if (codes)
        job->allow_exit_codes = codes;
    if (!codes)
        reading->doc.out_of_memory = true;
    else if (yaml_kind_of(node) != YAML_KIND_NUMBER ||
             parse_i64(yaml_text(node), 0, INT32_MAX, &code) < 0)
        wrong_kind(reading, job->name, "exit_codes", node, "an exit code or a list of them");
    else
        codes[job->n_allow_exit_codes++] = (int) code;
}

static void read_allow_failure(struct reading *reading, yaml_node_t *node, struct ci_job *job)
{
    auto_yaml_map struct yaml_map map = { 0 };
    const struct yaml_pair *codes;
    enum yaml_kind kind = yaml_kind_of(node);

    if (kind == YAML_KIND_BOOL) {
        job->allow_failure = yaml_truth(node);
        return;
    }
    if (kind == YAML_KIND_MAPPING && yaml_map_read(&reading->doc, node, &map) < 0)
        return;
    codes = yaml_map_find(&map, "exit_codes");
    if (!codes || map.count != 1) {
        wrong_kind(reading, job->name, "allow_failure", node,
                   "true, false or a mapping with 'exit_codes' alone");
        return;
    }
    if (codes->value->type != YAML_SEQUENCE_NODE) {
        add_exit_code(reading, job, codes->value);
        return;
    }
    for (size_t i = 0; i < yaml_item_count(codes->value) && yaml_visit(&reading->doc, node); i++)
        add_exit_code(reading, job, yaml_item(&reading->doc, codes->value, i));
}

static void read_stage(struct reading *reading, const yaml_node_t *node, const char *stage,
                       struct ci_job *job)
{
    const struct ci_config *config = reading->config;

    for (size_t i = 0; i < config->n_stages; i++)
        if (str_eq(config->stages[i], stage)) {
            job->stage = i;
            return;
        }
    yaml_finding(&reading->doc, CONFIG_ERROR, node, "job '%s': there is no stage '%s'", job->name,
                 stage);
}

/* What is not read although it is a keyword. */
static void pass_over(struct reading *reading, const struct ci_keyword *keyword, const char *name,
                      const yaml_node_t *node)
{
    bool named = keyword->use == CI_KEYWORD_SELECTS && reading->named;
    bool harmless = keyword->use == CI_KEYWORD_IGNORED || named;

    yaml_finding(&reading->doc, harmless ? CONFIG_WARNING : CONFIG_ERROR, node,
                 "%s is not supported%s: %s", name, harmless ? ", ignoring" : "",
                 named ? "the job runs because it is named" : keyword->why);
}

/* True when the keyword is one to be read; a finding when it is not. */
static bool keyword_known(struct reading *reading, enum ci_place place, const char *job,
                          const struct yaml_pair *pair)
{
    const struct ci_keyword *keyword = ci_keyword_find(place, pair->key);
    const char *meant;
    autobuf struct buf name = BUF_INIT;

    subject(&name, job, pair->key);
    if (keyword && keyword->use == CI_KEYWORD_KNOWN)
        return true;
    if (keyword) {
        pass_over(reading, keyword, buf_str(&name), pair->key_node);
        return false;
    }
    meant = ci_keyword_nearest(place, pair->key);
    yaml_finding(&reading->doc, CONFIG_ERROR, pair->key_node, "%s is no keyword%s%s%s",
                 buf_str(&name), meant ? "; did you mean '" : "", meant ? meant : "",
                 meant ? "'?" : "");
    return false;
}

static void copy_lines(struct reading *reading, const struct ci_lines *from, struct ci_lines *to)
{
    for (size_t i = 0; i < from->count; i++)
        append(reading, &to->items, &to->count, from->items[i]);
}

static void read_when(struct reading *reading, const struct ci_job *job, const yaml_node_t *node)
{
    bool manual = node->type == YAML_SCALAR_NODE && str_eq(yaml_text(node), "manual");

    if (node->type == YAML_SCALAR_NODE && str_eq(yaml_text(node), "on_success"))
        return;
    if (manual && reading->named) /* naming it is what a person does */
        return;
    yaml_finding(&reading->doc, CONFIG_ERROR, node,
                 "job '%s': 'when' is not supported with anything but on_success: which jobs run "
                 "would differ%s",
                 job->name, manual ? "; name the jobs on the command line" : "");
}

static void read_job_keyword(struct reading *reading, const struct yaml_pair *pair,
                             struct ci_job *job, const struct yaml_map *all)
{
    if (str_eq(pair->key, "script"))
        read_lines(reading, job->name, pair->key, pair->value, 0, &job->script);
    else if (str_eq(pair->key, "before_script"))
        read_lines(reading, job->name, pair->key, pair->value, 0, &job->before_script);
    else if (str_eq(pair->key, "after_script"))
        read_lines(reading, job->name, pair->key, pair->value, 0, &job->after_script);
    else if (str_eq(pair->key, "variables"))
        read_variables(reading, job->name, pair->value, &job->variables);
    else if (str_eq(pair->key, "needs"))
        read_needs(reading, pair->value, job, all);
    else if (str_eq(pair->key, "allow_failure"))
        read_allow_failure(reading, pair->value, job);
    else if (str_eq(pair->key, "when"))
        read_when(reading, job, pair->value);
    else if (pair->value->type != YAML_SCALAR_NODE)
        wrong_kind(reading, job->name, "stage", pair->value, "a string");
    else
        read_stage(reading, pair->value, yaml_text(pair->value), job);
}

static void read_job_keywords(struct reading *reading, const struct yaml_pair *place,
                              const struct yaml_map *map, struct ci_job *job,
                              const struct yaml_map *all)
{
    const struct yaml_pair *script = yaml_map_find(map, "script");
    unsigned before = reading->doc.n_errors;

    for (size_t i = 0; i < map->count; i++)
        if (keyword_known(reading, CI_PLACE_JOB, job->name, &map->items[i]))
            read_job_keyword(reading, &map->items[i], job, all);
    if (!yaml_map_find(map, "stage"))
        read_stage(reading, place->key_node, STAGE_DEFAULT, job);
    if (!yaml_map_find(map, "before_script"))
        copy_lines(reading, &reading->before_script, &job->before_script);
    if (!yaml_map_find(map, "after_script"))
        copy_lines(reading, &reading->after_script, &job->after_script);
    if (!script && !yaml_map_find(map, "trigger") && !yaml_map_find(map, "run") &&
        !yaml_map_find(map, "extends"))
        yaml_finding(&reading->doc, CONFIG_ERROR, place->key_node, "job '%s' has no 'script'",
                     job->name);
    else if (script && job->script.count == 0 && before == reading->doc.n_errors)
        yaml_finding(&reading->doc, CONFIG_ERROR, script->value, "job '%s': 'script' is empty",
                     job->name);
}

static void read_job(struct reading *reading, const struct yaml_pair *place,
                     const struct yaml_map *all)
{
    struct ci_config *config = reading->config;
    auto_yaml_map struct yaml_map map = { 0 };
    struct ci_job *jobs, *job;

    if (strlen(place->key) > NAME_MAX_BYTES || !*place->key) {
        yaml_finding(&reading->doc, CONFIG_ERROR, place->key_node,
                     "the name of a job has 1 to %d bytes", NAME_MAX_BYTES);
        return;
    }
    if (yaml_kind_of(place->value) != YAML_KIND_MAPPING) {
        yaml_finding(
            &reading->doc, CONFIG_ERROR, place->value,
            "'%s' is no keyword, and as a job it must be a mapping with a 'script', not %s",
            place->key, yaml_kind_name(yaml_kind_of(place->value)));
        return;
    }
    if (yaml_map_read(&reading->doc, place->value, &map) < 0)
        return;
    jobs = mem_resize(config->jobs, config->n_jobs + 1, sizeof(*jobs));
    if (!jobs) {
        reading->doc.out_of_memory = true;
        return;
    }
    config->jobs = jobs;
    job = &jobs[config->n_jobs++];
    *job = (struct ci_job) { .name = mem_strdup(place->key),
                             .line = (int) place->key_node->start_mark.line + 1,
                             .column = (int) place->key_node->start_mark.column + 1 };
    if (!job->name)
        reading->doc.out_of_memory = true;
    else
        read_job_keywords(reading, place, &map, job, all);
}

static void read_stages(struct reading *reading, const struct yaml_pair *pair)
{
    static const char *const defaults[] = { "build", "test", "deploy" };
    struct ci_config *config = reading->config;
    struct ci_lines named = { 0 };

    if (pair && yaml_kind_of(pair->value) != YAML_KIND_SEQUENCE)
        wrong_kind(reading, NULL, "stages", pair->value, "a list of names");
    else if (pair)
        read_lines(reading, NULL, "stages", pair->value, 0, &named);
    if (named.count == 0)
        for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
            append(reading, &named.items, &named.count, defaults[i]);
    append(reading, &config->stages, &config->n_stages, ".pre");
    for (size_t i = 0; i < named.count; i++)
        if (!str_eq(named.items[i], ".pre") && !str_eq(named.items[i], ".post"))
            append(reading, &config->stages, &config->n_stages, named.items[i]);
    append(reading, &config->stages, &config->n_stages, ".post");
    lines_done(&named);
}

static void read_defaults(struct reading *reading, const struct yaml_map *top)
{
    const struct yaml_pair *pair = yaml_map_find(top, "default");
    auto_yaml_map struct yaml_map map = { 0 };

    if (pair && yaml_kind_of(pair->value) != YAML_KIND_MAPPING)
        wrong_kind(reading, NULL, "default", pair->value, "a mapping");
    else if (pair && yaml_map_read(&reading->doc, pair->value, &map) == 0)
        for (size_t i = 0; i < map.count; i++)
            (void) keyword_known(reading, CI_PLACE_DEFAULT, NULL, &map.items[i]);
    pair = yaml_map_find(&map, "before_script");
    if (!pair)
        pair = yaml_map_find(top, "before_script");
    if (pair)
        read_lines(reading, NULL, pair->key, pair->value, 0, &reading->before_script);
    pair = yaml_map_find(&map, "after_script");
    if (!pair)
        pair = yaml_map_find(top, "after_script");
    if (pair)
        read_lines(reading, NULL, pair->key, pair->value, 0, &reading->after_script);
}

static bool is_job(const char *key)
{
    return !str_starts(key, ".") && !ci_keyword_find(CI_PLACE_TOP, key);
}

/* Whoever mistypes a name wants to hear that, not what is wrong with all the other jobs. */
static int check_selection(const struct reading *reading, const struct yaml_map *top,
                           struct error *err)
{
    for (size_t i = 0; reading->named && i < reading->selection->count; i++) {
        const char *name = reading->selection->names[i];

        if (!is_job(name) || !yaml_map_find(top, name))
            return error_set(err, -EINVAL, "%s: there is no job '%s' in the file",
                             reading->doc.file, name);
    }
    return 0;
}

static int read_file(struct reading *reading, yaml_node_t *root, struct error *err)
{
    auto_yaml_map struct yaml_map top = { 0 };
    const struct yaml_pair *pair;
    bool any = false;

    if (yaml_map_read(&reading->doc, root, &top) < 0)
        return 0;
    if (check_selection(reading, &top, err) < 0)
        return -EINVAL;
    read_stages(reading, yaml_map_find(&top, "stages"));
    pair = yaml_map_find(&top, "variables");
    if (pair)
        read_variables(reading, NULL, pair->value, &reading->config->variables);
    read_defaults(reading, &top);
    for (size_t i = 0; i < top.count && !reading->doc.exhausted; i++) {
        if (str_starts(top.items[i].key, "."))
            continue;
        if (ci_keyword_find(CI_PLACE_TOP, top.items[i].key)) {
            (void) keyword_known(reading, CI_PLACE_TOP, NULL, &top.items[i]);
            continue;
        }
        any = true;
        reading->doc.muted = !ci_selects(reading->selection, top.items[i].key);
        read_job(reading, &top.items[i], &top);
        reading->doc.muted = false;
    }
    if (!any && !reading->doc.exhausted)
        yaml_finding(&reading->doc, CONFIG_ERROR, root, "there is no job in this file");
    return 0;
}

static int parse(struct reading *reading, struct error *err)
{
    yaml_node_t *root = yaml_doc_root(&reading->doc);
    int r = 0;

    if (!root || yaml_kind_of(root) != YAML_KIND_MAPPING)
        yaml_finding(&reading->doc, CONFIG_ERROR, root, "the file must be a mapping of jobs");
    else
        r = read_file(reading, root, err);
    if (r < 0)
        return r;
    if (reading->doc.out_of_memory)
        return error_set(err, -ENOMEM, "%s: out of memory", reading->doc.file);
    if (reading->doc.n_errors > 0)
        return error_set(err, -EINVAL, "%s has %u error(s)", reading->doc.file,
                         reading->doc.n_errors);
    return 0;
}

int ci_config_parse(const char *file, const char *text, size_t len,
                    const struct ci_selection *selection, struct ci_config **ret,
                    struct config_findings *findings, struct error *err)
{
    auto_ptr(ci_config_free) struct ci_config *config = mem_zero(sizeof(*config));
    struct reading reading = { .config = config,
                               .selection = selection,
                               .named = selection && selection->count > 0 };
    int r;

    if (!config)
        return error_set(err, -ENOMEM, "%s: out of memory", file);
    r = yaml_doc_load(&reading.doc, file, text, len, findings);
    if (r < 0)
        r = reading.doc.out_of_memory || r == -ENOMEM
                ? error_set(err, -ENOMEM, "%s: out of memory", file)
                : error_set(err, -EINVAL, "%s can't be read", file);
    else
        r = parse(&reading, err);
    lines_done(&reading.before_script);
    lines_done(&reading.after_script);
    yaml_doc_done(&reading.doc);
    if (r == 0)
        *ret = take_ptr(config);
    return r;
}
