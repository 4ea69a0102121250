#include "shard/rewrite.h"

#include "base/check.h"

static void next(const struct rewrite *rewrite, struct reader *in, struct record_mutation *mutation)
{
    if (rewrite->one != NULL)
        *mutation = *rewrite->one;
    else
        record_mutation_read(in, mutation);
}

static bool is_mutated(const struct rewrite *rewrite, uint32_t name)
{
    struct reader in = rewrite->mutations;
    struct record_mutation mutation;
    for (uint64_t i = 0; i < rewrite->count; i++) {
        next(rewrite, &in, &mutation);
        if (mutation.name == name) return true;
    }
    return false;
}

static bool is_kept(const struct rewrite *rewrite, const struct function *function,
                    const struct cell *old, const struct value *value)
{
    return !value_expired(function, old, value, rewrite->as_of_ms) &&
           !is_mutated(rewrite, value->name);
}

static bool counts_invocations(const struct function *function)
{
    for (uint32_t i = 0; i < function->spec_count; i++)
        if (function->specs[i].mode == EXPIRE_AFTER_INVOKE) return true;
    return false;
}

struct plan {
    const struct function *function;
    struct cell *old; /* NULL: none yet */
    bool refresh;     /* the time of invocation counts for an expiry */
    bool changes;
    uint32_t value_count;
    size_t value_bytes;
};

static void plan(const struct image *image, const struct rewrite *rewrite, struct plan *plan)
{
    *plan = (struct plan){.function = image_find_function(image, rewrite->type),
                          .old = cell_find(image, rewrite->type, rewrite->id)};
    plan->refresh = rewrite->invoked && plan->old != NULL && counts_invocations(plan->function);
    plan->changes = rewrite->count > 0 || plan->refresh;
    for (uint32_t i = 0; plan->old != NULL && i < plan->old->value_count; i++) {
        const struct value *value = &plan->old->values[i];
        if (is_kept(rewrite, plan->function, plan->old, value)) {
            plan->value_count++;
            plan->value_bytes += value->size;
        } else {
            plan->changes = true;
        }
    }
    struct reader in = rewrite->mutations;
    struct record_mutation mutation;
    for (uint64_t i = 0; i < rewrite->count; i++) {
        next(rewrite, &in, &mutation);
        if (mutation.is_delete) continue;
        plan->value_count++;
        plan->value_bytes += mutation.value.size;
    }
}

int rewrite_size(const struct image *image, const struct rewrite *rewrite, size_t *size)
{
    struct plan p;
    plan(image, rewrite, &p);
    *size = p.changes ? cell_size(rewrite->id.size, p.value_count, p.value_bytes) : 0;
    return p.value_count <= VALUES_MAX ? 0 : ERROR_DAMAGED;
}

static void fill(const struct image *image, const struct rewrite *rewrite, const struct plan *p,
                 struct cell *cell)
{
    for (uint32_t i = 0; p->old != NULL && i < p->old->value_count; i++) {
        const struct value *value = &p->old->values[i];
        if (is_kept(rewrite, p->function, p->old, value))
            cell_add(cell, value, cell_value(p->old, value));
    }
    struct reader in = rewrite->mutations;
    struct record_mutation mutation;
    for (uint64_t i = 0; i < rewrite->count; i++) {
        next(rewrite, &in, &mutation);
        if (mutation.is_delete) continue;
        struct value value = {.name = mutation.name,
                              .type_name = mutation.type_name,
                              .written_ms = image->time_ms,
                              .version = image->seq};
        cell_add(cell, &value, mutation.value);
    }
}

void rewrite_run(struct image *image, const struct rewrite *rewrite)
{
    struct plan p;
    plan(image, rewrite, &p);
    if (!p.changes) return;
    image_touch(image, rewrite->id);
    struct cell *cell = cell_new(image, rewrite->type, rewrite->id, p.value_count, p.value_bytes);
    CHECK(cell != NULL);
    fill(image, rewrite, &p, cell);
    cell->seq = image->seq;
    if (p.old != NULL) cell->invoked_ms = p.old->invoked_ms;
    if (rewrite->invoked && counts_invocations(p.function)) cell->invoked_ms = rewrite->as_of_ms;
    cell_replace(image, p.old, cell);
}
