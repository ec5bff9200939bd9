/* core/exec/coordinator_artifacts.c - the file of an upload's form goes to the store as it comes; what is
 * wrong with it is told when the body has ended, as the client listens only then. */
#include "core/exec/coordinator_artifacts.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"

struct receiving {
    struct artifact_upload *upload;
    char *name; /* of the file, as the form says; NULL until it is there */
    int error;  /* why nothing more is taken */
};

static void answer_with(struct http_request *request, unsigned status, const char *message)
{
    static const struct http_answer_header headers[] = { { "Content-Type", "application/json" } };
    autojson json_t *body = json_object_new_object();
    const char *text;

    (void) json_add_str(body, "message", message);
    text = json_text(body);
    http_answer(request, status, headers, ARRAY_LEN(headers), text, strlen(text));
}

static int on_part(void *arg, const char *name, const char *file_name, const char *data, size_t len,
                   bool first)
{
    struct receiving *receiving = arg;

    if (receiving->error || !str_eq(name, "file"))
        return receiving->error;
    if (first && receiving->name) /* one file alone is asked for */
        receiving->error = -EBADMSG;
    else if (first && !(receiving->name = mem_strdup(file_name ? file_name : "")))
        receiving->error = -ENOMEM;
    if (receiving->error == 0)
        receiving->error = artifact_upload_add(receiving->upload, data, len);
    return receiving->error;
}

static void on_over(void *arg)
{
    struct receiving *receiving = arg;

    artifact_upload_free(receiving->upload);
    free(receiving->name);
    free(receiving);
}

void artifacts_receive(struct artifact_store *store, struct http_request *request, int64_t job_id,
                       const char *token)
{
    const char *named = http_query(request, "artifact_type");
    const char *format = http_query(request, "artifact_format");
    const struct artifact_type *type = artifact_type_find(named ? named : artifact_archive.name);
    struct receiving *receiving = mem_zero(sizeof(*receiving));

    if (!receiving)
        return;
    if (!type || (format && !str_eq(format, type->format)))
        receiving->error = -EINVAL;
    else
        receiving->error = artifact_upload_new(store, job_id, token, type, &receiving->upload);
    http_take_form(request, &(struct http_form) { on_part, on_over, receiving });
}

/* Why nothing is kept of what came: 413, 400 or 500 by the error. */
static int check(struct http_request *request, const struct receiving *receiving, struct error *err)
{
    int r = receiving ? receiving->error : -ENOMEM;

    if (r == 0 && (!http_form_is_whole(request) || !receiving->name))
        r = -EBADMSG;
    switch (r) {
    case 0:
        return 0;
    case -EFBIG:
        return error_set(err, r, "the file is larger than what is kept here");
    case -EINVAL:
        return error_set(err, r, "there is no such type of artifacts in this format");
    case -EBADMSG:
        return error_set(err, r, "the body is no form with one file");
    default:
        return error_errno(err, r, "the file can't be kept");
    }
}

int artifacts_answer_upload(struct http_request *request, struct error *err)
{
    struct receiving *receiving = http_form_arg(request);
    int r = check(request, receiving, err);

    if (r == 0)
        r = artifact_upload_keep(receiving->upload, receiving->name, err);
    if (r == 0)
        answer_with(request, 201, "201 Created");
    else if (r == -EFBIG)
        answer_with(request, 413, err->message);
    else
        answer_with(request, r == -EINVAL || r == -EBADMSG ? 400 : 500, err->message);
    return r;
}

void artifacts_answer_download(const struct artifact_store *store, struct http_request *request,
                               int64_t job_id)
{
    const struct artifact_file *file = artifact_set_archive(artifact_store_find(store, job_id));
    autofree char *disposition =
        file ? mem_printf("attachment; filename=\"%s\"", file->name) : NULL;
    const struct http_answer_header headers[] = {
        { "Content-Type", "application/octet-stream" },
        { "Content-Disposition", disposition },
    };
    int fd = file ? artifact_store_open(store, file) : -ENOENT;

    if (fd < 0 || !disposition) {
        answer_with(request, 404, "404 Artifacts Not Found");
        if (fd >= 0)
            (void) close(fd);
    } else {
        http_answer_file(request, headers, ARRAY_LEN(headers), fd, (uint64_t) file->size);
    }
}
