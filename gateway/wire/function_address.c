/* Address { namespace, type, id }: on our side the first two are one name. */
#include "wire/function_fields.h"

int address_decode(struct span bytes, struct address_parts *parts, struct errmsg *errmsg)
{
    struct proto_reader reader = proto_reader_of(bytes);
    struct proto_field field;
    int error;
    while ((error = proto_next(&reader, &field, errmsg)) > 0) {
        switch (field.number) {
        case ADDRESS_NAMESPACE:
            error = proto_take_text(&field, "namespace", &parts->name_space, errmsg);
            break;
        case ADDRESS_TYPE: error = proto_take_text(&field, "type", &parts->type, errmsg); break;
        case ADDRESS_ID: error = proto_take_text(&field, "id", &parts->id, errmsg); break;
        default: break;
        }
        if (error < 0) return error;
    }
    return error;
}

static int id_check(struct span id, struct errmsg *errmsg)
{
    if (id_valid(id)) return 0;
    if (id.size == 0) return errmsg_set(errmsg, ERROR_MALFORMED, "id: empty");
    if (id.size > ID_SIZE_MAX)
        return errmsg_set(errmsg, ERROR_TOO_LARGE, "id: more than %d bytes", ID_SIZE_MAX);
    return errmsg_set(errmsg, ERROR_MALFORMED, "id: has a NUL byte");
}

int address_finish(const struct address_parts *parts, struct function_names *names,
                   struct address *address, struct errmsg *errmsg)
{
    int error = function_names_join(names, parts->name_space, parts->type, &address->type, errmsg);
    if (error == 0) error = id_check(parts->id, errmsg);
    address->id = parts->id;
    return error;
}

/* Length of the namespace; a type without '/' has none. */
static size_t namespace_size(struct span type)
{
    const uint8_t *slash = type.size == 0 ? NULL : memchr(type.at, '/', type.size);
    return slash == NULL ? 0 : (size_t)(slash - type.at);
}

static struct address_parts split(const struct address *address)
{
    size_t size = namespace_size(address->type);
    bool whole = size == 0;
    return (struct address_parts){
        .name_space = span_of(address->type.at, size),
        .type = whole ? address->type : span_from(address->type, size + 1),
        .id = address->id,
    };
}

size_t address_size(const struct address *address)
{
    struct address_parts parts = split(address);
    return proto_text_size(parts.name_space.size) + proto_text_size(parts.type.size) +
           proto_text_size(parts.id.size);
}

uint8_t *address_put(uint8_t *at, const struct address *address)
{
    struct address_parts parts = split(address);
    at = proto_put_text(at, ADDRESS_NAMESPACE, parts.name_space);
    at = proto_put_text(at, ADDRESS_TYPE, parts.type);
    return proto_put_text(at, ADDRESS_ID, parts.id);
}
