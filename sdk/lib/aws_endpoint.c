/* sdk/lib/aws_endpoint.c - see aws_endpoint.h. The partitions are those of AWS's SDKs. */
#include "sdk/lib/aws_endpoint.h"

#include <stdio.h>
#include <string.h>

#include "sdk/lib/text.h"

#define REGION_MAX 63 /* it is a label of a host's name */

static const struct partition {
    const char *begins; /* its regions; the first that fits counts */
    const char *name, *suffix, *dual_stack;
} partitions[] = {
    { "cn-", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
    { "us-gov-", "aws-us-gov", "amazonaws.com", "api.aws" },
    { "us-iso-", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov" },
    { "us-isob-", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud" },
    { "eu-isoe-", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
    { "us-isof-", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
    { "eusc-", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu" },
    { "", "aws", "amazonaws.com", "api.aws" },
};

/* In the government's partition their plain endpoints are validated already. */
static const char *const plain_is_fips[] = { "autoscaling", "ec2", "sts", "portal.sso", "oidc" };

int flt_aws_is_region(const char *region)
{
    size_t len = strlen(region);

    return len > 0 && len <= REGION_MAX &&
           strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == len && region[0] != '-' &&
           region[len - 1] != '-';
}

static const struct partition *partition_of(const char *region)
{
    const struct partition *at = partitions;

    while (strncmp(region, at->begins, strlen(at->begins)) != 0)
        at++;
    return at;
}

const char *flt_aws_partition(const char *region)
{
    return partition_of(region)->name;
}

static int has_plain_fips(const struct flt_aws_endpoint *endpoint,
                          const struct partition *partition)
{
    if (endpoint->dual_stack || strcmp(partition->name, "aws-us-gov") != 0)
        return 0;
    for (size_t i = 0; i < sizeof(plain_is_fips) / sizeof(plain_is_fips[0]); i++)
        if (strcmp(endpoint->service, plain_is_fips[i]) == 0)
            return 1;
    return 0;
}

int flt_aws_endpoint(const struct flt_aws_endpoint *endpoint, char *ret, size_t size, char *error)
{
    const struct partition *partition = partition_of(endpoint->region);
    int is_named_fips = endpoint->fips && !has_plain_fips(endpoint, partition), len;

    if (!flt_aws_is_region(endpoint->region)) {
        (void) snprintf(
            error, FLT_ERROR_MAX,
            "'%.80s' is not a region: lower-case letters, digits and '-', as in 'eu-west-1'",
            endpoint->region);
        return -1;
    }
    len = snprintf(ret, size, "https://%s%s.%s.%s", endpoint->service, is_named_fips ? "-fips" : "",
                   endpoint->region,
                   endpoint->dual_stack ? partition->dual_stack : partition->suffix);
    if (len < 0 || (size_t) len >= size) {
        (void) snprintf(error, FLT_ERROR_MAX, "the endpoint of %s is too long", endpoint->service);
        return -1;
    }
    return 0;
}
