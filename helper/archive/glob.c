/* helper/archive/glob.c - reading a pattern and matching one path; glob_find.c searches a tree.
 *
 * {a,b} is written out into alternatives, each a row of components; all rows stand behind each other
 * in `places`, each with a last place of its own. Being at a place means: what comes next is to match
 * it.
 */
#include "helper/archive/glob.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/str.h"
#include "helper/archive/glob_internal.h"
#include "helper/archive/wild.h"

#define ALTERNATIVES_MAX 1000
#define PLACES_MAX 20000
#define PATTERN_MAX 4096

struct reading {
    struct glob *glob;
    struct error *err;
    size_t alternatives;
};

static int add_place(struct glob *glob, enum glob_kind kind, const char *text, size_t len,
                     struct error *err)
{
    struct glob_place *grown;

    if (glob->n_places >= PLACES_MAX)
        return error_set(err, -EINVAL, "the pattern has too many alternatives");
    if (!glob->places || (glob->n_places & (glob->n_places - 1)) == 0) {
        size_t room = MAX(glob->n_places * 2, 8);

        grown = mem_resize(glob->places, room, sizeof(*glob->places));
        if (!grown)
            return error_errno(err, -ENOMEM, "pattern");
        glob->places = grown;
    }
    glob->places[glob->n_places] = (struct glob_place) { .kind = kind };
    if (text) {
        glob->places[glob->n_places].text = mem_strndup(text, len);
        if (!glob->places[glob->n_places].text)
            return error_errno(err, -ENOMEM, "pattern");
    }
    glob->n_places++;
    return 0;
}

static int add_component(struct glob *glob, const char *text, size_t len, struct error *err)
{
    struct glob_place *last = glob->n_places > 0 ? &glob->places[glob->n_places - 1] : NULL;
    struct glob_place *place;
    int r;

    if (len == 0 || (len == 1 && *text == '.'))
        return 0;
    if (len == 2 && memcmp(text, "..", 2) == 0)
        return error_set(err, -EINVAL, "the pattern leads out of the working directory");
    if (len == 2 && memcmp(text, "**", 2) == 0)
        return last && last->kind == GLOB_ANY ? 0 : add_place(glob, GLOB_ANY, NULL, 0, err);
    r = add_place(glob, GLOB_WILD, text, len, err);
    if (r < 0)
        return r;
    place = &glob->places[glob->n_places - 1];
    if (!wild_is_whole(place->text))
        return error_set(err, -EINVAL, "the pattern has a \"[\" without \"]\" or ends in a \"\\\"");
    if (!wild_is_wild(place->text))
        place->kind = GLOB_LITERAL;
    return 0;
}

/* A row without {}. */
static int add_alternative(struct reading *reading, const char *text)
{
    int r = 0;

    if (++reading->alternatives > ALTERNATIVES_MAX)
        return error_set(reading->err, -EINVAL, "the pattern has more than %d alternatives",
                         ALTERNATIVES_MAX);
    while (r == 0 && text) {
        const char *slash = strchr(text, '/');

        r = add_component(reading->glob, text, slash ? (size_t) (slash - text) : strlen(text),
                          reading->err);
        text = slash ? slash + 1 : NULL;
    }
    return r < 0 ? r : add_place(reading->glob, GLOB_END, NULL, 0, reading->err);
}

/* From `at` on, the first byte of `wanted` that is outside of {…}, of sets and not guarded; NULL when
 * there is none. */
static const char *find_outside(const char *at, const char *wanted)
{
    int depth = 0;

    for (; *at; at++) {
        if (depth == 0 && strchr(wanted, *at))
            return at;
        if (*at == '\\' && at[1])
            at++;
        else if (*at == '[' && strchr(at + 1, ']'))
            at = strchr(at + 2, ']') ? strchr(at + 2, ']') : at;
        else
            depth += (*at == '{') - (*at == '}');
    }
    return NULL;
}

/* Writes the first {a,b} out as often as it has parts, and reads what each time comes out. */
static int read_pattern(struct reading *reading, const char *text)
{
    const char *open = find_outside(text, "{"), *close, *part, *comma;
    int r = 0;

    if (!open)
        return add_alternative(reading, text);
    close = find_outside(open + 1, "}");
    if (!close)
        return error_set(reading->err, -EINVAL, "the pattern has a \"{\" without \"}\"");
    for (part = open + 1; r == 0 && part <= close; part = comma + 1) {
        autofree char *written = NULL;

        comma = find_outside(part, ",}");
        written = mem_printf("%.*s%.*s%s", (int) (open - text), text, (int) (comma - part), part,
                             close + 1);
        if (!written)
            return error_errno(reading->err, -ENOMEM, "pattern");
        r = read_pattern(reading, written);
    }
    return r;
}

int glob_new(const char *pattern, struct glob **ret, struct error *err)
{
    auto_ptr(glob_free) struct glob *glob = mem_zero(sizeof(*glob));
    struct reading reading = { .glob = glob, .err = err };
    int r;

    if (!glob)
        return error_errno(err, -ENOMEM, "pattern");
    if (strlen(pattern) > PATTERN_MAX)
        return error_set(err, -EINVAL, "the pattern is longer than %d bytes", PATTERN_MAX);
    r = read_pattern(&reading, pattern);
    if (r < 0)
        return r;
    glob->seen = mem_array(glob->n_places, sizeof(*glob->seen));
    if (!glob->seen || glob_set_room(glob, &glob->scratch[0]) < 0 ||
        glob_set_room(glob, &glob->scratch[1]) < 0)
        return error_errno(err, -ENOMEM, "pattern");
    *ret = take_ptr(glob);
    return 0;
}

void glob_free(struct glob *glob)
{
    if (!glob)
        return;
    for (size_t i = 0; i < glob->n_places; i++)
        free(glob->places[i].text);
    free(glob->places);
    free(glob->seen);
    free(glob->scratch[0].places);
    free(glob->scratch[1].places);
    free(glob);
}

/* A place once; behind a "**" one may be as well as at it. */
static void enter(struct glob *glob, uint32_t place, struct glob_set *set)
{
    while (glob->seen[place] != glob->round) {
        glob->seen[place] = glob->round;
        set->places[set->n++] = place;
        if (glob->places[place].kind != GLOB_ANY)
            break;
        place++;
    }
}

static void new_round(struct glob *glob)
{
    if (++glob->round == 0) {
        memset(glob->seen, 0, glob->n_places * sizeof(*glob->seen));
        glob->round = 1;
    }
}

int glob_set_room(const struct glob *glob, struct glob_set *set)
{
    set->n = 0;
    set->places = mem_array(glob->n_places, sizeof(*set->places));
    return set->places ? 0 : -ENOMEM;
}

void glob_set_begin(struct glob *glob, struct glob_set *set)
{
    set->n = 0;
    new_round(glob);
    for (uint32_t i = 0; i < glob->n_places; i++)
        if (i == 0 || glob->places[i - 1].kind == GLOB_END)
            enter(glob, i, set);
}

void glob_set_step(struct glob *glob, const struct glob_set *from, const char *name,
                   bool through_link, struct glob_set *to)
{
    to->n = 0;
    new_round(glob);
    for (size_t i = 0; i < from->n; i++) {
        const struct glob_place *place = &glob->places[from->places[i]];

        if (place->kind == GLOB_ANY && !through_link)
            enter(glob, from->places[i], to);
        else if ((place->kind == GLOB_LITERAL && strcmp(place->text, name) == 0) ||
                 (place->kind == GLOB_WILD && wild_match(place->text, name)))
            enter(glob, from->places[i] + 1, to);
    }
}

bool glob_set_ends(const struct glob *glob, const struct glob_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        if (glob->places[set->places[i]].kind == GLOB_END)
            return true;
    return false;
}

bool glob_match(struct glob *glob, const char *path)
{
    struct glob_set *at = &glob->scratch[0], *next = &glob->scratch[1];
    char name[NAME_MAX + 1];

    glob_set_begin(glob, at);
    if (str_eq(path, "."))
        return glob_set_ends(glob, at);
    while (path && at->n > 0) {
        const char *slash = strchrnul(path, '/');
        struct glob_set *was = at;

        if ((size_t) (slash - path) >= sizeof(name))
            return false;
        memcpy(name, path, (size_t) (slash - path));
        name[slash - path] = '\0';
        glob_set_step(glob, at, name, false, next);
        at = next;
        next = was;
        path = *slash ? slash + 1 : NULL;
    }
    return glob_set_ends(glob, at);
}
