#include "store/joint.h"

#include <inttypes.h>

static const char *path_of(const struct joint *joint, const struct scan *scan)
{
    return scan->end.segment == NULL ? joint->journal : scan->end.segment->file.path;
}

/* Of what is before it no segment is left: only a snapshot may hold that. */
static int begin(struct joint *joint, const struct scan *scan, uint64_t first_seq,
                 struct errmsg *errmsg)
{
    const struct journal_position *from = &joint->from;
    if (joint->begun) return 0;
    joint->begun = true;
    if (joint->alone)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.180s at offset %" PRIu64 ": record %" PRIu64
                          ", but a savepoint has no journal",
                          path_of(joint, scan), scan->end.offset, first_seq);
    if (first_seq <= from->seq + 1) return 0;
    return errmsg_set(
        errmsg, ERROR_DAMAGED,
        "%.180s at offset %" PRIu64 ": here the journal begins, with record %" PRIu64
        "; records %" PRIu64 " to %" PRIu64 " are missing between the snapshot and the journal",
        path_of(joint, scan), scan->end.offset, first_seq, from->seq + 1, first_seq - 1);
}

static int check_lineage(const struct joint *joint, const struct scan *scan,
                         const struct scan_run *run, struct errmsg *errmsg)
{
    const struct journal_position *from = &joint->from;
    uint64_t end = run->first_seq + run->count;
    bool covers = run->first_seq <= from->seq && from->seq < end;
    if (from->lineage == 0 || !covers || run->lineage == from->lineage) return 0;
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.180s at offset %" PRIu64 ": the journal up to here has lineage %016" PRIx64
                      ", the snapshot %016" PRIx64 ": they are of different gateways",
                      path_of(joint, scan), scan->end.offset, run->lineage, from->lineage);
}

int joint_take(struct joint *joint, const struct scan *scan, const struct scan_run *run,
               struct errmsg *errmsg)
{
    int error = begin(joint, scan, run->first_seq, errmsg);
    return error != 0 ? error : check_lineage(joint, scan, run, errmsg);
}

/* A repair, or a restore, has left a snapshot alone, and says which. */
static int check_note(const struct joint *joint, struct errmsg *errmsg)
{
    uint64_t from = joint->from.seq, last = joint->note.next_seq - 1;
    if (from == last) return 0;
    if (from == 0)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: it begins behind a snapshot of record %" PRIu64
                          ", which is missing",
                          joint->journal, last);
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset 0: it begins behind a snapshot of record %" PRIu64
                      ", but there is a snapshot of record %" PRIu64,
                      joint->journal, last, from);
}

static int end_empty(const struct joint *joint, const struct scan *scan, struct errmsg *errmsg)
{
    uint64_t from = joint->from.seq;
    if (joint->alone && from == 0)
        return errmsg_set(errmsg, ERROR_DAMAGED,
                          "%.200s at offset 0: no snapshot beside it, and that is all that a "
                          "savepoint has",
                          joint->journal);
    if (joint->alone) return 0;
    if (joint->note.there) return check_note(joint, errmsg);
    if (from == 0) return 0;
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset %" PRIu64
                      ": the journal is missing or has no record, but there is a snapshot of "
                      "record %" PRIu64,
                      path_of(joint, scan), scan->end.offset, from);
}

int joint_end(struct joint *joint, const struct scan *scan, struct errmsg *errmsg)
{
    uint64_t next_seq = scan->end.next_seq;
    if (next_seq == 0) return end_empty(joint, scan, errmsg);
    /* All that is left may be the end of a run: it has no whole record, but says what comes next.
     */
    int error = begin(joint, scan, next_seq, errmsg);
    if (error != 0 || next_seq > joint->from.seq) return error;
    return errmsg_set(errmsg, ERROR_DAMAGED,
                      "%.200s at offset %" PRIu64 ": the journal ends here at record %" PRIu64
                      ", but there is a snapshot of record %" PRIu64,
                      path_of(joint, scan), scan->end.offset, next_seq - 1, joint->from.seq);
}

static int give(const struct joint *joint, const struct scan_run *run, journal_replay *replay,
                void *context)
{
    if (run->count == 0 || run->first_seq + run->count - 1 <= joint->from.seq) return 0;
    if (replay == NULL) return 0;
    return replay(context, run->records, run->first_seq, run->count, run->epoch, run->lineage);
}

int joint_read(struct joint *joint, struct scan *scan, journal_replay *replay, void *context,
               struct errmsg *errmsg)
{
    struct scan_find proof;
    struct scan_run run;
    int error = 0;
    for (int found; error == 0 && (found = scan_next(scan, &run, errmsg)) != SCAN_END;) {
        error = found < 0 ? found : joint_take(joint, scan, &run, errmsg);
        if (error == 0) error = give(joint, &run, replay, context);
    }
    if (error == 0) error = scan_verdict(scan, &proof, errmsg);
    return error != 0 ? error : joint_end(joint, scan, errmsg);
}
