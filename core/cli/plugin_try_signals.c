/* core/cli/plugin_try_signals.c - what the cloud says while `flotilla plugin try` waits for its instance: that it is of no
 * use, or that the group cannot grow. Clouds accept an order, and find out later that they cannot make what it asks for.
 */
#include "core/cli/plugin_try_parts.h"

#include <flotilla/provider.h>

#include "core/base/str.h"

/* One that is older than the order says nothing of it. */
static void note_growth(struct trial *trial, json_t *item)
{
    int64_t at_ms = 0;

    (void) json_opt_i64(item, "at_ms", 0, INT64_MAX, &at_ms, NULL);
    if (at_ms == 0 || at_ms >= trial->ordered_ms)
        (void) str_cut(trial->growth, sizeof(trial->growth), try_text(item, "text"));
}

static int take_signal(struct trial *trial, json_t *item, struct error *err)
{
    const char *instance = try_text(item, "instance");
    int64_t code = FLT_OK;

    (void) json_opt_i64(item, "code", INT32_MIN, INT32_MAX, &code, NULL);
    if (code == FLT_E_QUOTA && !*instance)
        note_growth(trial, item);
    if (code != FLT_E_UNHEALTHY || !*trial->id || !str_eq(instance, trial->id))
        return 0;
    return error_set(err, -EREMOTEIO, "instance %s failed before it ran: %s", trial->id,
                     try_text(item, "text"));
}

int try_hear(struct trial *trial, struct error *err)
{
    int r = try_call(trial, json_frame("signals"), TRY_CALL_MS, err);
    json_t *signals = NULL;

    if (r < 0)
        return r;
    (void) json_opt_array(trial->reply, "signals", &signals, NULL);
    for (size_t i = 0; r == 0 && signals && i < json_object_array_length(signals); i++)
        r = take_signal(trial, json_object_array_get_idx(signals, i), err);
    return r;
}
