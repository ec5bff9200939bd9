/* core/job/vm_image.c - which image the job's VM is made of (nesting.md 6.3, job-execution.md 9.4, hardening.md V6 and V11):
 * the job's own, expanded once, as far as the runner allows it, else the runner's. */
#include <string.h>

#include "core/base/glob.h"
#include "core/base/str.h"
#include "core/job/vm.h"

#define NAME_MAX_LEN 255

static bool name_valid(const char *name)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/:@-";
    size_t len = strlen(name);

    return len >= 1 && len <= NAME_MAX_LEN && strspn(name, letters) == len &&
           !strchr("._/:@-", *name);
}

static const char *asked_for(const struct job *job)
{
    json_t *image = NULL;

    (void) json_opt_object(job->payload, "image", &image, NULL);
    return text_of(image, "name", "");
}

static json_t *allowed_of(const struct job *job)
{
    json_t *patterns = NULL;

    (void) json_opt_array(job->isolation_settings, "allowed_images", &patterns, NULL);
    return patterns && json_object_array_length(patterns) > 0 ? patterns : NULL;
}

static const char *pattern_at(json_t *patterns, size_t i)
{
    const char *pattern = json_object_get_string(json_object_array_get_idx(patterns, i));

    return pattern ? pattern : "";
}

static bool is_allowed(json_t *patterns, const char *image)
{
    for (size_t i = 0; i < json_object_array_length(patterns); i++)
        if (glob_match(pattern_at(patterns, i), image, GLOB_FOLDERS))
            return true;
    return false;
}

static struct end refuse(struct job *job, json_t *patterns, const char *image)
{
    (void) trace_line(job->trace, TRACE_ERROR,
                      "The \"%s\" image is not present on list of allowed images:", image);
    for (size_t i = 0; i < json_object_array_length(patterns); i++)
        (void) trace_line(job->trace, TRACE_PLAIN, "- %s", pattern_at(patterns, i));
    (void) trace_line(job->trace, TRACE_PLAIN,
                      "Name one of these as the job's image, or add it to allowed_images in "
                      "[runners.instance] of the runner's configuration");
    return end_make(END_CONFIG, "disallowed image");
}

struct end vm_choose_image(struct job *job)
{
    const char *asked = asked_for(job), *fallback = text_of(job->isolation_settings, "image", "");
    json_t *patterns = allowed_of(job);
    autobuf struct buf image = BUF_INIT;
    autobuf struct buf why = BUF_INIT;

    variables_expand_text(&job->variables, *asked ? asked : fallback, "", &image);
    if (buf_error(&image) < 0)
        return end_make(END_SYSTEM, "the image of the VM: out of memory");
    if (image.len == 0)
        return end_make(END_CONFIG,
                        "no nesting VM image specified to run the job in: set image in the job or "
                        "in [runners.autoscaler.vm_isolation]");
    if (*asked && patterns && !is_allowed(patterns, buf_str(&image)))
        return refuse(job, patterns, buf_str(&image));
    if (!name_valid(buf_str(&image))) {
        buf_addf(&why,
                 "%.100s cannot be the name of a VM image: it must begin with a letter or a digit "
                 "and have at most 255 letters, digits and ._/:@-",
                 buf_str(&image));
        return end_make(END_CONFIG, buf_str(&why));
    }
    job->vm_image = buf_take(&image);
    return end_ok();
}
