/* core/job/words.h - the words of a command, collected before it is known which way it goes: quoted into
 * a script, or as JSON to the helper (helper.h).
 *
 * A list that could not take a word is gone (NULL) and stays so: whoever uses it looks once. */
#pragma once

#include "core/base/json.h"

json_t *words_new(void);
void words_add(json_t **words, const char *word);
void words_add_option(json_t **words, const char *name,
                      const char *value); /* none when it is empty */
void words_add_number(json_t **words, const char *name, int64_t value);
const char *words_at(json_t *words, size_t i);
