/* What a function offers, and how long what it has done is remembered. */
#include "invoke/offer.h"

#include "invoke/bundle.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(offer, .timeout = 60);

enum { NOW = 1000000, SECOND = 1000000 };

#define TYPE "application/vnd.holdfast.bundle"

Test(offer, headers)
{
    static const struct {
        const char *value;
        uint32_t max;
    } headers[] = {
        {TYPE ";max=64", 64},
        {TYPE, OFFER_MAX_DEFAULT},
        {TYPE ";", OFFER_MAX_DEFAULT},
        {TYPE ";;;", OFFER_MAX_DEFAULT},
        {TYPE " ; max=2", 2},
        {TYPE ";\tmax = 3 ", 3},
        {"Application/VND.Holdfast.Bundle;MAX=7", 7},
        {TYPE ";charset=utf-8;max=5;q=1", 5},
        {TYPE ";maximum=5", OFFER_MAX_DEFAULT},
        {TYPE ";max", OFFER_MAX_DEFAULT},
        {TYPE ";max=1", 1},
        {TYPE ";max=0", OFFER_NONE},
        {TYPE ";max=128", 128},
        {TYPE ";max=129", BUNDLE_RIDERS_MAX},
        {TYPE ";max=100000", BUNDLE_RIDERS_MAX},
        {TYPE ";max=4294967296", BUNDLE_RIDERS_MAX},
        {TYPE ";max=999999999999999999", BUNDLE_RIDERS_MAX},
        /* Not a number that we read: as if nothing were offered. */
        {TYPE ";max=18446744073709551617", 0},
        {TYPE ";max=", 0},
        {TYPE ";max=-1", 0},
        {TYPE ";max=+1", 0},
        {TYPE ";max=0x10", 0},
        {TYPE ";max=\"8\"", 0},
        {TYPE ";max=8.0", 0},
        {"text/html, " TYPE ";max=9", 9},
        {TYPE ";max=9, text/html;max=2", 9},
        {"text/html;max=2 ,\t" TYPE ";max=9 , a/b", 9},
        {TYPE ";max=4," TYPE ";max=8", 4},
        {",,, " TYPE ";max=6", 6},
        {"", 0},
        {",", 0},
        {";max=3", 0},
        {"*/*", 0},
        {"application/*;max=3", 0},
        {TYPE "s;max=3", 0},
        {"x" TYPE ";max=3", 0},
        {"application/vnd.holdfast.bundl", 0},
        {TYPE " max=3", 0},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        cr_expect_eq(offer_parse(span_text(headers[i].value)), headers[i].max, "'%s': %u",
                     headers[i].value, offer_parse(span_text(headers[i].value)));
}

Test(offer, what_was_not_understood_is_remembered_for_a_minute)
{
    struct offer offer = {0};
    offer_made(&offer, 16, NOW);
    cr_expect_eq(offer.max, 16);
    offer_broken(&offer, NOW);
    cr_expect_eq(offer.max, 0);
    for (int64_t s = 0; s < 60; s++) {
        offer_made(&offer, 16, NOW + s * SECOND);
        cr_expect_eq(offer.max, 0, "after %d s", (int)s);
    }
    offer_made(&offer, 8, NOW + 60 * (int64_t)SECOND);
    cr_expect_eq(offer.max, 8);
    /* Each time anew. */
    offer_broken(&offer, NOW + 100 * (int64_t)SECOND);
    offer_broken(&offer, NOW + 110 * (int64_t)SECOND);
    offer_made(&offer, 8, NOW + 165 * (int64_t)SECOND);
    cr_expect_eq(offer.max, 0);
    offer_made(&offer, 8, NOW + 170 * (int64_t)SECOND);
    cr_expect_eq(offer.max, 8);
}

Test(offer, who_was_slow_is_so_for_ten_seconds)
{
    struct offer offer = {0};
    struct span bob = SPAN_LITERAL("Bob");
    cr_expect_not(offer_is_slow(&offer, bob, NOW));
    offer_slow(&offer, bob, NOW);
    cr_expect(offer_is_slow(&offer, bob, NOW));
    cr_expect(offer_is_slow(&offer, bob, NOW + 10 * SECOND - 1));
    cr_expect_not(offer_is_slow(&offer, bob, NOW + 10 * SECOND));
    cr_expect_not(offer_is_slow(&offer, SPAN_LITERAL("Alice"), NOW));
    cr_expect_not(offer_is_slow(&offer, SPAN_EMPTY, NOW));
}

/* However many are slow: nobody is taken for another. */
Test(offer, nobody_is_taken_for_another)
{
    struct offer offer = {0};
    char name[16];
    int size = 0, slow = 0;
    for (int i = 0; i < 1000; i++) {
        size = snprintf(name, sizeof name, "slow-%d", i);
        offer_slow(&offer, span_of(name, (size_t)size), NOW);
        cr_expect(offer_is_slow(&offer, span_of(name, (size_t)size), NOW));
    }
    for (int i = 0; i < 1000; i++) {
        size = snprintf(name, sizeof name, "slow-%d", i);
        slow += offer_is_slow(&offer, span_of(name, (size_t)size), NOW);
        size = snprintf(name, sizeof name, "fast-%d", i);
        cr_expect_not(offer_is_slow(&offer, span_of(name, (size_t)size), NOW));
    }
    cr_expect_leq(slow, OFFER_SLOW_PLACES);
    cr_expect_gt(slow, OFFER_SLOW_PLACES / 2);
}
