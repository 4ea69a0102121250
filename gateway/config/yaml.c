/* libyaml's events to a tree. Everything that could make a small file expensive is bounded here. */
#include "config/tree.h"

#include <yaml.h>

struct frame {
    struct node *node;
    bool has_key; /* a map: the next node is the value of `key` */
    struct span key;
    struct place key_place;
};

struct builder {
    const char *file;
    struct span text;
    struct arena *arena;
    struct problems *problems;
    struct tree *tree;
    struct node *last_document;
    struct node *document;
    struct frame frames[TREE_DEPTH_MAX];
    size_t depth;
    size_t node_count;
};

static struct place place_of(const struct builder *builder, yaml_mark_t mark)
{
    return (struct place){builder->file, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static struct frame *top(struct builder *builder)
{
    return builder->depth == 0 ? NULL : &builder->frames[builder->depth - 1];
}

static void append_child(struct node *parent, struct node *child)
{
    if (parent->last) {
        parent->last->next = child;
    } else {
        parent->first = child;
    }
    parent->last = child;
    parent->count++;
}

static void attach(struct builder *builder, struct node *node)
{
    struct frame *frame = top(builder);
    if (!frame) {
        builder->document = node;
        return;
    }
    if (frame->node->kind == NODE_MAP) {
        node->key = frame->key;
        node->key_place = frame->key_place;
        frame->has_key = false;
    }
    append_child(frame->node, node);
}

static int new_node(struct builder *builder, enum node_kind kind, yaml_mark_t mark,
                    struct node **result)
{
    if (++builder->node_count > TREE_NODES_MAX) {
        problem_add(builder->problems, place_of(builder, mark), "more than %d values in one file",
                    TREE_NODES_MAX);
        return ERROR_MALFORMED;
    }
    struct node *node = arena_alloc(builder->arena, sizeof *node);
    if (!node) return ERROR_MEMORY;
    node->kind = kind;
    node->place = place_of(builder, mark);
    *result = node;
    return 0;
}

/* A map waits for a key, and this event is none that a key can be made of. */
static bool key_expected(struct builder *builder)
{
    struct frame *frame = top(builder);
    return frame && frame->node->kind == NODE_MAP && !frame->has_key;
}

static int open_collection(struct builder *builder, enum node_kind kind, yaml_mark_t mark)
{
    if (key_expected(builder)) {
        struct problem *problem =
            problem_add(builder->problems, place_of(builder, mark), "a key must be a plain word");
        problem_hint(problem, "a value with braces or brackets at its begin needs quotes");
        return ERROR_MALFORMED;
    }
    if (builder->depth == TREE_DEPTH_MAX) {
        problem_add(builder->problems, place_of(builder, mark),
                    "lists and maps are nested more than %d deep", TREE_DEPTH_MAX);
        return ERROR_MALFORMED;
    }
    struct node *node = NULL;
    int error = new_node(builder, kind, mark, &node);
    if (error) return error;
    attach(builder, node);
    builder->frames[builder->depth++] = (struct frame){.node = node};
    return 0;
}

static bool plain_null(const yaml_event_t *event, struct span text)
{
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag) return false;
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (span_equal(text, span_text(words[i]))) return true;
    }
    return false;
}

static const struct node *same_key(const struct node *map, struct span key)
{
    for (const struct node *node = map->first; node; node = node->next) {
        if (span_equal(node->key, key)) return node;
    }
    return NULL;
}

static int take_key(struct builder *builder, struct span text, yaml_mark_t mark)
{
    struct frame *frame = top(builder);
    frame->has_key = true;
    frame->key = arena_copy(builder->arena, text);
    frame->key_place = place_of(builder, mark);
    if (frame->node->count >= TREE_MAP_KEYS_MAX) {
        problem_add(builder->problems, frame->key_place, "more than %d keys in one map",
                    TREE_MAP_KEYS_MAX);
        return ERROR_MALFORMED;
    }
    const struct node *before = same_key(frame->node, text);
    if (before) {
        problem_add(builder->problems, frame->key_place,
                    "\"%.*s\" stands twice in this map; first in line %u", SPAN_PRINT(text),
                    before->key_place.line);
    }
    if (span_equal(text, SPAN_LITERAL("<<"))) {
        struct problem *problem =
            problem_add(builder->problems, frame->key_place, "merge keys (<<) are not supported");
        problem_hint(problem, "write the fields out: StateFun does not merge them either");
    }
    return 0;
}

static int take_value(struct builder *builder, const yaml_event_t *event, struct span text)
{
    struct node *node = NULL;
    enum node_kind kind = plain_null(event, text) ? NODE_NULL : NODE_SCALAR;
    int error = new_node(builder, kind, event->start_mark, &node);
    if (error) return error;
    attach(builder, node);
    if (kind == NODE_NULL) return 0;
    node->written = arena_copy(builder->arena, text);
    if (memchr(text.at, 0, text.size)) {
        problem_add(builder->problems, node->place, "a text holds a NUL character");
        node->kind = NODE_BROKEN;
    } else if (!tree_interpolate(node, builder->arena, builder->problems)) {
        node->kind = NODE_BROKEN;
    }
    return 0;
}

static int take_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct span text = span_of(event->data.scalar.value, event->data.scalar.length);
    if (key_expected(builder)) return take_key(builder, text, event->start_mark);
    return take_value(builder, event, text);
}

static int take_alias(struct builder *builder, const yaml_event_t *event)
{
    struct problem *problem =
        problem_add(builder->problems, place_of(builder, event->start_mark),
                    "aliases (*%s) are not supported", event->data.alias.anchor);
    problem_hint(problem, "write the value out; a text that begins with * needs quotes");
    if (key_expected(builder)) return ERROR_MALFORMED;
    struct node *node = NULL;
    int error = new_node(builder, NODE_BROKEN, event->start_mark, &node);
    if (error) return error;
    attach(builder, node);
    return 0;
}

/* Standard tags say what we assume anyway; others ask for something we do not do. */
static void check_tag(struct builder *builder, const yaml_char_t *tag, yaml_mark_t mark)
{
    static const char standard[] = "tag:yaml.org,2002:";
    if (!tag || strncmp((const char *)tag, standard, sizeof standard - 1) == 0) return;
    problem_add(builder->problems, place_of(builder, mark), "the tag %s is not supported",
                (const char *)tag);
}

static void end_document(struct builder *builder)
{
    struct node *document = builder->document;
    builder->document = NULL;
    if (!document || document->kind == NODE_NULL) return;
    if (builder->last_document) {
        builder->last_document->next = document;
    } else {
        builder->tree->documents = document;
    }
    builder->last_document = document;
    builder->tree->count++;
}

static int take_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_END_EVENT: end_document(builder); return 0;
    case YAML_ALIAS_EVENT: return take_alias(builder, event);
    case YAML_SCALAR_EVENT:
        check_tag(builder, event->data.scalar.tag, event->start_mark);
        return take_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        check_tag(builder, event->data.sequence_start.tag, event->start_mark);
        return open_collection(builder, NODE_LIST, event->start_mark);
    case YAML_MAPPING_START_EVENT:
        check_tag(builder, event->data.mapping_start.tag, event->start_mark);
        return open_collection(builder, NODE_MAP, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: builder->depth--; return 0;
    default: return 0;
    }
}

/* An encoding error comes with an offset only. */
static struct place place_at_offset(const struct builder *builder, size_t offset)
{
    struct place place = {builder->file, 1, 1};
    for (size_t i = 0; i < offset && i < builder->text.size; i++) {
        place.column++;
        if (builder->text.at[i] != '\n') continue;
        place.line++;
        place.column = 1;
    }
    return place;
}

/* The line around an index holds a word. */
static bool line_holds(struct span text, size_t index, const char *word)
{
    struct span wanted = span_text(word);
    size_t at = index < text.size ? index : text.size;
    while (at > 0 && text.at[at - 1] != '\n') at--;
    for (; at < text.size && text.at[at] != '\n'; at++) {
        if (span_starts_with(span_from(text, at), wanted)) return true;
    }
    return false;
}

static int report_syntax(struct builder *builder, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR) return ERROR_MEMORY;
    struct place place = parser->error == YAML_READER_ERROR
                             ? place_at_offset(builder, parser->problem_offset)
                             : place_of(builder, parser->problem_mark);
    const char *what = parser->problem ? parser->problem : "not YAML";
    bool elsewhere = parser->context && parser->context_mark.line + 1 != place.line;
    struct problem *problem =
        elsewhere ? problem_add(builder->problems, place, "%s %s that begins in line %zu", what,
                                parser->context, parser->context_mark.line + 1)
                  : problem_add(builder->problems, place, "%s", what);
    size_t index = parser->problem_mark.index;
    if (index < builder->text.size && builder->text.at[index] == '\t') {
        problem_hint(problem, "YAML is indented with spaces, never with tabs");
    } else if (parser->error == YAML_READER_ERROR) {
        problem_hint(problem, "the file must be UTF-8 text");
    } else if (line_holds(builder->text, index, "{function.name}")) {
        problem_hint(problem, "a value that begins with a brace needs quotes");
    }
    return ERROR_MALFORMED;
}

static int read_events(struct builder *builder, yaml_parser_t *parser)
{
    bool done = false;
    int error = 0;
    while (!done && !error) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) return report_syntax(builder, parser);
        error = take_event(builder, &event);
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (!error && builder->arena->failed) error = ERROR_MEMORY;
    }
    return error;
}

/* libyaml compares every %TAG line with all before. */
static bool too_many_directives(struct span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '%' && (i == 0 || text.at[i - 1] == '\n')) count++;
    }
    return count > TREE_DIRECTIVES_MAX;
}

static bool acceptable(const char *file, struct span text, struct problems *problems)
{
    struct place place = {file, 0, 0};
    if (text.size > TREE_FILE_SIZE_MAX) {
        problem_add(problems, place, "the file is larger than %d bytes", TREE_FILE_SIZE_MAX);
        return false;
    }
    if (too_many_directives(text)) {
        problem_add(problems, place, "more than %d lines begin with %%", TREE_DIRECTIVES_MAX);
        return false;
    }
    return true;
}

int tree_read(struct tree *tree, const char *file, struct span text, struct arena *arena,
              struct problems *problems)
{
    *tree = (struct tree){NULL, 0};
    if (!acceptable(file, text, problems)) return ERROR_MALFORMED;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return ERROR_MEMORY;
    static const uint8_t nothing[1];
    yaml_parser_set_input_string(&parser, text.size > 0 ? text.at : nothing, text.size);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    struct builder builder = {
        .file = file, .text = text, .arena = arena, .problems = problems, .tree = tree};
    int error = read_events(&builder, &parser);
    yaml_parser_delete(&parser);
    return error;
}
