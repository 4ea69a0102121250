/* list.h, table.h, heap.h: random operations against naive models. */
#include <criterion/criterion.h>

#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/prng.h"
#include "base/span.h"
#include "base/table.h"

#include <stdlib.h>

TestSuite(containers, .timeout = 60);

/* -- List -- */

struct letter {
    struct list link;
    char letter;
};

static const char *spell(const struct list *head)
{
    static char word[16];
    size_t size = 0;
    LIST_EACH (head, link) word[size++] = CONTAINER_OF(link, struct letter, link)->letter;
    word[size] = '\0';
    return word;
}

Test(containers, a_list_keeps_order)
{
    struct list head;
    struct letter a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
    list_init(&head);
    cr_assert(list_empty(&head));
    list_append(&head, &b.link);
    list_append(&head, &c.link);
    list_prepend(&head, &a.link);
    cr_assert_str_eq(spell(&head), "abc");
    cr_assert_eq(LIST_FIRST(&head, struct letter, link), &a);
    list_remove(&b.link);
    list_remove(&b.link); /* harmless */
    cr_assert_str_eq(spell(&head), "ac");
    list_prepend(&head, &b.link);
    cr_assert_str_eq(spell(&head), "bac");
}

Test(containers, a_body_may_unlink_its_own_link)
{
    struct list head;
    struct letter letters[3] = {{.letter = 'a'}, {.letter = 'b'}, {.letter = 'c'}};
    list_init(&head);
    for (int i = 0; i < 3; i++) list_append(&head, &letters[i].link);
    int seen = 0;
    LIST_EACH (&head, link) {
        list_remove(link);
        seen++;
    }
    cr_assert_eq(seen, 3);
    cr_assert(list_empty(&head));
}

/* -- Heap -- */

enum { NODES = 500 };

struct item {
    struct heap_node node;
    bool in;
};

static struct item items[NODES];

static bool item_before(const struct item *a, const struct item *b)
{
    return a->node.key < b->node.key || (a->node.key == b->node.key && a->node.tie < b->node.tie);
}

static struct item *naive_first(void)
{
    struct item *first = NULL;
    for (int i = 0; i < NODES; i++)
        if (items[i].in && (first == NULL || item_before(&items[i], first))) first = &items[i];
    return first;
}

static void check_first(const struct heap *heap)
{
    struct item *expected = naive_first();
    cr_assert_eq(heap_first(heap), expected == NULL ? NULL : &expected->node);
}

Test(containers, a_heap_agrees_with_a_naive_model)
{
    struct heap heap;
    struct prng prng = {3};
    size_t count = 0;
    uint64_t tie = 0;
    heap_init(&heap);
    for (int round = 0; round < 40000; round++) {
        /* Mostly growing, then mostly shrinking, so that both shapes of heap occur. */
        bool takes_first = prng_below(&prng, 4) == (uint64_t)(round / 10000 % 2);
        struct item *item = takes_first ? naive_first() : &items[prng_below(&prng, NODES)];
        if (item == NULL) continue;
        if (item->in) {
            heap_remove(&heap, &item->node);
            count--;
        } else {
            item->node.key = (int64_t)prng_below(&prng, 50) - 25;
            item->node.tie = ++tie;
            heap_insert(&heap, &item->node);
            count++;
        }
        item->in = !item->in;
        cr_assert_eq(heap.count, count);
        check_first(&heap);
    }
    while (heap.count > 0) {
        check_first(&heap);
        naive_first()->in = false;
        heap_remove(&heap, heap_first(&heap));
    }
    cr_assert_null(heap_first(&heap));
}

Test(containers, a_heap_of_many_in_order_needs_no_deep_stack)
{
    enum { MANY = 1000000 };
    struct heap_node *nodes = calloc(MANY, sizeof *nodes);
    struct heap heap;
    heap_init(&heap);
    for (int i = 0; i < MANY; i++) {
        nodes[i].key = i;
        heap_insert(&heap, &nodes[i]);
    }
    for (int i = 0; i < MANY; i++) {
        cr_assert_eq(heap_first(&heap), &nodes[i]);
        heap_remove(&heap, &nodes[i]);
    }
    free(nodes);
}

/* -- Table -- */

struct entry {
    struct table_node node;
    uint64_t key;
    bool in;
    int visits;
};

static struct entry entries[NODES];

static struct entry *find(const struct table *table, uint64_t key)
{
    struct table_node *node = table_chain(table, key);
    for (; node != NULL; node = node->next) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        if (entry->key == key) return entry;
    }
    return NULL;
}

static void check_visits(const struct table *table)
{
    static int round;
    round++;
    uint32_t visited = 0;
    for (struct table_node *node = table_next(table, NULL); node != NULL;
         node = table_next(table, node)) {
        struct entry *entry = CONTAINER_OF(node, struct entry, node);
        cr_assert(entry->in);
        cr_assert_neq(entry->visits, round, "visited twice");
        entry->visits = round;
        visited++;
    }
    cr_assert_eq(visited, table->count);
}

/* `spread` masks the hashes: few distinct ones make long chains. */
static void run_table(uint64_t spread)
{
    struct memory memory;
    struct table table;
    struct prng prng = {spread};
    uint32_t count = 0;
    memory_init(&memory);
    table_init(&table);
    memset(entries, 0, sizeof entries);
    for (int round = 0; round < 20000; round++) {
        struct entry *entry = &entries[prng_below(&prng, NODES)];
        uint64_t key = (uint64_t)(entry - entries);
        entry->key = (key * 0x9e3779b97f4a7c15u & ~(uint64_t)0xfff) | key; /* distinct */
        uint64_t hash = entry->key & spread;
        if (entry->in)
            table_remove(&table, &entry->node);
        else
            table_insert(&table, &memory, &entry->node, hash);
        entry->in = !entry->in;
        count += entry->in ? 1 : (uint32_t)-1;
        cr_assert_eq(table.count, count);
        if (round % 500 == 0) check_visits(&table);
        if (spread == UINT64_MAX) cr_assert_eq(find(&table, entry->key), entry->in ? entry : NULL);
    }
    check_visits(&table);
    table_close(&table, &memory);
    cr_assert_eq(memory.used, 0);
    memory_close(&memory);
}

Test(containers, a_table_agrees_with_a_naive_model)
{
    run_table(UINT64_MAX);
}

Test(containers, a_table_works_with_equal_hashes)
{
    run_table(3);
    run_table(0);
}

Test(containers, a_small_table_has_no_bucket_array)
{
    struct memory memory;
    struct table table;
    struct entry few[4] = {0};
    memory_init(&memory);
    table_init(&table);
    for (uint64_t i = 0; i < 4; i++) {
        few[i].key = i;
        table_insert(&table, &memory, &few[i].node, i);
    }
    cr_assert_eq(memory.used, 0);
    for (uint64_t i = 0; i < 4; i++) cr_assert_eq(find(&table, i), &few[i]);
    table_close(&table, &memory);
    memory_close(&memory);
}

Test(containers, every_node_may_be_removed_while_visiting)
{
    struct memory memory;
    struct table table;
    memory_init(&memory);
    table_init(&table);
    for (uint64_t i = 0; i < NODES; i++)
        table_insert(&table, &memory, &entries[i].node, hash_bytes(span_of(&i, 8)));
    struct table_node *node = table_next(&table, NULL);
    while (node != NULL) {
        struct table_node *next = table_next(&table, node);
        table_remove(&table, node);
        node = next;
    }
    cr_assert_eq(table.count, 0);
    table_close(&table, &memory);
    memory_close(&memory);
}
