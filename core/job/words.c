/* core/job/words.c - see words.h. */
#include "core/job/words.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/str.h"

json_t *words_new(void)
{
    return json_object_new_array();
}

void words_add(json_t **words, const char *word)
{
    json_t *item = json_object_new_string(word);

    if (*words && item && json_object_array_add(*words, item) == 0)
        return;
    json_object_put(item);
    json_object_put(*words);
    *words = NULL;
}

void words_add_option(json_t **words, const char *name, const char *value)
{
    if (str_empty(value))
        return;
    words_add(words, name);
    words_add(words, value);
}

void words_add_number(json_t **words, const char *name, int64_t value)
{
    char text[32];

    (void) snprintf(text, sizeof(text), "%" PRId64, value);
    words_add_option(words, name, text);
}

const char *words_at(json_t *words, size_t i)
{
    return json_object_get_string(json_object_array_get_idx(words, i));
}
