/* instance_connect.c - EC2 Instance Connect: AWS tells an instance a public key, which lets in for 60 seconds. */

#include "aws.h"

#include <json-c/json.h>
#include <string.h>

#include "sdk/lib/json.h"

static struct json_object *request_for(const char *id, const char *zone, const char *username,
                                       const char *public_line)
{
    struct json_object *body = json_object_new_object();

    (void) json_object_object_add(body, "InstanceId", json_object_new_string(id));
    (void) json_object_object_add(body, "InstanceOSUser", json_object_new_string(username));
    (void) json_object_object_add(body, "SSHPublicKey", json_object_new_string(public_line));
    if (*zone)
        (void) json_object_object_add(body, "AvailabilityZone", json_object_new_string(zone));
    return body;
}

/* The instance is about to be there. */
static bool is_early(const struct flt_aws_error *error)
{
    return strstr(error->code, "EC2InstanceStateInvalid") ||
           strstr(error->code, "EC2InstanceUnavailable") ||
           strstr(error->code, "EC2InstanceNotFound");
}

int32_t instance_connect_push(struct flt_group *g, const char *id, const char *zone,
                              const char *username, const char *public_line,
                              struct flt_aws_error *error)
{
    struct json_object *body = request_for(id, zone, username, public_line), *answer = NULL;
    int32_t code;

    *error = (struct flt_aws_error) { 0 };
    code = flt_aws_json(g->client, "ec2-instance-connect",
                        "AWSEC2InstanceConnectService.SendSSHPublicKey", body, true, &g->watch,
                        &answer, error);
    json_object_put(answer);
    json_object_put(body);
    return code != FLT_OK && is_early(error) ? FLT_E_NOT_READY : code;
}
