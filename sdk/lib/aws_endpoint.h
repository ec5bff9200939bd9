/* sdk/lib/aws_endpoint.h - at which URL a service of AWS answers in a region. Used by aws_client.c; by
 * aws_credentials.c for STS. Pure.
 */
#ifndef FLOTILLA_LIB_AWS_ENDPOINT_H
#define FLOTILLA_LIB_AWS_ENDPOINT_H

#include <stddef.h>

struct flt_aws_endpoint {
    const char *service; /* "ec2" */
    const char *region;  /* "eu-west-1" */
    int dual_stack;      /* IPv4 and IPv6 */
    int fips;
};

/* 1 when it has the form of a region's name; others would lead to other hosts. */
int flt_aws_is_region(const char *region);
/* "https://ec2.eu-west-1.amazonaws.com", without a slash behind it. 0; -1 when the region is none, or there
 * is no such endpoint, with a sentence in `error` (FLT_ERROR_MAX bytes). */
int flt_aws_endpoint(const struct flt_aws_endpoint *endpoint, char *ret, size_t size, char *error);
/* "aws", "aws-cn", "aws-us-gov"...: the second word of an ARN. */
const char *flt_aws_partition(const char *region);

#endif
