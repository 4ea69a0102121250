/* The token file: what a line may say, what is refused with which words, and who gets in. */
#include "admin/token.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct errmsg errmsg;

static int parse(struct tokens *tokens, const char *text)
{
    return tokens_parse(tokens, span_text(text), "tokens", &errmsg);
}

static void refuses(const char *text, int expected, const char *words)
{
    struct tokens tokens;
    tokens_init(&tokens);
    cr_assert_eq(parse(&tokens, text), expected, "%s", text);
    cr_assert_not_null(strstr(errmsg.text, words), "%s", errmsg.text);
    cr_assert_eq(tokens.count, 0);
    tokens_close(&tokens);
}

static enum token_answer ask(const struct tokens *tokens, const char *authorization,
                             enum token_verb verb, const char *name_space)
{
    return token_allows(tokens, span_text(authorization), verb, span_text(name_space));
}

static struct tokens example(void)
{
    struct tokens tokens;
    tokens_init(&tokens);
    cr_assert_eq(parse(&tokens, "# who may do what\n"
                                "\n"
                                "root-token\r\n"
                                "  sender \t send,call   # the web shop\n"
                                "shop state,egress shop.\n"
                                "ops * shop."),
                 0, "%s", errmsg.text);
    cr_assert_eq(tokens.count, 4);
    return tokens;
}

Test(token, verbs_and_prefixes)
{
    struct tokens tokens = example();
    for (uint32_t verb = 1; verb <= TOKEN_ADMIN; verb <<= 1) {
        cr_assert_eq(ask(&tokens, "Bearer root-token", verb, "any"), TOKEN_ALLOWED);
        cr_assert_eq(ask(&tokens, "Bearer root-token", verb, ""), TOKEN_ALLOWED);
        cr_assert_eq(ask(&tokens, "Bearer ops", verb, "shop.eu"), TOKEN_ALLOWED);
        cr_assert_eq(ask(&tokens, "Bearer ops", verb, "shop"), TOKEN_FORBIDDEN);
        cr_assert_eq(ask(&tokens, "Bearer ops", verb, ""), TOKEN_FORBIDDEN);
    }
    cr_assert_eq(ask(&tokens, "Bearer sender", TOKEN_SEND, "a"), TOKEN_ALLOWED);
    cr_assert_eq(ask(&tokens, "Bearer sender", TOKEN_CALL, "a"), TOKEN_ALLOWED);
    cr_assert_eq(ask(&tokens, "Bearer sender", TOKEN_STATE, "a"), TOKEN_FORBIDDEN);
    cr_assert_eq(ask(&tokens, "Bearer sender", TOKEN_ADMIN, "a"), TOKEN_FORBIDDEN);
    cr_assert_eq(ask(&tokens, "Bearer shop", TOKEN_STATE, "shop.eu"), TOKEN_ALLOWED);
    cr_assert_eq(ask(&tokens, "Bearer shop", TOKEN_STATE, "shopping"), TOKEN_FORBIDDEN);
    cr_assert_eq(ask(&tokens, "Bearer shop", TOKEN_SEND, "shop.eu"), TOKEN_FORBIDDEN);
    tokens_close(&tokens);
}

Test(token, the_header)
{
    struct tokens tokens = example();
    cr_assert_eq(ask(&tokens, "bearer   sender ", TOKEN_SEND, "a"), TOKEN_ALLOWED);
    cr_assert_eq(ask(&tokens, "", TOKEN_SEND, "a"), TOKEN_MISSING);
    cr_assert_eq(ask(&tokens, "Bearer", TOKEN_SEND, "a"), TOKEN_MISSING);
    cr_assert_eq(ask(&tokens, "Bearer ", TOKEN_SEND, "a"), TOKEN_MISSING);
    cr_assert_eq(ask(&tokens, "Basic sender", TOKEN_SEND, "a"), TOKEN_MISSING);
    cr_assert_eq(ask(&tokens, "sender", TOKEN_SEND, "a"), TOKEN_MISSING);
    cr_assert_eq(ask(&tokens, "Bearer sende", TOKEN_SEND, "a"), TOKEN_UNKNOWN);
    cr_assert_eq(ask(&tokens, "Bearer sender2", TOKEN_SEND, "a"), TOKEN_UNKNOWN);
    cr_assert_eq(ask(&tokens, "Bearer Sender", TOKEN_SEND, "a"), TOKEN_UNKNOWN);
    cr_assert_eq(token_allows(&tokens, SPAN_EMPTY, TOKEN_SEND, SPAN_EMPTY), TOKEN_MISSING);
    cr_assert_eq(token_allows(&tokens, span_of("Bearer sender\0", 14), TOKEN_SEND, SPAN_EMPTY),
                 TOKEN_UNKNOWN);
    tokens_close(&tokens);
}

Test(token, nobody_gets_into_an_empty_set)
{
    struct tokens tokens;
    tokens_init(&tokens);
    cr_assert_eq(ask(&tokens, "Bearer x", TOKEN_SEND, "a"), TOKEN_UNKNOWN);
}

Test(token, bad_lines_are_named)
{
    refuses("", ERROR_MALFORMED, "tokens: no token in it");
    refuses("# nothing\n\n", ERROR_MALFORMED, "no token in it");
    refuses("good\nb\x80"
            "d send\n",
            ERROR_MALFORMED, "tokens:2: a token has letters");
    refuses("good\n\nx sent\n", ERROR_MALFORMED, "tokens:3: unknown verb \"sent\"");
    refuses("x send,,call\n", ERROR_MALFORMED, "tokens:1: unknown verb \"\"");
    refuses("x send a b\n", ERROR_MALFORMED, "tokens:1: too many words");
    refuses("x send shop/cart\n", ERROR_MALFORMED, "no '/'");
    refuses("x send\ny\nx state\n", ERROR_EXISTS, "tokens:3: the token of line 1 again");
}

Test(token, no_message_shows_a_token)
{
    refuses("sekrit send\nsekrit state\n", ERROR_EXISTS, "line 1");
    cr_assert_null(strstr(errmsg.text, "sekrit"));
    refuses("sek\"rit\n", ERROR_MALFORMED, "byte 4");
    cr_assert_null(strstr(errmsg.text, "rit"));
}

Test(token, limits)
{
    char text[TOKEN_TEXT_MAX + 2];
    memset(text, 'a', sizeof text);
    text[TOKEN_TEXT_MAX] = 0;
    struct tokens tokens;
    tokens_init(&tokens);
    cr_assert_eq(parse(&tokens, text), 0, "%s", errmsg.text);
    char header[TOKEN_TEXT_MAX + 16];
    snprintf(header, sizeof header, "Bearer %s", text);
    cr_assert_eq(ask(&tokens, header, TOKEN_SEND, "a"), TOKEN_ALLOWED);
    snprintf(header, sizeof header, "Bearer %sa", text);
    cr_assert_neq(ask(&tokens, header, TOKEN_SEND, "a"), TOKEN_ALLOWED);
    tokens_close(&tokens);
    text[TOKEN_TEXT_MAX] = 'a';
    text[TOKEN_TEXT_MAX + 1] = 0;
    refuses(text, ERROR_TOO_LARGE, "tokens:1: a token of 257 bytes");

    static char many[(TOKEN_COUNT_MAX + 1) * 8];
    size_t size = 0;
    for (int i = 0; i <= TOKEN_COUNT_MAX; i++) size += (size_t)sprintf(many + size, "t%d\n", i);
    refuses(many, ERROR_TOO_LARGE, "tokens:1001: more than 1000");
}

/* A reload that fails keeps what was there: a typing error must not open or close the door. */
Test(token, reload)
{
    char path[] = "/tmp/holdfast-tokens-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "first\n", 6), 6);
    struct tokens tokens;
    tokens_init(&tokens);
    cr_assert_eq(tokens_load(&tokens, path, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(ask(&tokens, "Bearer first", TOKEN_SEND, "a"), TOKEN_ALLOWED);

    cr_assert_eq(pwrite(fd, "second send\n", 12, 0), 12);
    cr_assert_eq(tokens_load(&tokens, path, &errmsg), 0, "%s", errmsg.text);
    cr_assert_eq(ask(&tokens, "Bearer first", TOKEN_SEND, "a"), TOKEN_UNKNOWN);
    cr_assert_eq(ask(&tokens, "Bearer second", TOKEN_SEND, "a"), TOKEN_ALLOWED);

    cr_assert_eq(pwrite(fd, "third sends\n", 12, 0), 12);
    cr_assert_eq(tokens_load(&tokens, path, &errmsg), ERROR_MALFORMED);
    cr_assert_not_null(strstr(errmsg.text, path), "%s", errmsg.text);
    cr_assert_eq(ask(&tokens, "Bearer second", TOKEN_SEND, "a"), TOKEN_ALLOWED);
    close(fd);
    unlink(path);
    cr_assert_eq(tokens_load(&tokens, path, &errmsg), ERROR_NOT_FOUND);
    cr_assert_eq(ask(&tokens, "Bearer second", TOKEN_SEND, "a"), TOKEN_ALLOWED);
    tokens_close(&tokens);
}
