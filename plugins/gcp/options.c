/* options.c - plugin_config of the Google Cloud provider, with the keys of GitLab's own plugin and more. */

#include "gcp.h"

#include <stdio.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define MINUTE_MS 60000

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len <= GCP_NAME_MAX && strspn(text, LOWER DIGITS "-") == len && text[0] >= 'a' &&
           text[0] <= 'z' && text[len - 1] != '-';
}

/* Also "example.com:project", and a project's number. */
static bool is_project(const char *text)
{
    size_t len = strlen(text);

    return len <= GCP_PROJECT_MAX && strspn(text, LOWER DIGITS "-.:") == len;
}

static const char *const addresses[] = {
    [GCP_ADDRESSES_IPV4] = "ipv4", [GCP_ADDRESSES_IPV6] = "ipv6", NULL
};

#define OPTION(n, t, k, f, ...) FLT_OPTION(n, t, k, struct gcp_options, f, __VA_ARGS__)
static const struct flt_option options[] = {
    { OPTION("name", "string", TEXT, name, .required = 1,
             .help = "name of the managed instance group"),
      .want = "the name of a managed instance group: lower case letters, digits and hyphens",
      .fits = is_name },
    { OPTION("project", "string", TEXT, project, .required = 1,
             .help = "id of the project that has the group"),
      .want = "the id of a project, such as \"my-project-123\"", .fits = is_project },
    { OPTION("zone", "string", TEXT, zone, .help = "zone of a zonal group; either this or region"),
      .want = "a zone such as \"europe-west1-c\"", .fits = is_name },
    { OPTION("region", "string", TEXT, region,
             .help = "region of a regional group; either this or zone"),
      .want = "a region such as \"europe-west1\"", .fits = is_name },
    { OPTION("credentials_file", "string", TEXT, credentials_file,
             .help = "key file of a service account, or any other credentials that Google's "
                     "libraries read; default GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the "
                     "machine's service account") },
    { OPTION("endpoint", "string", URL, endpoint,
             .help = "URL that answers for all services, for simulators and private endpoints") },
    { OPTION("metadata_endpoint", "string", URL, metadata_endpoint,
             .help = "URL of the metadata service; default GCE_METADATA_HOST, "
                     "http://metadata.google.internal") },
    { OPTION("addresses", "string", CHOICE, addresses, .default_value = "ipv4",
             .help = "which addresses of an instance are used: \"ipv4\" or \"ipv6\""),
      .want = "\"ipv4\" or \"ipv6\"", .choices = addresses },
    { OPTION("push_keys", "boolean", BOOL, push_keys, .default_value = "true",
             .help = "bring a public key to an instance, by its metadata or OS Login: a new one, "
                     "or that of connector_config.key_path") },
    { OPTION("host_keys", "boolean", BOOL, host_keys, .default_value = "true",
             .help = "read an instance's host keys from its guest attributes") },
    { OPTION("price_per_hour", "string", PRICE, price_micros_hour,
             .help = "what an instance costs an hour, as \"0.0475\"") },
    { OPTION("minimum_billed", "duration", DURATION, minimum_billed_ms,
             .help = "instances are charged for in pieces of this, a started one in full; default "
                     "none: by the second") },
    { OPTION("minimum_life", "duration", DURATION, minimum_life_ms, .default_value = "60s",
             .help = "what an instance is charged for at least") },
    { OPTION("recycle_time", "duration", DURATION, recycle_ms, .default_value = "0s",
             .help = "how long the place of an instance that was deleted stays taken") },
    { OPTION("take_over", "boolean", BOOL, take_over, .default_value = "false",
             .help =
                 "take the group from whichever manager has ordered its instances, for managers "
                 "whose machines are replaced: the instances of one that still runs are "
                 "removed") },
};
#undef OPTION

static const struct flt_option_table table = { options, COUNT(options) };

int32_t options_describe(flt_key_sink sink, void *arg)
{
    return flt_options_describe(&table, sink, arg);
}

static int32_t check_place(struct flt_group *g)
{
    const struct gcp_options *o = &g->options;

    if (!o->zone == !o->region)
        return gcp_fail(g, FLT_E_INVALID, 0,
                        "plugin_config needs either zone (of a zonal group) or region (of a "
                        "regional one)%s",
                        o->zone ? ", not both" : "");
    (void) snprintf(g->place, sizeof(g->place), "/compute/v1/projects/%s/%s/%s", o->project,
                    o->zone ? "zones" : "regions", o->zone ? o->zone : o->region);
    return FLT_OK;
}

int32_t options_parse(struct flt_group *g, const char *plugin_config, const char *connector_config)
{
    struct gcp_options *o = &g->options;
    int32_t code;

    *o =
        (struct gcp_options) { .push_keys = true, .host_keys = true, .minimum_life_ms = MINUTE_MS };
    code = flt_options_read(&table, g->host, g->call, plugin_config, o, &o->plugin);
    if (code == FLT_OK)
        code = check_place(g);
    return code == FLT_OK ? flt_connector_read(g->host, g->call, connector_config, &o->connector)
                          : code;
}

void options_done(struct gcp_options *o)
{
    flt_connector_done(&o->connector);
    json_object_put(o->plugin);
    *o = (struct gcp_options) { 0 };
}
