/* answer.c - what is read out of answers that decides nothing when it is not there. Pure. */

#include "gcp.h"

#include <string.h>

#include "sdk/lib/json.h"
#include "sdk/lib/text.h"

const char *gcp_text(struct json_object *object, const char *path)
{
    const char *text = flt_json_text(object, path);

    return text ? text : "";
}

int64_t gcp_time(const char *text)
{
    int64_t seconds;

    return flt_utc_parse(text, &seconds) == 0 ? seconds * 1000 : 0;
}

bool gcp_is_one_of(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(text, *names) == 0)
            return true;
    return false;
}

const char *gcp_last_part(const char *url)
{
    const char *slash = strrchr(url, '/');

    return slash ? slash + 1 : url;
}
