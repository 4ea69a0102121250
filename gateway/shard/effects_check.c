/* May a response be applied as it is? The first thing that is wrong with it, as a sentence for the
 * operator. */
#include "shard/effects_check.h"

#include "base/hash.h"
#include "base/text.h"

#include <stdlib.h>

static int refuse(struct buffer *why, const char *what, struct span name, const char *problem)
{
    buffer_clear(why);
    text_append(why, what);
    if (name.size > 0) {
        text_append(why, " \"");
        buffer_append(why, name.size > 128 ? span_of(name.at, 128) : name);
        text_append(why, "\"");
    }
    text_append(why, problem);
    return ERROR_INVALID;
}

static int check_mutation(const struct image *image, const struct function *function,
                          const struct effect_mutation *mutation, struct buffer *why)
{
    uint32_t name = dictionary_find(image, mutation->name);
    const struct spec *spec = name == 0 ? NULL : function_find_spec(function, name);
    if (spec == NULL)
        return refuse(why, "the response changes state", mutation->name,
                      ", which the function has not registered");
    if (mutation->is_delete ||
        span_equal(dictionary_name(image, spec->type_name), mutation->type_name))
        return 0;
    refuse(why, "the response writes state", mutation->name, " as type \"");
    buffer_append(why, mutation->type_name);
    text_append(why, "\", but it is registered as \"");
    buffer_append(why, dictionary_name(image, spec->type_name));
    text_append(why, "\"");
    return ERROR_INVALID;
}

/* `valid`: the type of the target before it, which neighbours mostly share. */
static int check_target(const struct address *target, struct span *valid, bool may_reply,
                        struct buffer *why)
{
    if (!span_same(target->type, *valid) && !name_valid(target->type))
        return refuse(why, "the response sends to function type", target->type,
                      ", which is not \"namespace/name\"");
    *valid = target->type;
    if (!id_valid(target->id))
        return refuse(why, "the response sends to", target->type,
                      " with an id that is empty, over 1024 bytes or not UTF-8");
    if (!span_starts_with(target->type, NAME_RESERVED)) return 0;
    if (may_reply && span_equal(target->type, NAME_REPLY)) return 0;
    return refuse(why, "the response sends to", target->type,
                  ": the namespace holdfast is reserved");
}

/* The last item of the response with each token so far: open addressing, numbers from 1. Without
 * memory for it the items are searched one by one. */
struct tokens {
    uint32_t *last;
    size_t size; /* a power of two */
};

static void tokens_init(struct tokens *tokens, const struct function_response *response)
{
    tokens->size = 16;
    while (tokens->size < 2 * response->delayed_count) tokens->size *= 2;
    tokens->last = response->delayed_count == 0
                       ? NULL
                       : (uint32_t *)calloc(tokens->size, sizeof tokens->last[0]);
}

/* The item before i with the same token, or NULL; i takes its place. */
static const struct effect_delayed *
tokens_replace(struct tokens *tokens, const struct function_response *response, size_t i)
{
    struct span token = response->delayed[i].token;
    for (size_t j = i; tokens->last == NULL && j-- > 0;)
        if (span_equal(response->delayed[j].token, token)) return &response->delayed[j];
    if (tokens->last == NULL) return NULL;
    size_t at = hash_bytes(token) & (tokens->size - 1);
    while (tokens->last[at] != 0 &&
           !span_equal(response->delayed[tokens->last[at] - 1].token, token))
        at = (at + 1) & (tokens->size - 1);
    uint32_t before = tokens->last[at];
    tokens->last[at] = (uint32_t)i + 1;
    return before == 0 ? NULL : &response->delayed[before - 1];
}

/* Does a token live when the response reaches its item i? Earlier items of the same response count.
 */
static bool token_lives(const struct image *image, const struct function_response *response,
                        struct tokens *tokens, struct span id, size_t i)
{
    struct span token = response->delayed[i].token;
    const struct effect_delayed *before = tokens_replace(tokens, response, i);
    if (before != NULL) return !before->is_cancel;
    return timer_find_token(image, id, token) != NULL;
}

static int check_delayed(const struct image *image, const struct function_response *response,
                         struct tokens *tokens, struct span *valid, struct span id, size_t i,
                         struct buffer *why)
{
    const struct effect_delayed *delayed = &response->delayed[i];
    if (delayed->token.size > TOKEN_SIZE_MAX)
        return refuse(why, "the response uses cancel token", delayed->token,
                      ", which is longer than 1024 bytes");
    bool lives = delayed->token.size > 0 && token_lives(image, response, tokens, id, i);
    if (delayed->is_cancel) return 0;
    int error = check_target(&delayed->target, valid, false, why);
    if (error != 0 || !lives) return error;
    return refuse(why, "the response sends a delayed message with cancel token", delayed->token,
                  ", but one with this token waits already for this id");
}

int effects_check(const struct image *image, const struct overlay *overlay, const struct box *box,
                  const struct function_response *response, struct buffer *why)
{
    const struct function *function = image_find_function(image, box->type);
    struct span valid = NAME_REPLY;
    int error = 0;
    for (size_t i = 0; error == 0 && i < response->mutation_count; i++)
        error = check_mutation(image, function, &response->mutations[i], why);
    for (size_t i = 0; error == 0 && i < response->message_count; i++)
        error = check_target(&response->messages[i].target, &valid, true, why);
    struct tokens tokens;
    tokens_init(&tokens, response);
    for (size_t i = 0; error == 0 && i < response->delayed_count; i++)
        error = check_delayed(image, response, &tokens, &valid, box_id(box), i, why);
    free(tokens.last);
    for (size_t i = 0; error == 0 && i < response->egress_count; i++) {
        struct span egress = response->egress[i].name;
        if (egress_find(overlay, egress) == NULL)
            error = refuse(why, "the response writes to egress", egress,
                           ", which module.yaml does not declare");
    }
    return error;
}
