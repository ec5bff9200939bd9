/* core/job/entry.c - see entry.h. */
#include "core/job/entry.h"

#include "core/base/str.h"
#include "core/job/words.h"

json_t *entry_array(json_t *entry, const char *key)
{
    json_t *array = NULL;

    (void) json_opt_array(entry, key, &array, NULL);
    return array && json_object_array_length(array) > 0 ? array : NULL;
}

json_t *entries_of(json_t *payload, const char *name)
{
    return entry_array(payload, name);
}

bool entry_untracked(json_t *entry)
{
    bool untracked = false;

    (void) json_opt_bool(entry, "untracked", &untracked, NULL);
    return untracked;
}

bool entry_applies(json_t *entry, bool success)
{
    const char *when = "";

    (void) json_opt_str(entry, "when", &when, NULL);
    if (str_eq(when, "always"))
        return true;
    return success ? str_empty(when) || str_eq(when, "on_success") : str_eq(when, "on_failure");
}

static void add_each(json_t *entry, const char *key, const char *option, json_t **words)
{
    json_t *array = entry_array(entry, key);

    for (size_t i = 0; array && i < json_object_array_length(array); i++) {
        words_add(words, option);
        words_add(words, words_at(array, i));
    }
}

void entry_add_selection(json_t *entry, json_t **words)
{
    add_each(entry, "paths", "--path", words);
    add_each(entry, "exclude", "--exclude", words);
    if (entry_untracked(entry))
        words_add(words, "--untracked");
}
