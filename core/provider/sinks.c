/* core/provider/sinks.c - what a plugin emits during a call: copied and checked at once (hardening.md
 * L3); a record after the end of its call is a breach. */
#include <string.h>

#include "core/base/str.h"
#include "core/plugin/plugin.h"
#include "core/provider/check.h"
#include "core/provider/client.h"
#include "core/provider/session.h"

#define SIGNAL_TEXT_MAX 256 /* of the cloud's sentence: what a log line can use */

static bool sink_open(flt_call *call, const void *record)
{
    if (call->ended)
        session_note_breach(call->session, "the plugin emitted after its call had returned");
    else if (!pthread_equal(call->thread, pthread_self()))
        session_note_breach(call->session,
                            "the plugin emitted from another thread than its call's");
    else if (!record)
        session_note_breach(call->session, "the plugin emitted NULL");
    else
        return !session_breach(call->session); /* what goes on after a breach costs nothing more */
    return false;
}

static bool is_id(flt_call *call, const char *id)
{
    if (plugin_id_valid(id))
        return true;
    session_note_breach(call->session, "the plugin emitted an id that is not 1 to 255 bytes of "
                                       "letters, digits and ._:/-");
    return false;
}

static bool first_time(flt_call *call, const char *id)
{
    if (!is_id(call, id))
        return false;
    if (json_object_object_get_ex(call->seen, id, NULL)) {
        session_note_breach(call->session, "the plugin emitted the same id twice in one call");
        return false;
    }
    return json_add_bool(call->seen, id, true) == 0;
}

int32_t sink_instance(void *arg, const struct flt_instance *raw)
{
    flt_call *call = arg;
    struct flt_instance instance = { 0 };
    json_t *item;

    if (!sink_open(call, raw))
        return 1;
    memcpy(&instance, raw, MIN((size_t) raw->struct_size, sizeof(instance)));
    if (!first_time(call, instance.id))
        return 1;
    if (instance.state < FLT_STATE_CREATING || instance.state > FLT_STATE_RESUMING) {
        session_note_breach(call->session,
                            "the plugin emitted an instance in a state that does not exist");
        return 1;
    }
    if (json_object_array_length(call->items) >= PROVIDER_LIST_MAX) {
        session_note_breach(call->session, "the plugin listed more than 10,000 instances");
        return 1;
    }
    item = json_object_new_object();
    (void) json_add_str(item, "id", instance.id);
    (void) json_add_i64(item, "state", instance.state);
    return json_object_array_add(call->items, item) < 0;
}

int32_t sink_id(void *arg, const char *id)
{
    flt_call *call = arg;

    if (!sink_open(call, id) || !first_time(call, id))
        return 1;
    if (!json_object_object_get_ex(call->asked, id, NULL)) {
        session_note_breach(call->session, "the plugin accepted an id that it was not asked about");
        return 1;
    }
    return json_object_array_add(call->items, json_object_new_string(id)) < 0;
}

int32_t sink_connect(void *arg, const struct flt_connect_info *raw)
{
    flt_call *call = arg;
    struct flt_connect_info info = { 0 };
    struct error err = { 0 };

    if (!sink_open(call, raw))
        return 1;
    memcpy(&info, raw, MIN((size_t) raw->struct_size, sizeof(info)));
    json_object_put(call->connect);
    call->connect = NULL;
    if (provider_connect_json(&info, session_capabilities(call->session), &call->connect, &err) <
        0) {
        (void) snprintf(call->message, SESSION_MESSAGE_MAX, "connect_info: %s", err.message);
        return 1;
    }
    return 0;
}

int32_t sink_key(void *arg, const struct flt_config_key *raw)
{
    flt_call *call = arg;
    struct flt_config_key key = { 0 };
    json_t *item;

    if (!sink_open(call, raw))
        return 1;
    memcpy(&key, raw, MIN((size_t) raw->struct_size, sizeof(key)));
    if (!provider_text_valid(key.name) || !provider_text_valid(key.type))
        return 1;
    item = json_object_new_object();
    (void) json_add_str(item, "name", key.name);
    (void) json_add_str(item, "type", key.type);
    (void) json_add_bool(item, "required", key.required != 0);
    if (provider_text_valid(key.default_value))
        (void) json_add_str(item, "default", key.default_value);
    if (provider_text_valid(key.help))
        (void) json_add_str(item, "help", key.help);
    return json_object_array_add(call->items, item) < 0;
}

/* Several about one instance are possible, and what they say is believed by the group or not. */
int32_t sink_signal(void *arg, const struct flt_signal *raw)
{
    flt_call *call = arg;
    struct flt_signal signal = { 0 };
    autobuf struct buf shown = BUF_INIT;
    json_t *item;

    if (!sink_open(call, raw))
        return 1;
    memcpy(&signal, raw, MIN((size_t) raw->struct_size, sizeof(signal)));
    if (signal.instance && !is_id(call, signal.instance))
        return 1;
    if (json_object_array_length(call->items) >= PROVIDER_LIST_MAX) {
        session_note_breach(call->session, "the plugin emitted more than 10,000 signals");
        return 1;
    }
    if (signal.text)
        str_display(&shown, signal.text, strnlen(signal.text, SIGNAL_TEXT_MAX + 1),
                    SIGNAL_TEXT_MAX);
    item = json_object_new_object();
    (void) json_add_i64(item, "code", signal.code);
    (void) json_add_str(item, "instance", signal.instance);
    (void) json_add_str(item, "text", buf_str(&shown));
    (void) json_add_i64(item, "at_ms", MAX(signal.at_ms, INT64_C(0)));
    return json_object_array_add(call->items, item) < 0;
}
