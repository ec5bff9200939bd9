/* core/config/labels.c - `labels`, of the manager and of one runner: told to GitLab with each request
 * (coordinator-protocol.md 1.6). Called by the tables of settings. */
#include <ctype.h>
#include <string.h>

#include "core/base/str.h"
#include "core/config/checks.h"

#define LABELS_MAX 32
#define KEY_MIN 3
#define KEY_MAX 65
#define VALUE_MAX 256

static bool is_word(const char *text, size_t least, size_t most, bool key)
{
    size_t len = strlen(text);

    if (len < least || len > most)
        return false;
    if (key && !isalnum((unsigned char) text[0]) && text[0] != '_')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char) *c) && !strchr("._-", *c))
            return false;
    return true;
}

void check_labels(struct config_reading *reading, const struct toml_value *value, void *record)
{
    (void) record;
    for (size_t i = 0; i < value->n_items; i++) {
        const struct toml_value *label = &value->items[i];

        if (!is_word(label->key, KEY_MIN, KEY_MAX, true))
            finding_add(
                reading, CONFIG_ERROR, label->key_place,
                "%s 'labels': a name is %d to %d letters, digits and \"._-\", and begins with "
                "a letter, a digit or _",
                reading->section, KEY_MIN, KEY_MAX);
        else if (label->type != TOML_STRING || !is_word(label->text, 1, VALUE_MAX, false))
            finding_add(reading, CONFIG_ERROR, label->place,
                        "%s 'labels': '%s' must be a string of 1 to %d letters, digits and \"._-\"",
                        reading->section, label->key, VALUE_MAX);
    }
}

/* A runner's own label stands over one of the manager's. */
static void merge(struct config_reading *reading, json_t *global, json_t *own)
{
    json_object_object_foreach(global, key, label)
    {
        if (!json_object_object_get_ex(own, key, NULL) &&
            json_object_object_add(own, key, json_object_get(label)) < 0)
            reading->out_of_memory = true;
    }
}

void merge_labels(struct config_reading *reading, struct config *config)
{
    for (size_t i = 0; config->labels && i < config->n_runners; i++) {
        struct config_runner *runner = &config->runners[i];

        if (!runner->labels)
            continue;
        merge(reading, config->labels, runner->labels);
        if (json_object_object_length(runner->labels) > LABELS_MAX)
            finding_add_on_file(reading, CONFIG_ERROR,
                                "[[runners]] '%s' has %d labels with those of the manager; GitLab "
                                "takes %d",
                                runner->name, json_object_object_length(runner->labels),
                                LABELS_MAX);
    }
}
