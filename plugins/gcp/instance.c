/* instance.c - what an answer of instances.get says of the way to an instance. Pure. */

#include "reach.h"

#include <string.h>

#include "sdk/lib/json.h"

/* The first of an array, the boot disk or the first network interface; NULL when there is none. */
static struct json_object *first_of(struct json_object *object, const char *name)
{
    struct json_object *array = flt_json_find(object, name);

    return json_object_is_type(array, json_type_array) ? json_object_array_get_idx(array, 0) : NULL;
}

static const char *text_of(struct json_object *object, const char *name)
{
    const char *text = flt_json_text(object, name);

    return text && *text ? text : NULL;
}

static struct json_object *boot_disk(struct json_object *instance)
{
    struct json_object *disks = flt_json_find(instance, "disks");
    size_t n = json_object_is_type(disks, json_type_array) ? json_object_array_length(disks) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *disk = json_object_array_get_idx(disks, i);

        if (json_object_get_boolean(flt_json_find(disk, "boot")))
            return disk;
    }
    return first_of(instance, "disks");
}

static bool has_feature(struct json_object *disk, const char *wanted)
{
    struct json_object *features = flt_json_find(disk, "guestOsFeatures");
    size_t n =
        json_object_is_type(features, json_type_array) ? json_object_array_length(features) : 0;

    for (size_t i = 0; i < n; i++) {
        const char *type = flt_json_text(json_object_array_get_idx(features, i), "type");

        if (type && strcmp(type, wanted) == 0)
            return true;
    }
    return false;
}

/* Go's names; an instance without the field is of the time when there was one kind. */
static const char *arch_of(struct json_object *disk)
{
    const char *name = flt_json_text(disk, "architecture");

    if (name && strcmp(name, "ARM64") == 0)
        return "arm64";
    return !name || strcmp(name, "X86_64") == 0 ? "amd64" : NULL;
}

struct instance_facts instance_read(struct json_object *instance)
{
    struct json_object *nic = first_of(instance, "networkInterfaces"), *disk = boot_disk(instance);
    struct instance_facts facts = {
        .ipv4 = text_of(nic, "networkIP"),
        .external_ipv4 = text_of(first_of(nic, "accessConfigs"), "natIP"),
        .ipv6 = text_of(nic, "ipv6Address"),
        .external_ipv6 = text_of(first_of(nic, "ipv6AccessConfigs"), "externalIpv6"),
        .arch = arch_of(disk),
        .windows = has_feature(disk, "WINDOWS"),
        .made_ms = gcp_time(gcp_text(instance, "creationTimestamp")),
    };

    metadata_switches(flt_json_find(instance, "metadata"), facts.switches);
    return facts;
}
