/* See state_json.h. Versions are strings: JavaScript rounds integers above 2^53. */
#include "ingress/state_json.h"

#include "base/reader.h"
#include "base/text.h"
#include "ingress/typed_json.h"

struct row {
    struct span type;
    struct span id;
    struct span name;
    struct span value_type;
    uint64_t version;
    uint64_t written_at_ms;
    struct span value;
};

static bool next_row(struct reader *reader, struct row *row)
{
    if (reader_left(reader) == 0) return false;
    row->type = reader_string(reader);
    row->id = reader_string(reader);
    row->name = reader_string(reader);
    row->value_type = reader_string(reader);
    row->version = reader_varint(reader);
    row->written_at_ms = reader_varint(reader);
    row->value = reader_string(reader);
    return !reader->failed;
}

static void member_text(struct buffer *out, const char *name, struct span text)
{
    text_json_member(out, name);
    text_json_string(out, text);
}

static void member_version(struct buffer *out, uint64_t version)
{
    text_json_member(out, "version");
    buffer_byte(out, '"');
    text_decimal(out, version);
    buffer_byte(out, '"');
}

int state_json(struct buffer *out, struct span rows)
{
    struct reader reader = reader_of(rows);
    struct row row;
    bool first = true;
    text_append(out, "{\"values\":{");
    while (next_row(&reader, &row)) {
        if (!first) buffer_byte(out, ',');
        first = false;
        text_json_string(out, row.name);
        text_append(out, ":{");
        member_text(out, "type", row.value_type);
        member_version(out, row.version);
        typed_json_append(out, row.value_type, row.value);
        buffer_byte(out, '}');
    }
    text_append(out, "}}\n");
    return reader_done(&reader) ? 0 : ERROR_MALFORMED;
}

int export_json(struct buffer *out, struct span rows)
{
    struct reader reader = reader_of(rows);
    struct row row;
    while (next_row(&reader, &row)) {
        buffer_byte(out, '{');
        member_text(out, "type", row.type);
        member_text(out, "id", row.id);
        member_text(out, "name", row.name);
        member_text(out, "value_type", row.value_type);
        member_version(out, row.version);
        text_json_member(out, "written_at");
        text_decimal(out, row.written_at_ms);
        typed_json_append(out, row.value_type, row.value);
        text_append(out, "}\n");
    }
    return reader_done(&reader) ? 0 : ERROR_MALFORMED;
}
