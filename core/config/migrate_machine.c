/* core/config/migrate_machine.c - see migrate_machine.h. What a driver of docker-machine was told about a machine is
 * the group's here, its launch or instance template; how many there are, and when, is the autoscaler's as before. */
#include "core/config/migrate_machine.h"

#include <inttypes.h>

#include "core/base/str.h"
#include "core/config/period.h"
#include "core/config/toml_change.h"

#define CHANGE_ME "CHANGE-ME"

struct driver {
    const char *name; /* also of its options, "amazonec2-region" */
    const char *plugin, *group, *template;
    const char *places[2][2]; /* option, key of plugin_config */
    const char *user_option, *user;
    const char *inner[2]; /* options by which machines are reached by their inner address */
};

static const struct driver drivers[] = {
    { .name = "amazonec2",
      .plugin = "aws",
      .group = "an Auto Scaling group",
      .template = "its launch template",
      .places = { { "region", "region" } },
      .user_option = "ssh-user",
      .user = "ubuntu",
      .inner = { "private-address-only", "use-private-address" } },
    { .name = "google",
      .plugin = "googlecompute",
      .group = "a managed instance group",
      .template = "its instance template",
      .places = { { "project", "project" }, { "zone", "zone" } },
      .user_option = "username",
      .user = "docker-user",
      .inner = { "use-internal-ip", "use-internal-ip-only" } },
};

static const struct driver *driver_of(const struct toml_value *machine)
{
    const struct toml_value *name = toml_find_any_case(machine, "MachineDriver");

    for (size_t i = 0; name && name->type == TOML_STRING && i < ARRAY_LEN(drivers); i++)
        if (str_eq(name->text, drivers[i].name))
            return &drivers[i];
    return NULL;
}

bool machine_is_known(const struct toml_value *machine)
{
    return driver_of(machine);
}

static int64_t number(const struct toml_value *table, const char *key)
{
    const struct toml_value *value = toml_find_any_case(table, key);

    return value && value->type == TOML_INTEGER && value->integer > 0 ? value->integer : 0;
}

static double factor(const struct toml_value *table, const char *key)
{
    const struct toml_value *value = toml_find_any_case(table, key);

    return !value ? 0 : value->type == TOML_FLOAT ? value->real : (double) number(table, key);
}

static const char *string(const struct toml_value *table, const char *key)
{
    const struct toml_value *value = toml_find_any_case(table, key);

    return value && value->type == TOML_STRING ? value->text : "";
}

/* "amazonec2-region=eu-west-1" of the driver amazonec2: "region=eu-west-1"; NULL = of another one. */
static const char *own_option(const struct driver *driver, const struct toml_value *item)
{
    const char *text = item->type == TOML_STRING ? item->text : "";
    size_t len = strlen(driver->name);

    text += strspn(text, "-");
    return strncmp(text, driver->name, len) == 0 && text[len] == '-' ? text + len + 1 : NULL;
}

static bool is_named(const char *option, const char *name)
{
    size_t len = name ? strlen(name) : 0;

    return len > 0 && strncmp(option, name, len) == 0 && (!option[len] || option[len] == '=');
}

/* "" = given without a value; NULL = not given. */
static const char *find_option(const struct driver *driver, const struct toml_value *options,
                               const char *name)
{
    for (size_t i = 0; name && options && i < options->n_items; i++) {
        const char *option = own_option(driver, &options->items[i]);

        if (option && is_named(option, name))
            return option[strlen(name)] ? option + strlen(name) + 1 : "";
    }
    return NULL;
}

static bool is_set(const struct driver *driver, const struct toml_value *options, const char *name)
{
    const char *value = find_option(driver, options, name);

    return value && !str_eq(value, "false");
}

static bool is_secret(const char *option)
{
    static const char *const names[] = { "access-key", "secret-key", "session-token",
                                         "auth-encryption-key" };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_named(option, names[i]))
            return true;
    return false;
}

static bool has_a_place(const struct driver *driver, const char *option)
{
    bool found = is_named(option, driver->user_option) || is_named(option, driver->inner[0]) ||
                 is_named(option, driver->inner[1]);

    for (size_t i = 0; i < ARRAY_LEN(driver->places); i++)
        found = found || is_named(option, driver->places[i][0]);
    return found;
}

static void tell_of_options(struct migrate_notes *notes, int line, const struct driver *driver,
                            const struct toml_value *options)
{
    autobuf struct buf others = BUF_INIT;
    bool secret = false;

    for (size_t i = 0; options && i < options->n_items; i++) {
        const char *own = own_option(driver, &options->items[i]);
        const char *option = own ? own : options->items[i].text;

        if (own && is_secret(own))
            secret = true;
        else if (option && !(own && has_a_place(driver, own)))
            buf_addf(&others, "%s%s", others.len > 0 ? ", " : "", option);
    }
    migrate_note(notes, line,
                 "machines come from %s now: make one, with as many instances as max_instances at "
                 "most and none at first, and name it here",
                 driver->group);
    if (others.len > 0)
        migrate_note(notes, line, "of MachineOptions these belong into %s: %s", driver->template,
                     buf_str(&others));
    if (secret)
        migrate_note(
            notes, line,
            "keys of the cloud do not stand here: they come from the profile, the "
            "credentials file or the machine that flotilla runs on, as for the cloud's own "
            "programs. Remove them from the lines above");
}

static void add_text(struct buf *out, const char *indent, const char *key, const char *value)
{
    buf_addf(out, "%s%s = ", indent, key);
    toml_quote(out, value);
    buf_add_char(out, '\n');
}

static void add_plugin_config(struct migrate_notes *notes, int line, const struct driver *driver,
                              const struct toml_value *options)
{
    buf_add_str(notes->out, "\n    [runners.autoscaler.plugin_config]\n");
    notes->indent = 6;
    tell_of_options(notes, line, driver, options);
    add_text(notes->out, "      ", "name", CHANGE_ME);
    for (size_t i = 0; i < ARRAY_LEN(driver->places); i++) {
        const char *value = find_option(driver, options, driver->places[i][0]);

        if (driver->places[i][0])
            add_text(notes->out, "      ", driver->places[i][1],
                     str_empty(value) ? CHANGE_ME : value);
    }
}

static void add_connector(struct buf *out, const struct driver *driver,
                          const struct toml_value *options)
{
    const char *user = find_option(driver, options, driver->user_option);
    bool inner =
        is_set(driver, options, driver->inner[0]) || is_set(driver, options, driver->inner[1]);

    buf_add_str(out, "\n    [runners.autoscaler.connector_config]\n");
    add_text(out, "      ", "username", str_empty(user) ? driver->user : user);
    buf_addf(out, "      use_external_addr = %s\n", inner ? "false" : "true");
}

/* False = one of them cannot be said, and was told. */
static bool add_periods(struct migrate_notes *notes, int line, const struct toml_value *periods,
                        struct buf *ret)
{
    buf_add_str(ret, "      periods = [");
    for (size_t i = 0; periods && i < periods->n_items; i++) {
        autobuf struct buf period = BUF_INIT;
        const char *text = periods->items[i].type == TOML_STRING ? periods->items[i].text : "";
        const char *five = NULL;
        size_t len = 0;
        struct period parsed;
        struct error err = { 0 };

        if (period_parse_long(text, &parsed, &err) < 0 ||
            period_shorten(text, &five, &len, &err) < 0) {
            migrate_note(notes, line, "period \"%s\" is left out with its policy: %s", text,
                         err.message);
            return false;
        }
        buf_add_str(ret, i > 0 ? ", " : "");
        buf_add(&period, five, len);
        toml_quote(ret, buf_str(&period));
    }
    buf_add_str(ret, "]\n");
    return true;
}

/* Idle machines: IdleScaleFactor of those in use, at least IdleCountMin and at most IdleCount. */
static void add_idle(struct buf *out, const struct toml_value *table, const char *prefix)
{
    char count[32], seconds[32];
    double scale = *prefix ? 0 : factor(table, "IdleScaleFactor");
    autobuf struct buf time = BUF_INIT;

    (void) snprintf(count, sizeof(count), "%sIdleCount", prefix);
    (void) snprintf(seconds, sizeof(seconds), "%sIdleTime", prefix);
    format_duration(&time, number(table, seconds) * 1000);
    if (scale > 0)
        buf_addf(out,
                 "      idle_count = %" PRId64
                 "\n      scale_factor = %g\n      scale_factor_limit = %" PRId64 "\n",
                 MAX(number(table, "IdleCountMin"), (int64_t) 1), scale, number(table, count));
    else
        buf_addf(out, "      idle_count = %" PRId64 "\n", number(table, count));
    buf_addf(out, "      idle_time = \"%s\"\n", buf_str(&time));
}

/* `prefix`: that of the keys; the older kind of times has "OffPeak". */
static void add_policy(struct migrate_notes *notes, const struct toml_value *table,
                       const char *periods_key, const char *zone_key, const char *prefix)
{
    const struct toml_value *periods = periods_key ? toml_find_any_case(table, periods_key) : NULL;
    const char *zone = zone_key ? string(table, zone_key) : "";
    autobuf struct buf policy = BUF_INIT;

    buf_add_str(&policy, "\n    [[runners.autoscaler.policy]]\n");
    if (periods_key && !add_periods(notes, table->place.line, periods, &policy))
        return;
    if (!str_empty(zone))
        add_text(&policy, "      ", "timezone", zone);
    add_idle(&policy, table, prefix);
    buf_add(notes->out, buf_str(&policy), policy.len);
}

/* As before, the last one that holds counts whole. */
static void add_policies(struct migrate_notes *notes, const struct toml_value *machine)
{
    const struct toml_value *times = toml_find_any_case(machine, "autoscaling");

    add_policy(notes, machine, NULL, NULL, "");
    if (toml_find_any_case(machine, "OffPeakPeriods"))
        add_policy(notes, machine, "OffPeakPeriods", "OffPeakTimezone", "OffPeak");
    for (size_t i = 0; times && i < times->n_items; i++)
        add_policy(notes, &times->items[i], "Periods", "Timezone", "");
}

static void add_throttle(struct migrate_notes *notes, const struct toml_value *machine)
{
    const struct toml_value *growth = toml_find_any_case(machine, "MaxGrowthRate");
    int64_t most = number(machine, "MaxGrowthRate");

    if (most == 0)
        return;
    buf_add_str(notes->out, "\n    [runners.autoscaler.scale_throttle]\n");
    migrate_note(
        notes, toml_key_place(growth).line,
        "MaxGrowthRate was how many machines came to be at once; here so many are ordered at "
        "once, and then one a second");
    buf_addf(notes->out, "      limit = 1\n      burst = %" PRId64 "\n", most);
}

void machine_add_autoscaler(struct migrate_notes *notes, const struct toml_value *entry,
                            const struct toml_value *machine)
{
    const struct driver *driver = driver_of(machine);
    const struct toml_value *options = toml_find_any_case(machine, "MachineOptions");
    int line = machine->place.line;
    int64_t limit = number(entry, "limit");

    if (!driver) /* machine_is_known() was asked before */
        return;
    buf_add_str(notes->out, "\n  [runners.autoscaler]\n");
    notes->indent = 4;
    add_text(notes->out, "    ", "plugin", driver->plugin);
    buf_addf(notes->out, "    capacity_per_instance = 1\n    max_use_count = %" PRId64 "\n",
             number(machine, "MaxBuilds"));
    if (limit == 0)
        migrate_note(notes, line, "no limit was set: as many as the group has at most");
    buf_addf(notes->out, "    max_instances = %" PRId64 "\n", limit);
    add_plugin_config(notes, line, driver, options);
    add_connector(notes->out, driver, options);
    add_throttle(notes, machine);
    add_policies(notes, machine);
}
