/* See offer.h. */
#include "invoke/offer.h"

#include "base/hash.h"
#include "invoke/bundle.h"
#include "invoke/field.h"
#include "wire/bundle.h"

#define BROKEN_US INT64_C(60000000)
#define SLOW_FOR_US INT64_C(10000000)

static uint32_t max_of(struct span parameters)
{
    uint64_t max;
    struct span rest = parameters;
    while (rest.size > 0) {
        struct span parameter = field_before(rest, ';');
        rest = span_from(rest, parameter.size < rest.size ? parameter.size + 1 : rest.size);
        struct span name = field_before(parameter, '=');
        if (name.size == parameter.size || !field_equal(field_trim(name), SPAN_LITERAL("max")))
            continue;
        if (!field_number(field_trim(span_from(parameter, name.size + 1)), &max)) return 0;
        if (max == 0) return OFFER_NONE;
        return max > BUNDLE_RIDERS_MAX ? BUNDLE_RIDERS_MAX : (uint32_t)max;
    }
    return OFFER_MAX_DEFAULT;
}

uint32_t offer_parse(struct span value)
{
    struct span element;
    while (field_element(&value, &element)) {
        struct span type = field_before(element, ';');
        if (field_equal(field_trim(type), SPAN_LITERAL(BUNDLE_CONTENT_TYPE)))
            return max_of(span_from(element, type.size));
    }
    return 0;
}

void offer_made(struct offer *offer, uint32_t max, int64_t now_us)
{
    if (now_us >= offer->not_until_us) offer->max = max;
}

void offer_broken(struct offer *offer, int64_t now_us)
{
    offer->max = 0;
    offer->not_until_us = now_us + BROKEN_US;
}

void offer_slow(struct offer *offer, struct span id, int64_t now_us)
{
    uint64_t hash = hash_bytes(id);
    size_t place = hash % OFFER_SLOW_PLACES;
    offer->slow[place].hash = hash;
    offer->slow[place].until_us = now_us + SLOW_FOR_US;
}

bool offer_is_slow(const struct offer *offer, struct span id, int64_t now_us)
{
    uint64_t hash = hash_bytes(id);
    size_t place = hash % OFFER_SLOW_PLACES;
    return offer->slow[place].hash == hash && now_us < offer->slow[place].until_us;
}
