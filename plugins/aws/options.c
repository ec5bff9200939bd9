/* options.c - plugin_config of the AWS provider, with the keys of GitLab's own plugin and more. */

#include "aws.h"

#include <string.h>

#include "sdk/lib/aws_endpoint.h"

static bool is_name(const char *text)
{
    return strlen(text) <= AWS_NAME_MAX;
}

static bool is_region(const char *text)
{
    return flt_aws_is_region(text);
}

static const char *const addresses[] = {
    [AWS_ADDRESSES_IPV4] = "ipv4", [AWS_ADDRESSES_IPV6] = "ipv6", [AWS_ADDRESSES_DNS] = "dns", NULL
};

#define OPTION(n, t, k, f, ...) FLT_OPTION(n, t, k, struct aws_options, f, __VA_ARGS__)
static const struct flt_option options[] = {
    { OPTION("name", "string", TEXT, name, .required = 1, .help = "name of the Auto Scaling group"),
      .want = "the name of an Auto Scaling group, 1 to 255 bytes", .fits = is_name },
    { OPTION("profile", "string", TEXT, profile,
             .help = "profile of the shared files; default AWS_PROFILE, then \"default\"") },
    { OPTION("config_file", "string", TEXT, config_file,
             .help = "shared config file; default AWS_CONFIG_FILE, then ~/.aws/config") },
    { OPTION("credentials_file", "string", TEXT, credentials_file,
             .help = "shared credentials file; default AWS_SHARED_CREDENTIALS_FILE, then "
                     "~/.aws/credentials") },
    { OPTION("region", "string", TEXT, region,
             .help = "region of the group; default AWS_REGION, AWS_DEFAULT_REGION, the profile's, "
                     "that of the machine"),
      .want = "a region such as \"eu-central-1\"", .fits = is_region },
    { OPTION("endpoint", "string", URL, endpoint,
             .help = "URL that answers for all services, for simulators and private endpoints") },
    { OPTION("sts_endpoint", "string", URL, sts_endpoint,
             .help = "URL of STS, for roles; default endpoint, then AWS's own") },
    { OPTION("dual_stack", "boolean", BOOL, dual_stack, .default_value = "false",
             .help = "use AWS's endpoints with IPv4 and IPv6") },
    { OPTION("fips", "boolean", BOOL, fips, .default_value = "false",
             .help = "use AWS's FIPS endpoints") },
    { OPTION("imds_endpoint", "string", URL, imds_endpoint,
             .help = "URL of the metadata service; default http://169.254.169.254") },
    { OPTION("imds_v1", "boolean", BOOL, imds_v1, .default_value = "false",
             .help = "ask the metadata service by version 1, too, which any request from the "
                     "machine can be made to do") },
    { OPTION("addresses", "string", CHOICE, addresses, .default_value = "ipv4",
             .help = "which addresses of an instance are used: \"ipv4\" (private and public), "
                     "\"ipv6\" or \"dns\""),
      .want = "\"ipv4\", \"ipv6\" or \"dns\"", .choices = addresses },
    { OPTION("instance_connect", "boolean", BOOL, instance_connect, .default_value = "true",
             .help = "bring a public key to an instance by EC2 Instance Connect: a new one each "
                     "time, or that of connector_config.key_path") },
    { OPTION("host_keys", "boolean", BOOL, host_keys, .default_value = "true",
             .help = "read an instance's host keys from its console output") },
    { OPTION("price_per_hour", "string", PRICE, price_micros_hour,
             .help = "what an instance costs an hour, as \"0.0416\"") },
    { OPTION("minimum_billed", "duration", DURATION, minimum_billed_ms,
             .help = "instances are charged for in pieces of this, a started one in full; default "
                     "none: by the second") },
    { OPTION("minimum_life", "duration", DURATION, minimum_life_ms,
             .help = "what an instance is charged for at least; default 60s, of a Mac 24h") },
    { OPTION("recycle_time", "duration", DURATION, recycle_ms,
             .help = "how long the place of an instance that was deleted stays taken; default 0s, "
                     "of a Mac 3h20m") },
    { OPTION("take_over", "boolean", BOOL, take_over, .default_value = "false",
             .help = "take the group from whichever manager the tag names, for managers whose "
                     "machines are replaced: the instances of one that still runs are removed") },
};
#undef OPTION

static const struct flt_option_table table = { options, COUNT(options) };

int32_t options_describe(flt_key_sink sink, void *arg)
{
    return flt_options_describe(&table, sink, arg);
}

int32_t options_parse(struct flt_group *g, const char *plugin_config, const char *connector_config)
{
    struct aws_options *o = &g->options;
    int32_t code;

    *o = (struct aws_options) { .instance_connect = true,
                                .host_keys = true,
                                .minimum_billed_ms = -1,
                                .minimum_life_ms = -1,
                                .recycle_ms = -1 };
    code = flt_options_read(&table, g->host, g->call, plugin_config, o, &o->plugin);
    return code == FLT_OK ? flt_connector_read(g->host, g->call, connector_config, &o->connector)
                          : code;
}

void options_done(struct aws_options *o)
{
    flt_connector_done(&o->connector);
    json_object_put(o->plugin);
    *o = (struct aws_options) { 0 };
}
