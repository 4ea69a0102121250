#include "config/suggest.h"

enum { WORD_SIZE_MAX = 64 };

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Restricted Damerau-Levenshtein over three rows. */
size_t suggest_distance(struct span a, struct span b)
{
    size_t rows[3][WORD_SIZE_MAX + 1];
    if (a.size > WORD_SIZE_MAX || b.size > WORD_SIZE_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= b.size; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above_that = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t replaced = above[j - 1] + (a.at[i - 1] != b.at[j - 1]);
            row[j] = smaller(replaced, smaller(above[j], row[j - 1]) + 1);
            bool swapped =
                i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1];
            if (swapped) row[j] = smaller(row[j], above_that[j - 2] + 1);
        }
    }
    return rows[a.size % 3][b.size];
}

struct suggestion suggestion_for(struct span word)
{
    /* A third of the word may differ: less finds no typos, more finds nonsense. */
    return (struct suggestion){word, NULL, word.size / 3 + 1};
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
    size_t distance = suggest_distance(suggestion->word, span_text(candidate));
    if (distance >= suggestion->distance + (suggestion->best == NULL)) return;
    suggestion->best = candidate;
    suggestion->distance = distance;
}
