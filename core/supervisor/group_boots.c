/* core/supervisor/group_boots.c - instances that were ordered and are of no use: growth pauses, so that
 * an image that does not boot is not bought at full speed (autoscaler.md 9.1, V70). The pauses are the
 * fleet's (fleet_growth_failed()); here is what counts, and what people are told. */
#include "core/supervisor/group_parts.h"

#define LOG_TOPIC "group"
#include "core/base/log.h"

void group_boot_succeeded(struct group *group)
{
    if (group->boots_failed > 0)
        log_notice("runner '%s': an instance is ready again, after %u that %s not",
                   group->runner->name, group->boots_failed,
                   group->boots_failed == 1 ? "was" : "were");
    group->boots_failed = 0;
    group->boot_error[0] = '\0';
}

void group_describe_boots(const struct group *group, struct buf *out)
{
    int64_t now = now_wall(group->supervisor), until_ms = 0;

    if (group->boots_failed == 0)
        return;
    if (group->boots_failed == 1)
        buf_add_str(out, "the last instance did not become ready");
    else
        buf_addf(out, "%u instances in a row did not become ready", group->boots_failed);
    if (fleet_growth_paused(group->fleet, now, NULL, &until_ms)) {
        buf_add_str(out, "; the next is ordered in ");
        format_duration(out, MAX((until_ms - now + 999) / 1000 * 1000, (int64_t) 1000));
    }
    buf_addf(out, "; %s", group->boot_error);
}

void group_boot_failed(struct group *group, const char *why)
{
    autobuf struct buf text = BUF_INIT;

    group->boots_failed++;
    (void) str_cut(group->boot_error, sizeof(group->boot_error), why);
    fleet_growth_failed(group->fleet, GROWTH_BOOT, now_wall(group->supervisor), 0);
    group_describe_boots(group, &text);
    log_warning("runner '%s': %s", group->runner->name, buf_str(&text));
}

void group_note_gone(struct group *group, const struct fleet_instance *instance,
                     enum fleet_reason reason)
{
    autobuf struct buf why = BUF_INIT;

    if (instance->ready_ms != 0 || instance->removing || instance->draining != REASON_NONE ||
        instance->cause != CAUSE_REQUESTED)
        return;
    buf_addf(&why, "instance %s went before it was ready: %s", instance->id,
             fleet_reason_text(reason));
    group_boot_failed(group, buf_str(&why));
}

void group_not_reached(struct group *group, const char *id)
{
    const struct fleet_instance *instance = fleet_find(group->fleet, id);
    autobuf struct buf why = BUF_INIT;

    if (!instance || instance->removing || instance->uses != 1 || group_is_gated(group))
        return;
    buf_addf(&why, "instance %s could not be connected to by its first job", id);
    group_boot_failed(group, buf_str(&why));
    group_mark_removing(group, id, REASON_NOT_BOOTED);
}
