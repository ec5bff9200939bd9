/* core/cli/doctor_group.c - `flotilla doctor` on each runner's instances: the plugin's file, whether its cloud lets us look,
 * and whether an instance that runs is reached. The steps are those of `flotilla plugin try` before it orders one
 * (plugin_try.c). */
#include "core/base/str.h"
#include "core/cli/doctor.h"
#include "core/cli/plugin_try.h"

struct look {
    struct doctor *doctor;
    const char *runner;
};

static const char *fix_of(const char *step)
{
    static const struct {
        const char *step, *fix;
    } rows[] = {
        { "plugin",
          "`flotilla plugin list` shows what is found where; install its package, or name "
          "its folder by --plugin-dir; chown and chmod 755 what others could write" },
        { "open", "look at plugin_config, and at the credentials and rights that it names" },
        { "list", "look at the rights of these credentials: docs/ names them for each cloud" },
        { "address", "`flotilla explain` says more" },
        { "ssh", "look at the instance's sshd, its firewall, and use_external_addr" },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_eq(rows[i].step, step))
            return rows[i].fix;
    return NULL;
}

static void on_step(void *arg, const char *step, bool well, const char *text)
{
    const struct look *look = arg;

    doctor_say(look->doctor, well ? DOCTOR_OK : DOCTOR_FAIL, step, well ? NULL : fix_of(step),
               "runner '%s': %s", look->runner, text);
}

void doctor_look_at_groups(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->config->n_runners; i++) {
        const struct config_runner *runner = &doctor->config->runners[i];
        struct look look = { doctor, runner->name };
        const struct try_options options = { .config = doctor->config,
                                             .plugin_dirs = doctor->plugin_dirs,
                                             .on_step = on_step,
                                             .arg = &look };

        plugin_look(&options, runner);
    }
}
