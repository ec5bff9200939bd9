/* core/cli/simulate.c - `flotilla simulate`: the scaler in virtual time, before it costs money. */
#include "core/cli/simulate.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/harden.h"
#include "core/base/str.h"
#include "core/cli/cli.h"
#include "core/page/page.h"

#define DEFAULT_DURATION_MS (5 * 60 * 1000)

static int no_such_runner(const struct config *config, const char *name)
{
    autobuf struct buf names = BUF_INIT;

    for (size_t i = 0; i < config->n_runners; i++)
        buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", config->runners[i].name);
    if (name)
        cli_say("error: %s has no runner '%s', but %s", config->file, name, buf_str(&names));
    else
        cli_say("error: %s has several runners; --runner says which: %s", config->file,
                buf_str(&names));
    return -ENOENT;
}

static int choose_runner(const struct config *config, const char *name,
                         const struct config_runner **ret)
{
    for (size_t i = 0; i < config->n_runners; i++)
        if (name ? str_eq(config->runners[i].name, name) : config->n_runners == 1) {
            *ret = &config->runners[i];
            return 0;
        }
    return no_such_runner(config, name);
}

/* What tells the files apart: their names without the directories that they share. */
static size_t shared_path(const struct simulate_options *options)
{
    size_t n = 0;

    for (size_t i = 0; options->configs[0][i]; i++) {
        for (size_t k = 1; k < options->n_configs; k++)
            if (options->configs[k][i] != options->configs[0][i])
                return n;
        if (options->configs[0][i] == '/')
            n = i + 1;
    }
    return n;
}

static int simulate_one(const struct simulate_options *options, const char *file,
                        const struct workload *workload, struct result *ret)
{
    auto_ptr(config_free) struct config *config = NULL;
    const struct config_runner *runner = NULL;
    struct engine_settings settings;
    struct error err = { 0 };
    int r = cli_load_config(file, CONFIG_WARNING, &config);

    if (r == 0)
        r = choose_runner(config, options->runner, &runner);
    if (r < 0)
        return r;
    engine_settings_read(config, runner, &settings);
    settings.name = file + shared_path(options);
    settings.cloud = options->cloud;
    settings.request_ms = options->request_ms;
    settings.seed = options->seed;
    r = engine_run(&settings, workload, ret, &err);
    if (r < 0)
        cli_say("error: %s: %s", file, err.message);
    return r;
}

static int print_results(const struct simulate_options *options, const struct result *results)
{
    autobuf struct buf table = BUF_INIT;
    autojson json_t *document = NULL;

    if (options->json) {
        document = result_json(results, options->n_configs);
        return document ? printf("%s\n", json_text(document)) : -ENOMEM;
    }
    result_table(results, options->n_configs, &table);
    return buf_error(&table) < 0 ? buf_error(&table) : printf("%s", buf_str(&table));
}

static int write_report(const struct simulate_options *options, const struct result *results)
{
    autobuf struct buf html = BUF_INIT;
    struct error err = { 0 };
    int r = result_report(results, options->n_configs, &html, &err);

    if (r == 0)
        r = page_write_file(options->report, &html, &err);
    if (r < 0)
        cli_say("error: %s", err.message);
    return r;
}

static int simulate(const struct simulate_options *options)
{
    struct result results[RESULTS_MAX] = { 0 };
    struct workload workload = { 0 };
    struct error err = { 0 };
    int r = options->report ? page_check_file(options->report, &err) : 0;

    if (r == 0)
        r = simulate_read_jobs(options, &workload, &err);
    if (r < 0)
        cli_say("error: %s", err.message);
    for (size_t i = 0; r == 0 && i < options->n_configs; i++)
        r = simulate_one(options, options->configs[i], &workload, &results[i]);
    if (r == 0)
        r = print_results(options, results);
    if (r >= 0 && options->report)
        r = write_report(options, results);
    for (size_t i = 0; i < options->n_configs; i++)
        result_done(&results[i]);
    workload_done(&workload);
    return r < 0 ? 1 : 0;
}

int cli_simulate(int argc, char **argv)
{
    struct simulate_options options = {
        .duration = { .kind = DISTRIBUTION_FIXED, .first_ms = DEFAULT_DURATION_MS },
        .cloud = cloud_default,
        .request_ms = 100,
        .seed = 1,
    };
    int r = simulate_parse_options(argc, argv, &options);

    if (r != 0)
        return r > 0 ? 0 : 2;
    if (options.n_configs == 0)
        options.configs[options.n_configs++] = cli_default_config();
    if (harden_process() < 0)
        return 1;
    return options.replay ? simulate_replay(&options) : simulate(&options);
}
