/* nestingd/slots.c - see slots.h. */
#include "nestingd/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/fs.h"
#include "core/base/io.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/str.h"
#include "nestingd/id.h"

#define LOG_TOPIC "slots"
#include "core/base/log.h"

#define FILE_NAME "vms.json"
#define FILE_NAME_DAMAGED "vms.json.damaged"
#define FILE_MAX ((size_t) 4 * 1024 * 1024)

struct record *slots_find(const struct slots *slots, const char *id)
{
    for (size_t i = 0; i < slots->n; i++)
        if (str_eq(slots->records[i].id, id))
            return &slots->records[i];
    return NULL;
}

struct record *slots_at(const struct slots *slots, int32_t slot)
{
    for (size_t i = 0; i < slots->n; i++)
        if (slots->records[i].has_slot && slots->records[i].slot == slot)
            return &slots->records[i];
    return NULL;
}

static int append(struct slots *slots, const struct record *record)
{
    struct record *grown = mem_resize(slots->records, slots->n + 1, sizeof(*grown));

    if (!grown)
        return -ENOMEM;
    slots->records = grown;
    grown[slots->n++] = *record;
    return 0;
}

static json_t *record_json(const struct record *record)
{
    autojson json_t *json = json_object_new_object();

    if (!json || json_add_str(json, "id", record->id) < 0 ||
        (record->has_slot && json_add_i64(json, "slot", record->slot) < 0) ||
        json_add_i64(json, "cpus", record->need.cpus) < 0 ||
        json_add_i64(json, "memory_bytes", record->need.memory_bytes) < 0 ||
        json_add_i64(json, "disk_bytes", record->need.disk_bytes) < 0)
        return NULL;
    return take_ptr(json);
}

static json_t *file_json(const struct slots *slots)
{
    autojson json_t *file = json_object_new_object();
    json_t *vms = json_object_new_array();

    if (!file || json_add(file, "vms", vms) < 0)
        return NULL;
    for (size_t i = 0; i < slots->n; i++) {
        json_t *record = record_json(&slots->records[i]);

        if (!record || json_object_array_add(vms, record) < 0) {
            json_object_put(record);
            return NULL;
        }
    }
    return take_ptr(file);
}

static int save(const struct slots *slots, struct error *err)
{
    autojson json_t *file = file_json(slots);
    const char *text = file ? json_text(file) : NULL;

    if (!text)
        return error_set(err, -ENOMEM, "out of memory");
    return fs_replace_file(slots->folder_fd, FILE_NAME, text, strlen(text), 0600, err);
}

static int read_record(json_t *json, struct record *ret, struct error *err)
{
    int64_t slot = INT64_MAX, cpus = 0;
    const char *id;
    int r;

    *ret = (struct record) { .is_made = true };
    r = json_need_str(json, "id", &id, err);
    if (r == 0 && !id_is_vm(id))
        r = error_set(err, -EINVAL, "'id' is no id of a VM");
    if (r == 0)
        r = json_opt_i64(json, "slot", INT32_MIN, INT32_MAX, &slot, err);
    if (r == 0)
        r = json_opt_i64(json, "cpus", 0, UINT16_MAX, &cpus, err);
    if (r == 0)
        r = json_opt_i64(json, "memory_bytes", 0, INT64_MAX / 1024, &ret->need.memory_bytes, err);
    if (r == 0)
        r = json_opt_i64(json, "disk_bytes", 0, INT64_MAX / 1024, &ret->need.disk_bytes, err);
    if (r < 0)
        return r;
    (void) str_copy(ret->id, sizeof(ret->id), id);
    ret->need.cpus = (unsigned) cpus;
    ret->has_slot = slot != INT64_MAX;
    ret->slot = ret->has_slot ? (int32_t) slot : 0;
    return 0;
}

static int read_records(struct slots *slots, json_t *file, struct error *err)
{
    json_t *vms = NULL;
    int r = json_opt_array(file, "vms", &vms, err);
    size_t n = vms ? json_object_array_length(vms) : 0;

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct record record;

        r = read_record(json_object_array_get_idx(vms, i), &record, err);
        if (r == 0 &&
            (slots_find(slots, record.id) || (record.has_slot && slots_at(slots, record.slot))))
            r = error_set(err, -EINVAL, "a VM or a slot is there twice");
        if (r == 0)
            r = append(slots, &record);
    }
    return r;
}

static int read_file(struct slots *slots, const struct buf *text, struct error *err)
{
    autojson json_t *file = NULL;
    int r = json_parse(buf_str(text), text->len, &file, err);

    if (r == 0 && !json_object_is_type(file, json_type_object))
        r = error_set(err, -EINVAL, "it is no object");
    return r < 0 ? r : read_records(slots, file, err);
}

int slots_load(struct slots *slots, int folder_fd, struct error *err)
{
    autobuf struct buf text = BUF_INIT;
    int r = fs_read_file(folder_fd, FILE_NAME, FILE_MAX, &text, err);

    *slots = (struct slots) { .folder_fd = folder_fd };
    if (r == -ENOENT)
        return 0;
    if (r < 0 && r != -EFBIG)
        return r;
    if (r == 0)
        r = read_file(slots, &text, err);
    if (r == 0 || r == -ENOMEM)
        return r;
    log_warning(FILE_NAME
                ": %s: slots are forgotten, and the file is put aside as " FILE_NAME_DAMAGED,
                err->message);
    slots_done(slots);
    if (io_renameat(folder_fd, FILE_NAME, folder_fd, FILE_NAME_DAMAGED) < 0)
        return error_errno(err, -errno, FILE_NAME);
    return 0;
}

void slots_done(struct slots *slots)
{
    free(slots->records);
    slots->records = NULL;
    slots->n = 0;
}

int slots_add(struct slots *slots, const struct record *record, struct error *err)
{
    int r = append(slots, record);

    if (r < 0)
        return error_set(err, r, "out of memory");
    r = save(slots, err);
    if (r < 0)
        slots->n--;
    return r;
}

void slots_drop(struct slots *slots, const char *id)
{
    struct record *record = slots_find(slots, id);
    struct error err;

    if (!record)
        return;
    *record = slots->records[--slots->n];
    if (save(slots, &err) < 0)
        log_warning("%s, ignoring: VM %s is gone all the same", err.message, id);
}
