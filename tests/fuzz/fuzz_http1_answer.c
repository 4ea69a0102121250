/*
 * What a function's server may answer over HTTP/1: read in one piece and byte by byte it must come
 * to the same verdict. The first byte is the size of the pieces.
 */
#include "fuzz.h"

#include "invoke/http1.h"
#include "invoke/verdict.h"

enum { BODY_MAX = 4000 };

struct told {
    enum http1_event last;
    int body_error;
    enum outcome outcome;
    int64_t retry_after_ms;
    char text[sizeof((struct errmsg *)0)->text];
    size_t left; /* input behind the answer */
};

static void judge(struct told *told, const struct answer *answer)
{
    struct function_response response;
    struct errmsg text = {""};
    struct event_response event = {0};
    function_response_init(&response);
    if (told->body_error != 0)
        verdict_of_body_error(answer, told->body_error, &text, &event);
    else
        verdict_of(answer, &response, &text, &event);
    fuzz_touch(event.text);
    told->outcome = event.outcome;
    told->retry_after_ms = event.retry_after_ms;
    memcpy(told->text, text.text, sizeof told->text);
    told->text[sizeof told->text - 1] = 0;
    FUZZ_CHECK(event.outcome != OUTCOME_RESULT || event.response != NULL);
    function_response_close(&response);
}

/* One piece of input; true: the answer has come to its end, good or bad. */
static bool take(struct http1 *http1, struct answer *answer, struct span *input, struct told *told)
{
    struct span piece, whole = *input;
    bool last;
    for (;;) {
        told->last = http1_next(http1, input, answer, 1700000000000000, &piece, &last);
        FUZZ_CHECK(fuzz_inside(*input, whole));
        if (told->last == HTTP1_MORE) return false;
        if (told->last == HTTP1_BAD) FUZZ_CHECK(http1->problem != NULL);
        if (told->last == HTTP1_HEAD) answer_head(answer);
        if (told->last == HTTP1_BODY) {
            FUZZ_CHECK(fuzz_inside(piece, whole));
            told->body_error = body_add(&answer->body, piece, last);
        }
        if (told->last == HTTP1_END) told->body_error = body_end(&answer->body);
        if (told->last == HTTP1_END || told->last == HTTP1_BAD || told->body_error != 0)
            return true;
    }
}

static void run(struct span input, size_t step, struct told *told)
{
    struct http1 http1;
    struct answer answer;
    bool over = false;
    *told = (struct told){.last = HTTP1_MORE};
    http1_init(&http1);
    answer_init(&answer);
    http1_begin(&http1);
    answer_begin(&answer, BODY_MAX);
    struct span rest = input;
    while (rest.size > 0 && !over) {
        size_t size = rest.size < step ? rest.size : step;
        struct span piece = span_of(rest.at, size);
        over = take(&http1, &answer, &piece, told);
        rest = span_from(rest, size - piece.size);
    }
    told->left = rest.size;
    if (!over && http1_ended(&http1, &answer)) {
        told->last = HTTP1_END;
        told->body_error = body_end(&answer.body);
        over = true;
    }
    if (over && told->last == HTTP1_END) {
        (void)http1_reusable(&http1);
        judge(told, &answer);
    } else if (told->body_error != 0) {
        judge(told, &answer);
    }
    answer_close(&answer);
    http1_close(&http1);
}

void fuzz_one(struct span input)
{
    static struct told whole, cut;
    size_t step = 1 + fuzz_byte(&input) % 32;
    run(input, SIZE_MAX, &whole);
    run(input, step, &cut);
    FUZZ_CHECK(whole.last == HTTP1_END ? cut.last == HTTP1_END : true);
    if (whole.last != HTTP1_END) return;
    FUZZ_CHECK(whole.body_error == cut.body_error && whole.outcome == cut.outcome);
    FUZZ_CHECK(whole.retry_after_ms == cut.retry_after_ms && whole.left == cut.left);
    /* How much zlib gives before it meets an error depends on the pieces. */
    if (whole.body_error == 0) FUZZ_CHECK(strcmp(whole.text, cut.text) == 0);
}
