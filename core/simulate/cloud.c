/* core/simulate/cloud.c - the model of cloud.h. */
#include "core/simulate/cloud.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/str.h"

#define ID_PREFIX "i-"
#define MACHINES_MAX 50000000

const struct cloud_model cloud_default = {
    .boot = { .kind = DISTRIBUTION_FIXED, .first_ms = 40000 },
    .removal = { .kind = DISTRIBUTION_FIXED, .first_ms = 10000 },
    .billed_unit_ms = 1000,
    .billed_minimum_ms = 60000,
};

void cloud_init(struct cloud *cloud, const struct cloud_model *model, uint64_t seed)
{
    *cloud = (struct cloud) { .model = model, .seed = seed };
    rng_seed(&cloud->orders, seed);
}

void cloud_done(struct cloud *cloud)
{
    for (size_t i = 0; i < cloud->n; i++)
        free(cloud->machines[i]);
    free(cloud->machines);
    free(cloud->present);
    free(cloud->listed);
}

static int make_room(struct cloud *cloud)
{
    size_t cap = cloud->cap ? cloud->cap * 2 : 256;
    struct machine **grown;

    if (cloud->n < cloud->cap)
        return 0;
    if (cloud->n >= MACHINES_MAX)
        return -E2BIG;
    grown = mem_resize(cloud->machines, cap, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    cloud->machines = grown;
    cloud->cap = cap;
    return 0;
}

static int make_room_listed(struct cloud *cloud)
{
    size_t cap = cloud->cap_listed ? cloud->cap_listed * 2 : 64;
    struct fleet_listed *listed;
    size_t *present;

    if (cloud->n_present < cloud->cap_listed)
        return 0;
    present = mem_resize(cloud->present, cap, sizeof(*present));
    if (!present)
        return -ENOMEM;
    cloud->present = present;
    listed = mem_resize(cloud->listed, cap, sizeof(*listed));
    if (!listed)
        return -ENOMEM;
    cloud->listed = listed;
    cloud->cap_listed = cap;
    return 0;
}

/* The fate of the n-th instance is the same whoever orders it and when. */
static void draw_fate(const struct cloud *cloud, size_t number, struct machine *machine)
{
    const struct cloud_model *model = cloud->model;
    struct rng_seeded rng;
    double life;

    rng_seed(&rng, cloud->seed + (uint64_t) (number + 1) * UINT64_C(0xd1342543de82ef95));
    machine->running_ms = machine->ordered_ms + distribution_draw_ms(&model->boot, &rng.rng);
    machine->gate_ms = distribution_draw_ms(&model->gate, &rng.rng);
    machine->passes_gate = draw_unit(&rng.rng) > model->boot_fail_rate;
    machine->going_ms = distribution_draw_ms(&model->removal, &rng.rng);
    life = draw_gap_ms(1.0, &rng.rng);
    if (model->mean_life_ms > 0)
        machine->taken_ms = machine->running_ms + (int64_t) (life * (double) model->mean_life_ms);
}

static int add_machine(struct cloud *cloud, int64_t now_ms)
{
    struct machine *machine;

    if (make_room(cloud) < 0 || make_room_listed(cloud) < 0)
        return -ENOMEM;
    machine = mem_zero(sizeof(*machine));
    if (!machine)
        return -ENOMEM;
    *machine = (struct machine) {
        .ordered_ms = now_ms, .removed_ms = INT64_MAX, .gone_ms = INT64_MAX, .taken_ms = INT64_MAX
    };
    (void) snprintf(machine->id, sizeof(machine->id), ID_PREFIX "%06zu", cloud->n);
    draw_fate(cloud, cloud->n, machine);
    cloud->present[cloud->n_present++] = cloud->n;
    cloud->machines[cloud->n++] = machine;
    return 0;
}

static uint32_t room(const struct cloud *cloud, int64_t now_ms)
{
    uint32_t there = 0;

    if (cloud->model->capacity == 0)
        return UINT32_MAX;
    for (size_t i = 0; i < cloud->n_present; i++)
        there += cloud->machines[cloud->present[i]]->gone_ms > now_ms - cloud->model->recycle_ms;
    return cloud->model->capacity > there ? cloud->model->capacity - there : 0;
}

int64_t cloud_order(struct cloud *cloud, int64_t now_ms, uint32_t n)
{
    /* Drawn for each order, so that the next ones do not depend on this one's fate. */
    bool fails = draw_unit(&cloud->orders.rng) <= cloud->model->fail_rate;
    int r = 0;

    n = fails ? 0 : MIN(n, room(cloud, now_ms));
    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = add_machine(cloud, now_ms);
    return r < 0 ? r : (int64_t) n;
}

size_t cloud_number(const struct cloud *cloud, const char *id)
{
    int64_t number = 0;

    (void) parse_i64(id + strlen(ID_PREFIX), 0, (int64_t) cloud->n - 1, &number);
    return (size_t) number;
}

struct machine *cloud_find(const struct cloud *cloud, const char *id)
{
    return cloud->machines[cloud_number(cloud, id)];
}

void cloud_remove(struct machine *machine, int64_t now_ms)
{
    if (machine->removed_ms != INT64_MAX)
        return;
    machine->removed_ms = now_ms;
    machine->gone_ms = now_ms + machine->going_ms;
}

void cloud_take(struct machine *machine, int64_t now_ms)
{
    machine->removed_ms = machine->gone_ms = now_ms;
}

static enum instance_state state_at(const struct machine *machine, int64_t at_ms)
{
    if (at_ms >= machine->removed_ms)
        return INSTANCE_DELETING;
    return at_ms >= machine->running_ms ? INSTANCE_RUNNING : INSTANCE_CREATING;
}

void cloud_list(struct cloud *cloud, int64_t now_ms, struct fleet_listed **ret, size_t *ret_n)
{
    int64_t at_ms = now_ms - cloud->model->list_lag_ms;
    size_t kept = 0, n = 0;

    for (size_t i = 0; i < cloud->n_present; i++) {
        const struct machine *machine = cloud->machines[cloud->present[i]];

        if (machine->gone_ms <= at_ms - cloud->model->recycle_ms)
            continue;
        cloud->present[kept++] = cloud->present[i];
        if (machine->ordered_ms <= at_ms && machine->gone_ms > at_ms)
            cloud->listed[n++] =
                (struct fleet_listed) { .id = machine->id, .state = state_at(machine, at_ms) };
    }
    cloud->n_present = kept;
    *ret = cloud->listed;
    *ret_n = n;
}
