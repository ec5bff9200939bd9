/* tests/integration/call_slot.c - asks a provider for what the host does not ask for yet: suspend and resume.
 *
 * Usage: call_slot PLUGIN PLUGIN_CONFIG REQUEST_ID suspend|resume ID... Opens a group, makes the call, closes it. Prints
 * the call's result, and each id that was accepted on a line of its own; what the plugin says goes to stderr. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "tests/fakes/host_fake.h"

#define TIME_MS 120000

static int32_t print_id(void *arg, const char *id)
{
    (void) arg;
    (void) printf("%s\n", id);
    return 0;
}

static void say(const struct fake_call *call)
{
    (void) fprintf(stderr, "%s%s\n", call->log, call->fail_text);
}

static int32_t change(const struct flt_provider *provider, flt_group *group, char **words)
{
    struct fake_call call;
    uint32_t n = 0;
    int32_t code;

    while (words[2 + n])
        n++;
    fake_call_init(&call, "/nonexistent", TIME_MS);
    call.request_id = words[0];
    call.epoch = 1;
    code = (strcmp(words[1], "suspend") == 0 ? provider->suspend : provider->resume)(
        group, fake_call_ptr(&call), (const char *const *) words + 2, n, print_id, NULL);
    say(&call);
    fake_call_done(&call);
    return code;
}

static int use(const struct flt_provider *provider, char **words)
{
    struct fake_call call;
    flt_group *group = NULL;
    int32_t code;

    fake_call_init(&call, "/nonexistent", TIME_MS);
    code = provider->open(&fake_host, fake_call_ptr(&call), words[0], "{}", &group);
    say(&call);
    fake_call_done(&call);
    if (code == FLT_OK) {
        code = change(provider, group, words + 1);
        provider->close(group);
    }
    (void) printf("%d\n", (int) code);
    return 0;
}

int main(int argc, char **argv)
{
    const struct flt_provider *(*entry)(void) = NULL;
    void *plugin = argc > 5 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;

    if (plugin)
        *(void **) &entry = dlsym(plugin, FLT_PROVIDER_ENTRY);
    if (!entry) {
        (void) fprintf(stderr,
                       "usage: call_slot PLUGIN PLUGIN_CONFIG REQUEST_ID suspend|resume ID...\n");
        return 2;
    }
    return use(entry(), argv + 2);
}
