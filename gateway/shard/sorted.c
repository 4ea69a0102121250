/* Sorted by a heap within the array: clients choose ids, so that the worst case has to be good. */
#include "shard/sorted.h"

const struct cell *cell_at(const struct buffer *cells, size_t i)
{
    const struct cell *cell;
    memcpy(&cell, cells->at + i * sizeof cell, sizeof cell);
    return cell;
}

static void put(struct buffer *cells, size_t i, const struct cell *cell)
{
    memcpy(cells->at + i * sizeof cell, &cell, sizeof cell);
}

static bool is_before(const struct cell *a, const struct cell *b)
{
    return span_compare(cell_id(a), cell_id(b)) < 0;
}

/* Lets the cell at i sink to its place among the first `count`, the last on top. */
static void sink(struct buffer *cells, size_t i, size_t count)
{
    const struct cell *cell = cell_at(cells, i);
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_before(cell_at(cells, child), cell_at(cells, child + 1)))
            child++;
        if (!is_before(cell, cell_at(cells, child))) break;
        put(cells, i, cell_at(cells, child));
    }
    put(cells, i, cell);
}

static void sort(struct buffer *cells, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) sink(cells, i, count);
    while (count > 1) {
        const struct cell *last = cell_at(cells, 0);
        put(cells, 0, cell_at(cells, --count));
        put(cells, count, last);
        sink(cells, 0, count);
    }
}

void sorted_cells(struct buffer *cells, const struct slot *slot, uint32_t type, struct span after)
{
    if (cells->failed) return;
    buffer_clear(cells);
    struct table_node *node = table_next(&slot->cells, NULL);
    for (; node != NULL; node = table_next(&slot->cells, node)) {
        const struct cell *cell = CONTAINER_OF(node, struct cell, node);
        if (cell->type != type || (after.size > 0 && span_compare(cell_id(cell), after) <= 0))
            continue;
        buffer_append(cells, span_of(&cell, sizeof cell));
    }
    if (!cells->failed) sort(cells, cells->size / sizeof(struct cell *));
}
