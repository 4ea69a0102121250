/* Bytes of files, in pages that are shared until they are written. */
#include "lib/fake_disk_state.h"

#include "base/check.h"

#include <stdlib.h>

/* Pages of zeros are many and all alike. Never freed. */
static struct fake_page zeros = {.references = 1};
static struct fake_page *free_pages;

static struct fake_page *new_page(void)
{
    struct fake_page *page = free_pages;
    if (page != NULL)
        free_pages = page->next;
    else
        page = malloc(sizeof *page);
    CHECK(page != NULL);
    page->references = 1;
    return page;
}

static void drop_page(struct fake_page *page)
{
    if (page == NULL || --page->references > 0) return;
    page->next = free_pages;
    free_pages = page;
}

void fake_content_free(struct fake_content *content)
{
    for (size_t i = 0; i < content->page_count; i++) drop_page(content->pages[i]);
    free(content->pages);
    *content = (struct fake_content){0};
}

void fake_content_copy(struct fake_content *into, const struct fake_content *from)
{
    *into = (struct fake_content){.size = from->size, .page_count = from->page_count};
    if (from->page_count == 0) return;
    into->pages = malloc(from->page_count * sizeof *into->pages);
    CHECK(into->pages != NULL);
    for (size_t i = 0; i < from->page_count; i++) {
        into->pages[i] = from->pages[i];
        if (into->pages[i] != NULL) into->pages[i]->references++;
    }
}

void fake_content_read(const struct fake_content *content, uint64_t offset, void *into, size_t size)
{
    uint8_t *at = into;
    while (size > 0) {
        size_t page = (size_t)(offset / FAKE_PAGE);
        size_t start = (size_t)(offset % FAKE_PAGE);
        size_t part = FAKE_PAGE - start < size ? FAKE_PAGE - start : size;
        if (page < content->page_count && content->pages[page] != NULL)
            memcpy(at, content->pages[page]->bytes + start, part);
        else
            memset(at, 0, part);
        at += part;
        offset += part;
        size -= part;
    }
}

static void grow(struct fake_content *content, size_t page_count)
{
    if (page_count <= content->page_count) return;
    content->pages = realloc(content->pages, page_count * sizeof *content->pages);
    CHECK(content->pages != NULL);
    for (size_t i = content->page_count; i < page_count; i++) content->pages[i] = NULL;
    content->page_count = page_count;
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
    return memcmp(bytes, zeros.bytes, size) == 0;
}

/* The page, ours alone. */
static struct fake_page *own(struct fake_content *content, size_t number)
{
    struct fake_page **page = &content->pages[number];
    if (*page != NULL && (*page)->references == 1 && *page != &zeros) return *page;
    struct fake_page *copy = new_page();
    if (*page != NULL)
        memcpy(copy->bytes, (*page)->bytes, FAKE_PAGE);
    else
        memset(copy->bytes, 0, FAKE_PAGE);
    drop_page(*page);
    return *page = copy;
}

void fake_content_write(struct fake_content *content, uint64_t offset, const uint8_t *bytes,
                        size_t size)
{
    grow(content, (size_t)((offset + size + FAKE_PAGE - 1) / FAKE_PAGE));
    while (size > 0) {
        size_t number = (size_t)(offset / FAKE_PAGE);
        size_t start = (size_t)(offset % FAKE_PAGE);
        size_t part = FAKE_PAGE - start < size ? FAKE_PAGE - start : size;
        struct fake_page **page = &content->pages[number];
        bool blank = *page == NULL || *page == &zeros || part == FAKE_PAGE;
        if (blank && all_zero(bytes, part)) {
            drop_page(*page);
            zeros.references++;
            *page = &zeros;
        } else {
            memcpy(own(content, number)->bytes + start, bytes, part);
        }
        bytes += part;
        offset += part;
        size -= part;
    }
}

void fake_content_cut(struct fake_content *content, uint64_t size)
{
    size_t keep = (size_t)((size + FAKE_PAGE - 1) / FAKE_PAGE);
    for (size_t i = keep; i < content->page_count; i++) drop_page(content->pages[i]);
    if (keep < content->page_count) content->page_count = keep;
    size_t end = (size_t)(size % FAKE_PAGE);
    if (end != 0 && keep == content->page_count && content->pages[keep - 1] != NULL &&
        !all_zero(content->pages[keep - 1]->bytes + end, FAKE_PAGE - end))
        memset(own(content, keep - 1)->bytes + end, 0, FAKE_PAGE - end);
}

uint64_t fake_content_data_end(const struct fake_content *content, uint64_t offset, uint64_t size)
{
    uint64_t last = content->page_count;
    while (last > 0 && content->pages[last - 1] == NULL) last--;
    uint64_t end = last * FAKE_PAGE;
    if (end > size) end = size;
    return end < offset ? offset : end;
}
