#include "store/plan.h"

#include <stdlib.h>

enum { SNAPSHOTS_MAX = 16 /* the newest ones that are considered */ };

struct base { /* a snapshot that is whole, or the empty state: number 0 */
    uint64_t number;
    uint64_t seq;
    uint64_t lineage; /* 0: any */
};

struct planning {
    struct plan *plan;
    struct survey *survey;
    const struct store_tool *tool;
    struct base bases[SNAPSHOTS_MAX + 1]; /* newest first */
    size_t base_count;
    bool snapshots_fine; /* the newest one is whole, or there is none */
    bool first_part;     /* of the journal */
};

static void note(struct plan *plan, const struct errmsg *errmsg)
{
    if (plan->reason.text[0] == '\0') plan->reason = *errmsg;
}

static int add_base(struct planning *planning, uint64_t number, struct manifest *manifest)
{
    struct plan *plan = planning->plan;
    struct errmsg errmsg = {{0}};
    int error = survey_manifest(planning->survey, number, manifest, &errmsg);
    if (error == ERROR_MEMORY || error == ERROR_NEWER_FORMAT) return error;
    /* A manifest that was read tells how far the state went even when its blocks are damaged. */
    if (manifest->info.seq > plan->seq_max) plan->seq_max = manifest->info.seq;
    if (manifest->info.epoch > plan->epoch_max) plan->epoch_max = manifest->info.epoch;
    if (error == 0)
        planning->bases[planning->base_count++] =
            (struct base){number, manifest->info.seq, manifest->info.lineage};
    else
        note(plan, &errmsg);
    return 0;
}

static int find_bases(struct planning *planning)
{
    const struct snapshot_numbers *numbers = &planning->survey->manifests;
    struct manifest *manifest = calloc(1, sizeof *manifest);
    int error = manifest == NULL ? ERROR_MEMORY : 0;
    for (size_t i = numbers->count; i-- > 0 && planning->base_count < SNAPSHOTS_MAX && error == 0;)
        error = add_base(planning, numbers->at[i], manifest);
    planning->snapshots_fine =
        numbers->count == 0 ||
        (planning->base_count > 0 && planning->bases[0].number == numbers->at[numbers->count - 1]);
    planning->bases[planning->base_count++] = (struct base){0, 0, 0};
    free(manifest);
    return error;
}

static bool better(const struct plan *plan, uint64_t last_seq, bool whole)
{
    if (!plan->journal) return last_seq >= plan->last_seq;
    return last_seq > plan->last_seq || (last_seq == plan->last_seq && whole && !plan->whole);
}

/* Does a stretch of the journal go on where a snapshot ends? Newest snapshot first. */
static void consider(struct planning *planning, const struct segment *from,
                     const struct survey_chain *chain)
{
    struct plan *plan = planning->plan;
    bool whole = !chain->damaged && !planning->survey->segments_damaged;
    for (size_t i = 0; i < planning->base_count; i++) {
        const struct base *base = &planning->bases[i];
        if (!chain->any || chain->first_seq > base->seq + 1 || chain->last_seq < base->seq)
            continue;
        uint64_t lineage = survey_lineage_at(chain, base->seq);
        if (lineage != 0 && base->lineage != 0 && lineage != base->lineage) continue;
        if (!better(plan, chain->last_seq, whole)) return;
        plan->manifest = base->number;
        plan->snapshot_seq = base->seq;
        plan->journal = true;
        plan->first_number = from->number;
        plan->cut_number = whole ? 0 : chain->end.segment->number;
        plan->cut_offset = whole ? 0 : chain->end.offset;
        plan->last_seq = chain->last_seq;
        plan->whole = whole;
        bool from_start = planning->first_part && from->link.prev == &planning->survey->segments;
        plan->nothing_wrong = whole && from_start && i == 0 && planning->snapshots_fine;
        return;
    }
}

static int consider_part(struct planning *planning)
{
    struct survey *survey = planning->survey;
    struct list *link = survey->segments.next;
    while (link != &survey->segments) {
        struct survey_chain chain;
        struct segment *from = CONTAINER_OF(link, struct segment, link);
        int error = survey_chain(survey, planning->tool->shard, from, NULL, &chain);
        if (error != 0) return error;
        consider(planning, from, &chain);
        if (!chain.damaged) return 0;
        note(planning->plan, &chain.errmsg);
        /* What starts before the damage ends there as well. */
        link = chain.at.segment->link.next;
    }
    return 0;
}

int plan_make(struct plan *plan, struct survey *survey, const struct store_tool *tool,
              struct errmsg *errmsg)
{
    struct planning planning = {.plan = plan, .survey = survey, .tool = tool, .first_part = true};
    memset(plan, 0, sizeof *plan);
    int error = find_bases(&planning);
    if (error != 0)
        return errmsg_set(errmsg, error, "%.200s: %s", tool->directory, error_text(error));
    plan->manifest = planning.bases[0].number;
    plan->last_seq = plan->snapshot_seq = planning.bases[0].seq;
    for (;;) {
        error = consider_part(&planning);
        if (error != 0 || !survey->segments_damaged) break;
        note(plan, &survey->segments_errmsg);
        planning.first_part = false;
        if ((error = survey_next_part(survey, tool, errmsg)) != 0) break;
    }
    if (survey->seq_max > plan->seq_max) plan->seq_max = survey->seq_max;
    if (survey->epoch_max > plan->epoch_max) plan->epoch_max = survey->epoch_max;
    plan->number_max = survey->number_max;
    plan->stream_end = survey->stream_end;
    return error;
}
