/* helper/options.c - see options.h. */
#include "helper/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/io.h"
#include "core/base/mem.h"
#include "core/base/nearest.h"
#include "core/base/secret.h"
#include "core/base/str.h"
#include "helper/say.h"

int option_list_add(struct option_list *list, const char *item)
{
    const char **grown = mem_resize(list->items, list->n + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    list->items = grown;
    list->items[list->n++] = item;
    return 0;
}

/* The words that Go takes for a truth value. */
static int parse_flag(const char *text, bool *ret)
{
    static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" }, *const no[] = {
        "0", "f", "F", "false", "FALSE", "False"
    };

    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        if (str_eq(text, yes[i]) || str_eq(text, no[i])) {
            *ret = str_eq(text, yes[i]);
            return 0;
        }
    return -EINVAL;
}

/* 0, -ENOMEM, or -EINVAL with nothing changed. */
static int store(const struct option *option, void *into, const char *value)
{
    void *at = (char *) into + option->offset;

    switch (option->type) {
    case OPTION_TEXT:
        *(const char **) at = value;
        return 0;
    case OPTION_LIST:
        return option_list_add(at, value);
    case OPTION_FLAG:
        return parse_flag(value, at);
    case OPTION_NUMBER:
        return parse_i64(value, INT64_MIN, INT64_MAX, at) < 0 ? -EINVAL : 0;
    case OPTION_DURATION:
        return parse_duration_ms(value, at) < 0 ? -EINVAL : 0;
    }
    return -EINVAL;
}

static const char *kind_of(enum option_type type)
{
    switch (type) {
    case OPTION_FLAG:
        return "true or false";
    case OPTION_NUMBER:
        return "a number";
    case OPTION_DURATION:
        return "a time such as 1h30m0s";
    case OPTION_TEXT:
    case OPTION_LIST:
        break;
    }
    return "a text";
}

static void take_environment(const struct option_set *sets)
{
    for (; sets->table; sets++)
        for (const struct option *option = sets->table; option->name; option++) {
            const char *value = option->variable ? getenv(option->variable) : NULL;

            if (!str_empty(value) && store(option, sets->into, value) < 0)
                say(SAY_WARNING, "%s is '%s', which is not %s, ignoring", option->variable, value,
                    kind_of(option->type));
        }
}

/* The option that `name` (of `len` bytes) names, and what it fills. */
static const struct option *find(const struct option_set *sets, const char *name, size_t len,
                                 void **ret_into)
{
    for (; sets->table; sets++)
        for (const struct option *option = sets->table; option->name; option++)
            if (strlen(option->name) == len && strncmp(option->name, name, len) == 0) {
                *ret_into = sets->into;
                return option;
            }
    return NULL;
}

static void say_unknown(const struct option_set *sets, const char *command, const char *name)
{
    struct nearest nearest = nearest_to(name);

    for (; sets->table; sets++)
        for (const struct option *option = sets->table; option->name; option++)
            nearest_try(&nearest, option->name);
    if (nearest.found)
        (void) say_fatal("%s: there is no option --%s; did you mean --%s?", command, name,
                         nearest.found);
    else
        (void) say_fatal("%s: there is no option --%s; `%s --help` lists them", command, name,
                         command);
}

static void show_help(const struct option_set *sets, const char *command)
{
    (void) printf("Usage: flotilla-helper %s [OPTIONS]\n\n", command);
    for (; sets->table; sets++)
        for (const struct option *option = sets->table; option->name; option++) {
            (void) printf("  --%-28s %s", option->name, option->what);
            if (option->variable)
                (void) printf(" [$%s]", option->variable);
            (void) printf("\n");
        }
}

/* The option at argv[*at], which is moved on to the next word. */
static int read_option(const struct option_set *sets, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *name = word + strspn(word, "-"), *equals = strchr(name, '='),
               *value = equals ? equals + 1 : NULL;
    size_t len = equals ? (size_t) (equals - name) : strlen(name);
    void *into = NULL;
    const struct option *option = find(sets, name, len, &into);

    (*at)++;
    if (!option) {
        say_unknown(sets, argv[0], name);
        return -EINVAL;
    }
    if (!value && option->type == OPTION_FLAG)
        value = "true";
    if (!value && *at == argc)
        return -say_fatal("%s: option --%s needs a value", argv[0], option->name);
    if (!value)
        value = argv[(*at)++];
    if (store(option, into, value) < 0)
        return -say_fatal("%s: option --%s takes %s, not '%s'", argv[0], option->name,
                          kind_of(option->type), value);
    return 0;
}

enum options_next options_read(const struct option_set *sets, int argc, char **argv, int *ret_rest)
{
    int at = 1;

    take_environment(sets);
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        if (str_eq(argv[at], "--")) {
            at++;
            break;
        }
        if (str_eq(argv[at], "--help") || str_eq(argv[at], "-h")) {
            show_help(sets, argv[0]);
            return OPTIONS_HELP_SHOWN;
        }
        if (read_option(sets, argc, argv, &at) < 0)
            return OPTIONS_WRONG;
    }
    if (ret_rest)
        *ret_rest = at;
    else if (at < argc)
        say(SAY_WARNING, "%s takes no word '%s', ignoring", argv[0], argv[at]);
    return OPTIONS_RUN;
}

static int read_all(struct buf *text)
{
    char part[4096];
    ssize_t n;

    while ((n = io_read(STDIN_FILENO, part, sizeof(part))) != 0) {
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            buf_add(text, part, (size_t) n);
    }
    secret_wipe(part, sizeof(part));
    return buf_error(text);
}

int options_read_stdin(const struct option_set *sets, const char *command, struct buf *text)
{
    char *rest = NULL, *line;

    if (read_all(text) < 0)
        return -say_fatal("%s: --options-stdin: stdin cannot be read, or is too long", command);
    line = text->data ? strtok_r(text->data, "\n", &rest) : NULL;
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        char *words[] = { (char *) (uintptr_t) command, line, NULL };
        int at = 1;

        if (read_option(sets, 2, words, &at) < 0)
            return -EINVAL;
    }
    return 0;
}

void options_done(const void *sets)
{
    for (const struct option_set *set = sets; set->table; set++)
        for (const struct option *option = set->table; option->name; option++) {
            struct option_list *list = (void *) ((char *) set->into + option->offset);

            if (option->type != OPTION_LIST)
                continue;
            free(list->items);
            *list = (struct option_list) { 0 };
        }
}
