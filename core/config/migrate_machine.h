/* core/config/migrate_machine.h - [runners.machine], by which GitLab Runner's docker+machine made its machines, as an
 * autoscaler: a part of migrate.c. */
#pragma once

#include "core/config/migrate.h"
#include "core/config/toml.h"

/* Where sentences go: as comments into the new text, and to whoever asked. */
struct migrate_notes {
    migrate_say_fn say;
    void *arg;
    struct buf *out;
    size_t indent; /* of the comments */
};

void migrate_note(struct migrate_notes *notes, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Whether there is a provider for its cloud. */
bool machine_is_known(const struct toml_value *machine);
/* Appends [runners.autoscaler] with all that is below it. */
void machine_add_autoscaler(struct migrate_notes *notes, const struct toml_value *entry,
                            const struct toml_value *machine);
