/* Small texts that people write: quantities, URLs of functions, addresses, names, dates and fields
 * of HTTP, percent-encoding, numbers. The first byte says which. */
#include "fuzz.h"

#include "base/name.h"
#include "base/quantity.h"
#include "base/text.h"
#include "base/utf8.h"
#include "config/url.h"
#include "egress/path.h"
#include "invoke/date.h"
#include "invoke/field.h"
#include "invoke/url.h"
#include "net/percent.h"

#include <stdlib.h>

static void quantities(struct span text)
{
    int64_t ms = -1;
    uint64_t bytes;
    if (duration_parse(text, &ms) == 0) FUZZ_CHECK(ms >= 0);
    if (size_parse(text, &bytes) == 0) FUZZ_CHECK(text.size > 0);
}

static void url(struct span input)
{
    struct span name = fuzz_bytes(&input);
    struct url url;
    struct errmsg errmsg = {""};
    struct buffer out;
    buffer_init(&out);
    int error = url_parse(input, &url, &errmsg);
    FUZZ_CHECK(error == 0 || errmsg.text[0] != 0);
    /* What the check of module.yaml lets through is one for the calls, too. */
    if (url_template_fault(input) == NULL) FUZZ_CHECK(error == 0);
    if (error == 0) {
        FUZZ_CHECK(fuzz_inside(url.host, input) && fuzz_inside(url.path, input));
        if (url_host(&out, &url, name) == 0) FUZZ_CHECK(out.size > 0);
        buffer_clear(&out);
        url_target(&out, &url, name);
        FUZZ_CHECK(out.size > 0 && out.at[0] == '/');
        for (size_t i = 0; i < out.size; i++) FUZZ_CHECK(out.at[i] > ' ' && out.at[i] < 0x7f);
    }
    buffer_close(&out);
}

static void addresses(struct span text)
{
    if (listen_address_fault(text) == NULL) {
        (void)listen_address_local(text);
        (void)listen_address_port(text);
    }
    if (listen_host_fault(text) == NULL) (void)listen_host_local(text);
}

static void names(struct span text)
{
    if (name_valid(text)) FUZZ_CHECK(utf8_valid(text) && memchr(text.at, '/', text.size) != NULL);
    if (id_valid(text)) FUZZ_CHECK(utf8_valid(text) && text.size <= ID_SIZE_MAX);
}

static void fields(struct span text)
{
    struct span rest = text, element;
    uint64_t number;
    int64_t seconds;
    while (field_element(&rest, &element)) {
        FUZZ_CHECK(fuzz_inside(element, text));
        (void)field_number(element, &number);
        FUZZ_CHECK(fuzz_inside(field_before(element, ';'), element));
        (void)field_equal(element, SPAN_LITERAL("gzip"));
    }
    (void)field_is_token(text);
    (void)field_is_value(text);
    (void)date_parse(text, &seconds);
    (void)egress_number_parse(text, UINT64_MAX, &number);
}

static void percent(struct span text)
{
    uint8_t *out = malloc(text.size + 1);
    size_t size;
    FUZZ_CHECK(out != NULL);
    for (int plus = 0; plus < 2; plus++)
        if (percent_decode(text, plus == 1, out, &size) == 0) FUZZ_CHECK(size <= text.size);
    free(out);
}

void fuzz_one(struct span input)
{
    static void (*const forms[])(struct span) = {quantities, url,    addresses,
                                                 names,      fields, percent};
    forms[fuzz_choice(&input, sizeof forms / sizeof forms[0])](input);
}
