/* The administrator's token file, and the header that is compared with it. */
#include "fuzz.h"

#include "admin/token.h"

static const enum token_verb verbs[] = {TOKEN_SEND, TOKEN_CALL, TOKEN_STATE, TOKEN_EGRESS,
                                        TOKEN_ADMIN};

/* Each token of the file opens what its line says, and nothing that it does not say. */
static void check_token(const struct tokens *tokens, const struct token *token)
{
    char header[TOKEN_TEXT_MAX + 8] = "Bearer ";
    memcpy(header + 7, token->text, token->text_size);
    struct span authorization = span_of(header, 7 + token->text_size);
    struct span prefix = span_of(token->prefix, token->prefix_size);
    FUZZ_CHECK(token->text_size > 0 && token->verbs != 0);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        enum token_answer answer = token_allows(tokens, authorization, verbs[i], prefix);
        FUZZ_CHECK((answer == TOKEN_ALLOWED) == ((token->verbs & verbs[i]) != 0));
    }
}

void fuzz_one(struct span input)
{
    struct tokens tokens;
    struct errmsg errmsg = {""};
    struct span header = fuzz_bytes(&input);
    tokens_init(&tokens);
    int error = tokens_parse(&tokens, input, "tokens", &errmsg);
    FUZZ_CHECK(error == 0 ? tokens.count > 0 : tokens.count == 0 && errmsg.text[0] != 0);
    for (size_t i = 0; i < tokens.count; i++) check_token(&tokens, &tokens.list[i]);
    (void)token_allows(&tokens, header, TOKEN_ADMIN, SPAN_EMPTY);
    tokens_close(&tokens);
}
