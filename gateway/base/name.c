#include "base/name.h"

#include "base/utf8.h"

/* C0, DEL, and C1 in its UTF-8 form. */
static bool has_control(struct span text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.at[i];
        if (byte < 0x20 || byte == 0x7f) return true;
        if (byte == 0xc2 && i + 1 < text.size && text.at[i + 1] < 0xa0) return true;
    }
    return false;
}

bool name_valid(struct span name)
{
    if (name.size < 3 || name.size > NAME_SIZE_MAX) return false;
    const uint8_t *slash = memchr(name.at, '/', name.size);
    if (slash == NULL || slash == name.at) return false;
    struct span rest = span_from(name, (size_t)(slash - name.at) + 1);
    if (rest.size == 0 || memchr(rest.at, '/', rest.size) != NULL) return false;
    return ascii_printable(name) || (utf8_valid(name) && !has_control(name));
}

bool id_valid(struct span id)
{
    return id.size > 0 && id.size <= ID_SIZE_MAX && memchr(id.at, '\0', id.size) == NULL &&
           utf8_valid(id);
}
