/* core/config/unknown.c - what is said of a key that nobody knows (unknown.h). */
#include "core/config/unknown.h"

#include "core/base/buf.h"
#include "core/base/str.h"

#define SHOWN_MAX 80

static void say(struct config_reading *reading, const char *section, const struct toml_value *value,
                const char *before, const char *meant, const char *after)
{
    autobuf struct buf shown = BUF_INIT, shown_meant = BUF_INIT;

    str_display(&shown, value->key, strlen(value->key), SHOWN_MAX);
    str_display(&shown_meant, meant, strlen(meant), SHOWN_MAX); /* it may be a plugin's word */
    finding_add(reading, CONFIG_WARNING, toml_key_place(value),
                "%s has no setting '%s', ignoring%s%s%s", section, buf_str(&shown), before,
                buf_str(&shown_meant), after);
}

void unknown_key(struct config_reading *reading, const char *section,
                 const struct toml_value *value, const char *meant)
{
    if (meant)
        say(reading, section, value, "; did you mean '", meant, "'?");
    else
        say(reading, section, value, "", "", "");
}

/* The first section, from the top, that has a setting of this name. */
static const struct section *home_of(const struct section *section, const char *name)
{
    const struct section *home = NULL;

    for (size_t i = 0; i < section->n_settings; i++)
        if (str_eq(section->settings[i].name, name))
            return section;
    for (size_t i = 0; i < section->n_settings && !home; i++)
        if (section->settings[i].section)
            home = home_of(section->settings[i].section, name);
    return home;
}

void unknown_setting(struct config_reading *reading, const struct section *section,
                     const struct toml_value *value)
{
    const struct section *home = home_of(&config_section, value->key);
    struct nearest nearest = nearest_to(value->key);

    for (size_t i = 0; i < section->n_settings; i++)
        nearest_try(&nearest, section->settings[i].name);
    if (home)
        say(reading, section->name, value, "; it belongs in ", home->name, "");
    else
        unknown_key(reading, section->name, value, nearest.found);
}
