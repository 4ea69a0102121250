#include "store/scan_window.h"

#include "base/check.h"

int scan_enter(struct scan *scan, const struct segment *segment, struct errmsg *errmsg)
{
    if (scan->file_number == segment->number) return 0;
    file_close(&scan->file);
    scan->file_number = 0;
    scan->window_size = 0;
    scan->window_offset = 0;
    int error = file_open(&scan->file, segment->file.path, 0, errmsg);
    if (error != 0) return error;
    file_read_ahead(&scan->file);
    scan->file_number = segment->number;
    scan->data_end = file_data_end(&scan->file, 0, segment->size);
    return 0;
}

int scan_look(struct scan *scan, uint64_t offset, size_t size, struct span *bytes,
              struct errmsg *errmsg)
{
    CHECK(size <= SCAN_WINDOW_SIZE);
    uint64_t window_end = scan->window_offset + scan->window_size;
    if (offset < scan->window_offset || offset + size > window_end) {
        int error = file_read(&scan->file, offset, scan->window, SCAN_WINDOW_SIZE,
                              &scan->window_size, errmsg);
        if (error != 0) return error;
        scan->window_offset = offset;
        window_end = offset + scan->window_size;
    }
    *bytes = span_of(scan->window + (offset - scan->window_offset), (size_t)(window_end - offset));
    return 0;
}
