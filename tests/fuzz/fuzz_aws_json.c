/* tests/fuzz/fuzz_aws_json.c - answers of AWS in JSON, and files of credentials in it: whatever they say, each value can be
 * asked for in each way, and errors end in their buffers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdk/lib/aws_error.h"
#include "sdk/lib/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void ask_for_all(struct json_object *object)
{
    char error[FLT_ERROR_MAX] = "";

    if (json_object_is_type(object, json_type_array))
        for (size_t i = 0; i < json_object_array_length(object); i++)
            ask_for_all(json_object_array_get_idx(object, i));
    if (!json_object_is_type(object, json_type_object))
        return;
    json_object_object_foreach(object, name, value)
    {
        const char *text = NULL;
        int64_t number = 0;
        int is_on = 0;

        if (flt_json_need_text(object, name, &text, error) == 0)
            require(strlen(text) == (size_t) json_object_get_string_len(value) ||
                    strchr(name, '.'));
        require(flt_json_need_i64(object, name, -5, 5, &number, error) < 0 ||
                (number >= -5 && number <= 5));
        require(flt_json_opt_bool(object, name, &is_on, error) < 0 || is_on == 0 || is_on == 1);
        require(strlen(error) < sizeof(error));
        ask_for_all(value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = strndup((const char *) data, size), error[FLT_ERROR_MAX] = "";
    struct flt_http_answer answer = { .status = 400, .body = text, .len = strlen(text) };
    struct json_object *json = NULL;
    struct flt_aws_fault fault;

    if (flt_json_parse((const char *) data, size, &json, error) == 0)
        ask_for_all(json);
    else
        require(!json && *error != '\0' && strlen(error) < sizeof(error));
    json_object_put(json);
    answer.headers = text; /* the type may stand there */
    flt_aws_fault_read(&answer, &fault);
    require(!strpbrk(fault.code, "\r\n\x1b") && !strpbrk(fault.message, "\r\n\x1b"));
    require(flt_aws_judge(&fault).result < FLT_OK);
    free(text);
    return 0;
}
