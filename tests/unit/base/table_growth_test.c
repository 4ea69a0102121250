/* A table grows by one bucket at a time, and loses nobody meanwhile. */
#include "base/list.h"
#include "base/memory.h"
#include "base/prng.h"
#include "base/table.h"

#include <criterion/criterion.h>

enum { NODES = 5000 };

struct item {
    struct table_node node;
    uint64_t hash;
    bool in;
    int seen;
};

static struct item items[NODES];
static struct memory memory;
static struct table table;

static void setup(void)
{
    memory_init(&memory);
    table_init(&table);
    for (uint64_t i = 0; i < NODES; i++)
        items[i] = (struct item){.hash = i * UINT64_C(0x9e3779b97f4a7c15)};
}

static void teardown(void)
{
    table_close(&table, &memory);
    cr_assert_eq(memory.used, 0);
    memory_close(&memory);
}

TestSuite(table_growth, .init = setup, .fini = teardown);

static void insert(int i)
{
    table_insert(&table, &memory, &items[i].node, items[i].hash);
    items[i].in = true;
}

static bool is_found(const struct item *item)
{
    const struct table_node *node = table_chain(&table, item->hash);
    while (node != NULL && node != &item->node) node = node->next;
    return node != NULL;
}

/* Each is found or not, and visited once or never. */
static void check(void)
{
    uint32_t count = 0;
    for (int i = 0; i < NODES; i++) items[i].seen = 0;
    for (struct table_node *node = table_next(&table, NULL); node != NULL;
         node = table_next(&table, node))
        CONTAINER_OF(node, struct item, node)->seen++;
    for (int i = 0; i < NODES; i++) {
        cr_assert_eq(items[i].seen, items[i].in, "%d", i);
        cr_assert_eq(is_found(&items[i]), items[i].in, "%d", i);
        count += items[i].in;
    }
    cr_assert_eq(table.count, count);
}

Test(table_growth, one_insertion_makes_one_bucket_at_most)
{
    for (int i = 0; i < NODES; i++) {
        uint32_t before = table.bucket_count;
        insert(i);
        if (before > 0) cr_assert_leq(table.bucket_count, before + 1, "%d", i);
        if (i % 97 == 0 || i < 40) check();
    }
    cr_expect_geq(table.bucket_count, NODES - 1, "chains stay short");
    cr_expect_eq(memory.used, memory_cost(8192 * sizeof(struct table_node *)));
    check();
}

Test(table_growth, nodes_that_come_and_go)
{
    struct prng prng = {1};
    for (int step = 0; step < 20000; step++) {
        int i = (int)prng_below(&prng, NODES);
        if (items[i].in) {
            table_remove(&table, &items[i].node);
            items[i].in = false;
        } else {
            insert(i);
        }
        if (step % 500 == 0) check();
    }
    check();
}
