/* sdk/lib/plugin_options.h - plugin_config and connector_config of a provider, read by a table: one entry a key, which
 * also describes it (config_keys). Used by plugins/aws and plugins/gcp.
 *
 * What is wrong ends the call with FLT_E_INVALID and a sentence that names the key; an unknown key is a warning.
 */
#ifndef FLOTILLA_LIB_PLUGIN_OPTIONS_H
#define FLOTILLA_LIB_PLUGIN_OPTIONS_H

#include <flotilla/provider.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a key holds, and the field that it fills. */
enum flt_option_kind {
    FLT_OPTION_TEXT,     /* const char *, of the document; NULL when it is empty */
    FLT_OPTION_URL,      /* the same */
    FLT_OPTION_BOOL,     /* bool */
    FLT_OPTION_DURATION, /* int64_t, milliseconds */
    FLT_OPTION_PRICE,    /* int64_t, millionths */
    FLT_OPTION_CHOICE,   /* unsigned, the index in `choices` */
};

struct flt_option {
    struct flt_config_key key;
    enum flt_option_kind kind;
    size_t offset;
    const char *want;               /* what a wrong one must be; NULL = as the kind says */
    bool (*fits)(const char *text); /* of a text that is not empty; NULL = any */
    const char *const *choices;     /* NULL at the end */
};

/* Entries of a table: FLT_OPTION("name", TEXT, struct x_options, field, .required = 1, .help = "..."). The type is a
 * text of the ABI: "string", "boolean", "duration". */
#define FLT_OPTION(n, t, k, s, f, ...)                                                             \
    .key = { .struct_size = sizeof(struct flt_config_key), .name = n, .type = t, __VA_ARGS__ },    \
    .kind = FLT_OPTION_##k, .offset = offsetof(s, f)

struct flt_option_table {
    const struct flt_option *options;
    size_t n;
};

int32_t flt_options_describe(const struct flt_option_table *table, flt_key_sink sink, void *arg);
/* Fills the fields of `ret`; what is not said leaves them as they are. *ret_document holds the texts; json_object_put()
 * it, also after a failure. */
int32_t flt_options_read(const struct flt_option_table *table, const struct flt_host *host,
                         flt_call *call, const char *plugin_config, void *ret,
                         struct json_object **ret_document);

/* What providers need of connector_config. Texts are NULL where nothing is said. */
struct flt_connector {
    const char *os, *arch, *protocol, *username, *host_key_policy;
    bool use_static_credentials, has_password;
    char *key; /* wiped */
    struct json_object *document;
};
int32_t flt_connector_read(const struct flt_host *host, flt_call *call,
                           const char *connector_config, struct flt_connector *ret);
void flt_connector_done(struct flt_connector *connector); /* also after a failure */

#endif
