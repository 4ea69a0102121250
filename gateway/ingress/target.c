/* See room.h. */
#include "ingress/room.h"

#include "base/utf8.h"

static const char *id_fault(struct span id)
{
    if (id.size == 0) return "The id is empty.";
    if (id.size > ID_SIZE_MAX) return "The id is over 1024 bytes.";
    if (!utf8_valid(id)) return "The id is not valid UTF-8.";
    return id_valid(id) ? NULL : "The id has a NUL character.";
}

static const char *type_fault(struct span type)
{
    if (type.size > NAME_SIZE_MAX) return "The function type is over 256 bytes.";
    if (!utf8_valid(type)) return "The function type is not valid UTF-8.";
    return name_valid(type)
               ? NULL
               : "The function type has to be namespace/name, without control characters.";
}

const char *address_fault(struct address address)
{
    const char *fault = type_fault(address.type);
    return fault != NULL ? fault : id_fault(address.id);
}

/* Percent-decoded, a segment may hold anything; a namespace or name with a '/' is no name. */
const char *target_join(struct http_request *request, struct span name_space, struct span type,
                        struct span id, struct target *target)
{
    size_t size = name_space.size + 1 + type.size;
    uint8_t *text = http_alloc(request, size + 1 + id.size);
    memcpy(text, name_space.at, name_space.size);
    text[name_space.size] = '/';
    memcpy(text + name_space.size + 1, type.at, type.size);
    text[size] = '/';
    memcpy(text + size + 1, id.at, id.size);
    target->address = (struct address){span_of(text, size), span_of(text + size + 1, id.size)};
    target->name_space = span_of(text, name_space.size);
    target->subject = span_of(text, size + 1 + id.size);
    return address_fault(target->address);
}

bool target_read(struct http_request *request, struct span name_space, struct span type,
                 struct span id, struct target *target)
{
    const char *fault = target_join(request, name_space, type, id, target);
    if (fault == NULL) return true;
    http_problem(request, 400, "invalid-address", fault, target->subject, 0);
    return false;
}
