/* A function that asks for states it was not given: they become one SPEC, and it is called again.
 */
#include "base/text.h"
#include "shard/budget.h"
#include "shard/decide.h"

static void conflict(struct shard *shard, struct flight *flight, const struct state_spec *spec,
                     uint32_t registered, struct shard_update *update)
{
    buffer_clear(&shard->scratch);
    text_append(&shard->scratch, "the function declares state \"");
    buffer_append(&shard->scratch, spec->name);
    text_append(&shard->scratch, "\" as type \"");
    buffer_append(&shard->scratch, spec->type_name);
    text_append(&shard->scratch, "\", but it is registered as \"");
    buffer_append(&shard->scratch, dictionary_name(&shard->image, registered));
    text_append(&shard->scratch, "\"");
    fail_address(shard, flight, buffer_span(&shard->scratch), update);
}

static bool is_known(const struct image *image, const struct function *function,
                     const struct state_spec *spec)
{
    uint32_t name = dictionary_find(image, spec->name);
    return name != 0 && function_find_spec(function, name) != NULL;
}

/* Differently, perhaps: then each would be news for ever. */
static bool is_twice(const struct function_response *response, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (span_equal(response->specs[j].name, response->specs[i].name)) return true;
    return false;
}

/* True: something in it is news. */
static bool is_news(const struct image *image, const struct function *function,
                    const struct state_spec *spec)
{
    uint32_t name = dictionary_find(image, spec->name);
    const struct spec *known = name == 0 ? NULL : function_find_spec(function, name);
    return known == NULL || known->mode != spec->mode || known->ttl_ms != spec->ttl_ms;
}

static const struct spec *find_conflict(const struct image *image, const struct function *function,
                                        const struct state_spec *spec)
{
    uint32_t name = dictionary_find(image, spec->name);
    const struct spec *known = name == 0 ? NULL : function_find_spec(function, name);
    if (known == NULL || span_equal(dictionary_name(image, known->type_name), spec->type_name))
        return NULL;
    return known;
}

static int write_specs(struct shard *shard, uint32_t type, const struct function_response *response,
                       struct shard_update *update)
{
    for (size_t i = 0; i < response->spec_count; i++)
        if (intern(shard, update, response->specs[i].name) == 0 ||
            intern(shard, update, response->specs[i].type_name) == 0)
            return ERROR_MEMORY;
    struct buffer *body = emit_begin(shard);
    buffer_varint(body, type);
    buffer_varint(body, response->spec_count);
    for (size_t i = 0; i < response->spec_count; i++) {
        const struct state_spec *spec = &response->specs[i];
        record_spec_write(body,
                          &(struct record_spec){dictionary_find(&shard->image, spec->name),
                                                dictionary_find(&shard->image, spec->type_name),
                                                (uint8_t)spec->mode, (uint64_t)spec->ttl_ms});
    }
    return emit(shard, update, RECORD_SPEC);
}

static void refuse(struct shard *shard, struct flight *flight,
                   const struct function_response *response, bool news, struct shard_update *update)
{
    buffer_clear(&shard->scratch);
    if (news) {
        text_append(&shard->scratch, "the function registers more than 256 states");
    } else {
        text_append(&shard->scratch, "the function asks again for states that it was given");
        if (response->spec_count > 0) {
            text_append(&shard->scratch, ": \"");
            buffer_append(&shard->scratch, response->specs[0].name);
            text_append(&shard->scratch, "\"");
        }
    }
    fail_address(shard, flight, buffer_span(&shard->scratch), update);
}

void register_states(struct shard *shard, struct flight *flight,
                     const struct function_response *response, struct shard_update *update)
{
    const struct function *function = image_function(&shard->image, flight->box->type);
    bool news = false;
    uint32_t added = 0;
    for (size_t i = 0; i < response->spec_count; i++) {
        const struct spec *registered = find_conflict(&shard->image, function, &response->specs[i]);
        if (registered != NULL) {
            conflict(shard, flight, &response->specs[i], registered->type_name, update);
            return;
        }
        if (is_twice(response, i)) {
            fail_address(shard, flight, span_text("the function declares a state twice"), update);
            return;
        }
        news = news || is_news(&shard->image, function, &response->specs[i]);
        added += !is_known(&shard->image, function, &response->specs[i]);
    }
    /* Another address may have registered them while this call was out. */
    news = news || function->spec_count > flight->sent_specs;
    if (!news || function->spec_count + added > STATES_MAX) {
        refuse(shard, flight, response, news, update);
        return;
    }
    if (++flight->handshakes > HANDSHAKES_MAX) {
        fail_address(shard, flight, span_text("the function asks for its states again and again"),
                     update);
        return;
    }
    if (write_specs(shard, flight->box->type, response, update) != 0) {
        if (shard->image.dictionary.count >= NAMES_MAX)
            fail_address(shard, flight, span_text("no more different names can be kept"), update);
        else
            block(shard, flight, (struct lack){.of = SHORT_OF_HEAP});
        return;
    }
    flight->tries--; /* no user code has run */
    flight_settle(shard, flight);
}
