/* sdk/check/contract_open.c - checks of the file, of open and of list: nothing of the group is
 * changed yet. */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "sdk/check/kit.h"

static const struct kit_how plainly = { 0 };

struct exports {
    struct kit *kit;
    const char *entry;
};

static void on_symbol(void *arg, const char *name)
{
    const struct exports *exports = arg;

    if (!str_eq(name, exports->entry))
        kit_fail(exports->kit, "it also exports %s", name);
}

void kit_check_exports(struct kit *kit, const char *entry)
{
    struct exports exports = { kit, entry };
    struct error err = { 0 };
    autoclose int fd = -1;

    if (plugin_open_file(kit->options->file, &fd, &err) < 0 ||
        plugin_check_elf(fd, entry, &err) < 0 ||
        plugin_each_export(fd, on_symbol, &exports, &err) < 0)
        kit_fail(kit, "%s", err.message);
}

static void check_exports(struct kit *kit)
{
    kit_check_exports(kit, FLT_PROVIDER_ENTRY);
}

static void check_load(struct kit *kit)
{
    struct error err = { 0 };

    if (plugin_load_provider(kit->options->file, &kit->provider, &err) < 0)
        kit_fail(kit, "%s", err.message);
    else if (!provider_text_valid(kit->provider.name) ||
             !provider_text_valid(kit->provider.version))
        kit_fail(kit, "its name or its version is no text");
    else if (kit->provider.config_keys && !(kit->provider.capabilities & FLT_CAP_CONFIG_KEYS))
        kit_fail(kit, "it has the slot config_keys, but not the capability");
    else if (kit->provider.heartbeat && !(kit->provider.capabilities & FLT_CAP_HEARTBEAT))
        kit_fail(kit, "it has the slot heartbeat, but not the capability");
    else if (kit->provider.signals && !(kit->provider.capabilities & FLT_CAP_SIGNALS))
        kit_fail(kit, "it has the slot signals, but not the capability");
}

static bool known_type(const char *type)
{
    static const char *const types[] = {
        "string", "integer", "boolean", "duration", "table", "list"
    };

    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcmp(types[i], type) == 0)
            return true;
    return false;
}

static int32_t take_key(void *arg, const struct flt_config_key *raw)
{
    struct flt_config_key key = { 0 };
    struct kit *kit = arg;

    memcpy(&key, raw, MIN((size_t) raw->struct_size, sizeof(key)));
    if (raw->struct_size < FLT_CONFIG_KEY_SIZE_1_0)
        kit_fail(kit, "a key's struct_size is %u, 1.0 has %u", raw->struct_size,
                 FLT_CONFIG_KEY_SIZE_1_0);
    else if (!provider_text_valid(key.name) || !*key.name)
        kit_fail(kit, "a key has no name");
    else if (!provider_text_valid(key.type) || !known_type(key.type))
        kit_fail(kit, "key '%s' has a type that does not exist", key.name);
    else if (!provider_text_valid(key.help) || !*key.help)
        kit_fail(kit, "key '%s' has no help", key.name);
    else if (key.default_value && !provider_text_valid(key.default_value))
        kit_fail(kit, "key '%s' has a default that is no text", key.name);
    else if (key.required > 1 || (key.required && key.default_value))
        kit_fail(kit, "key '%s' is required and has a default", key.name);
    else if (json_object_object_get_ex(kit->keys, key.name, NULL))
        kit_fail(kit, "key '%s' is told twice", key.name);
    else
        return json_add_str(kit->keys, key.name, key.type);
    return 1;
}

static void check_keys(struct kit *kit)
{
    int32_t code;

    if (!kit->provider.config_keys) {
        kit_skip(kit, "it does not tell the keys of its plugin_config");
        return;
    }
    kit->keys = json_object_new_object();
    code = kit->provider.config_keys(take_key, kit);
    if (code != FLT_OK)
        kit_fail(kit, "config_keys returned %s", kit_code_name(code));
}

static int32_t refuse_key(void *arg, const struct flt_config_key *key)
{
    unsigned *count = arg;

    (void) key;
    ++*count;
    return 1;
}

static void check_keys_stop(struct kit *kit)
{
    unsigned count = 0;
    int32_t code;

    if (!kit->provider.config_keys) {
        kit_skip(kit, "it does not tell the keys of its plugin_config");
        return;
    }
    code = kit->provider.config_keys(refuse_key, &count);
    if (count > 1)
        kit_fail(kit, "config_keys went on emitting after its sink had said stop");
    else if (count == 1 && code != FLT_E_CANCELLED)
        kit_fail(kit, "config_keys returned %s after its sink had said stop", kit_code_name(code));
}

/* The host's table as 1.0 had it, with nothing that could be read behind it. */
static const struct flt_host *first_host(void)
{
    size_t page = (size_t) sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct flt_host *host;

    if (pages == MAP_FAILED || mprotect(pages + page, page, PROT_NONE) < 0)
        return NULL;
    host = (struct flt_host *) (void *) (pages + page - FLT_HOST_SIZE_1_0);
    memcpy(host, &kit_host, FLT_HOST_SIZE_1_0);
    host->struct_size = FLT_HOST_SIZE_1_0;
    host->abi_minor = 0;
    return host;
}

/* As the oldest host runs it: it calls no optional slot and offers none of later ones. It comes
 * before all others, so that the plugin cannot live on what an optional slot has done. */
static void check_first_host(struct kit *kit)
{
    struct flt_provider whole = kit->provider;

    if (whole.abi_minor_needed > 0) {
        kit_skip(kit, "it needs a host of 1.%u", whole.abi_minor_needed);
        return;
    }
    kit->host = first_host();
    kit->provider.capabilities = 0;
    memset((char *) &kit->provider + FLT_PROVIDER_SIZE_1_0, 0,
           sizeof(kit->provider) - FLT_PROVIDER_SIZE_1_0);
    if (kit->host)
        kit_live(kit);
    else
        kit_fail(kit, "out of memory");
    kit->provider = whole;
    kit->host = &kit_host;
}

static void check_open(struct kit *kit)
{
    struct kit_call *call;

    if (kit_open(kit, plainly, kit_plugin_config(kit), &call) != FLT_OK)
        kit_fail_result(call);
}

static void reopen(struct kit *kit)
{
    kit_close(kit);
    check_open(kit);
}

/* The given configuration with one key set otherwise; lives until the next call. */
static const char *config_with(struct kit *kit, const char *key, json_t *value)
{
    static json_t *config;

    json_object_put(take_ptr(config));
    if (json_parse(kit_plugin_config(kit), strlen(kit_plugin_config(kit)), &config, NULL) < 0)
        config = json_object_new_object();
    (void) json_add(config, key, value);
    return json_text(config);
}

static void check_unknown_key(struct kit *kit)
{
    const char *config = config_with(kit, KIT_UNKNOWN_KEY, json_object_new_int(1));
    struct kit_call *call;

    kit_close(kit);
    if (kit_open(kit, plainly, config, &call) != FLT_OK)
        kit_fail_result(call);
    else if (!strstr(call->log, KIT_UNKNOWN_KEY) || call->worst_level > FLT_LOG_WARNING)
        kit_fail(kit, "open logged no warning that names the key");
}

/* A value that the type does not allow. */
static json_t *wrong_value(const char *type)
{
    if (str_eq(type, "table") || str_eq(type, "string"))
        return json_object_new_array();
    if (str_eq(type, "list") || str_eq(type, "duration"))
        return json_object_new_object();
    return json_object_new_string("neither a number nor true");
}

static void check_wrong_types(struct kit *kit)
{
    if (!kit->keys) {
        kit_skip(kit, "it does not tell the keys of its plugin_config");
        return;
    }
    json_object_object_foreach(kit->keys, key, type)
    {
        const char *config = config_with(kit, key, wrong_value(json_object_get_string(type)));
        struct kit_call *call;

        kit_close(kit);
        (void) kit_open(kit, plainly, config, &call);
        if (call->code != FLT_E_INVALID)
            kit_fail(kit, "open returned %s for a '%s' that is no %s", kit_code_name(call->code),
                     key, json_object_get_string(type));
        else if (!strstr(call->message, key))
            kit_fail(kit, "open refused a wrong '%s' without naming it: %s", key, call->message);
    }
}

/* A list that must be complete. */
static bool list_all(struct kit *kit, struct kit_call **ret_call)
{
    if (kit_list(kit, plainly, ret_call) == FLT_OK)
        return !kit_failed(kit);
    kit_fail_result(*ret_call);
    return false;
}

static void check_list(struct kit *kit)
{
    struct kit_call *first, *second;

    if (!list_all(kit, &first) || !list_all(kit, &second))
        return;
    kit->before = second->emitted;
    for (size_t i = 0; i < first->emitted.n; i++)
        if (!kit_find(&second->emitted, first->emitted.items[i].id))
            kit_fail(kit, "the second list lacks %s", first->emitted.items[i].id);
    for (size_t i = 0; i < second->emitted.n; i++)
        if (!kit_find(&first->emitted, second->emitted.items[i].id))
            kit_fail(kit, "the second list has %s, the first had not", second->emitted.items[i].id);
}

const struct kit_check kit_checks_open[] = {
    { "one exported symbol", check_exports, false },
    { "loads and is admitted", check_load, true },
    { "works with a host of 1.0", check_first_host, false },
    { "config keys are well formed", check_keys, false },
    { "config_keys stops when it is told to", check_keys_stop, false },
    { "open takes the given configuration", check_open, true },
    { "open warns of an unknown key", check_unknown_key, false },
    { "open refuses a wrong type", check_wrong_types, false },
    { "a cancelled open ends within a second", check_cancel_open, false },
    { "open again after close", reopen, true },
    { "list is repeatable", check_list, true },
    { NULL, NULL, false },
};
