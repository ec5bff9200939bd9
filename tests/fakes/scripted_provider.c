/* tests/fakes/scripted_provider.c - a provider that plays what a test writes into the folder that
 * plugin_config names as `dir`, while it runs:
 *
 *   list                lines "ID STATE" (the number of the state); no file: no instances
 *   signals             lines "CODE ID AT_MS TEXT", ID "-" for the group; no file: none
 *   addresses           "INTERNAL EXTERNAL" of all instances; no file: none can be connected to yet
 *   open_path           which file each list tries to open; no file: none
 *   CALL_code           what list, signals, increase or decrease answers; no file: 0
 *   CALL_delay_ms       how long it, or close, takes for that
 *   group_minimum_life_ms, group_minimum_billed_ms, group_recycle_ms    what open tells of the group; no file: 0
 *
 * and writes there what it was asked: a line in `listed` for each list, `signalled` likewise, `increased` with the count,
 * `decreased` with each id, `connected` with the id of each connect_info, `opened` with what came of it. */
#include <errno.h>
#include <flotilla/provider.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct flt_group {
    const struct flt_host *host;
    char dir[200];
};

static FILE *open_file(const flt_group *g, const char *name, const char *mode)
{
    char path[300];

    (void) snprintf(path, sizeof(path), "%s/%s", g->dir, name);
    return fopen(path, mode);
}

/* Strictly: a script that is no number is none. */
static int32_t parse_number(const char *text)
{
    struct json_object *number = json_tokener_parse(text);
    int32_t value =
        json_object_is_type(number, json_type_int) ? json_object_get_int(number) : FLT_E_INTERNAL;

    json_object_put(number);
    return value;
}

static int32_t read_number(const flt_group *g, const char *call, const char *what)
{
    char name[64], text[32] = "";
    FILE *file;

    (void) snprintf(name, sizeof(name), "%s_%s", call, what);
    file = open_file(g, name, "re");
    if (!file)
        return 0;
    (void) !fgets(text, sizeof(text), file);
    (void) fclose(file);
    return parse_number(text);
}

static void note(const flt_group *g, const char *name, const char *text)
{
    FILE *file = open_file(g, name, "ae");

    if (!file)
        return;
    (void) fprintf(file, "%s\n", text);
    (void) fclose(file);
}

static void pause_as_scripted(const flt_group *g, const char *name)
{
    int32_t delay = read_number(g, name, "delay_ms");
    struct timespec pause = { delay / 1000, delay % 1000 * 1000000L };

    (void) nanosleep(&pause, NULL);
}

/* Waits as long as the script says, then gives the code that it wants. */
static int32_t play(flt_group *g, flt_call *call, const char *name)
{
    int32_t code;

    pause_as_scripted(g, name);
    code = read_number(g, name, "code");
    return code == 0 ? FLT_OK : flt_failf(g->host, call, code, 0, "%s fails by the script", name);
}

static void describe(flt_group *g, flt_call *call)
{
    struct flt_group_info info = { .struct_size = sizeof(info),
                                   .max_size = 10000,
                                   .identity = "a scripted group",
                                   .minimum_life_ms = read_number(g, "group", "minimum_life_ms"),
                                   .minimum_billed_ms =
                                       read_number(g, "group", "minimum_billed_ms"),
                                   .recycle_ms = read_number(g, "group", "recycle_ms") };

    g->host->describe_group(call, &info);
}

static int32_t scripted_open(const struct flt_host *host, flt_call *call, const char *plugin_config,
                             const char *connector_config, flt_group **ret_group)
{
    struct json_object *config = json_tokener_parse(plugin_config), *dir = NULL;
    flt_group *g = calloc(1, sizeof(*g));

    (void) connector_config;
    if (!g || !json_object_object_get_ex(config, "dir", &dir)) {
        json_object_put(config);
        free(g);
        return host->fail(call, FLT_E_INVALID, 0, "plugin_config.dir is missing");
    }
    g->host = host;
    (void) snprintf(g->dir, sizeof(g->dir), "%s", json_object_get_string(dir));
    json_object_put(config);
    describe(g, call);
    *ret_group = g;
    return FLT_OK;
}

static void scripted_close(flt_group *g)
{
    pause_as_scripted(g, "close");
    free(g);
}

static int32_t emit_line(char *line, flt_instance_sink sink, void *arg)
{
    struct flt_instance instance = { .struct_size = sizeof(instance), .id = line };
    char *state = strchr(line, ' ');

    if (!state)
        return FLT_OK;
    *state = '\0';
    instance.state = parse_number(state + 1);
    return sink(arg, &instance) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

/* As a provider that was taken over might. */
static void reach_out(const flt_group *g)
{
    FILE *script = open_file(g, "open_path", "re"), *found;
    char path[300] = "";

    if (!script)
        return;
    if (fgets(path, sizeof(path), script)) {
        found = fopen(path, "re");
        note(g, "opened", found ? "opened" : strerror(errno));
        if (found)
            (void) fclose(found);
    }
    (void) fclose(script);
}

static int32_t scripted_list(flt_group *g, flt_call *call, flt_instance_sink sink, void *arg)
{
    int32_t code = play(g, call, "list");
    char line[300];
    FILE *file;

    if (code == FLT_OK && (file = open_file(g, "list", "re"))) {
        while (code == FLT_OK && fgets(line, sizeof(line), file))
            code = emit_line(line, sink, arg);
        (void) fclose(file);
    }
    reach_out(g);
    note(g, "listed", "");
    return code;
}

static int32_t scripted_increase(flt_group *g, flt_call *call, uint32_t n, uint32_t *ret_accepted)
{
    int32_t code = play(g, call, "increase");
    char count[16];

    (void) snprintf(count, sizeof(count), "%u", n);
    note(g, "increased", count);
    *ret_accepted = code == FLT_OK ? n : 0;
    return code;
}

static int32_t scripted_decrease(flt_group *g, flt_call *call, const char *const *ids, uint32_t n,
                                 flt_id_sink accepted, void *arg)
{
    int32_t code = play(g, call, "decrease");

    for (uint32_t i = 0; i < n; i++) {
        note(g, "decreased", ids[i]);
        if (code == FLT_OK && accepted(arg, ids[i]) != 0)
            return FLT_E_CANCELLED;
    }
    return code;
}

static int32_t scripted_connect_info(flt_group *g, flt_call *call, const char *id,
                                     flt_connect_sink sink, void *arg)
{
    struct flt_connect_info info = { .struct_size = sizeof(info), .username = "nobody" };
    FILE *file = open_file(g, "addresses", "re");
    char line[300] = "", *external;

    note(g, "connected", id);
    if (file) {
        (void) !fgets(line, sizeof(line), file);
        (void) fclose(file);
        line[strcspn(line, "\n")] = '\0';
        if ((external = strchr(line, ' ')))
            *external++ = '\0';
        info.address = line;
        info.external_address = external;
        return sink(arg, &info) == 0 ? FLT_OK : FLT_E_CANCELLED;
    }
    return flt_failf(g->host, call, FLT_E_NOT_READY, 60000, "%s is never ready", id);
}

static int32_t emit_signal(char *line, flt_signal_sink sink, void *arg)
{
    struct flt_signal signal = { .struct_size = sizeof(signal) };
    char *rest = line, *code = strsep(&rest, " "), *id = strsep(&rest, " "),
         *at = strsep(&rest, " ");
    struct json_object *at_ms;

    if (!at)
        return FLT_OK;
    at_ms = json_tokener_parse(at);
    signal.code = parse_number(code);
    signal.instance = strcmp(id, "-") == 0 ? NULL : id;
    signal.at_ms = json_object_get_int64(at_ms);
    signal.text = rest;
    json_object_put(at_ms);
    return sink(arg, &signal) == 0 ? FLT_OK : FLT_E_CANCELLED;
}

static int32_t scripted_signals(flt_group *g, flt_call *call, flt_signal_sink sink, void *arg)
{
    int32_t code = play(g, call, "signals");
    char line[600];
    FILE *file;

    if (code == FLT_OK && (file = open_file(g, "signals", "re"))) {
        while (code == FLT_OK && fgets(line, sizeof(line), file)) {
            line[strcspn(line, "\n")] = '\0';
            code = emit_signal(line, sink, arg);
        }
        (void) fclose(file);
    }
    note(g, "signalled", "");
    return code;
}

static const struct flt_provider scripted = {
    .magic = FLT_PROVIDER_MAGIC,
    .struct_size = sizeof(struct flt_provider),
    .abi_minor = FLT_ABI_MINOR,
    .name = "scripted",
#ifdef IDS_RETURN
    .capabilities = FLT_CAP_SIGNALS | FLT_CAP_IDS_RETURN,
#else
    .capabilities = FLT_CAP_SIGNALS,
#endif
    .version = "1",
    .open = scripted_open,
    .close = scripted_close,
    .list = scripted_list,
    .increase = scripted_increase,
    .decrease = scripted_decrease,
    .connect_info = scripted_connect_info,
    .signals = scripted_signals,
};

const struct flt_provider *flotilla_provider_v1(void)
{
    return &scripted;
}
