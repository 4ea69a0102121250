/* The parts of a request that both egress handlers read. */
#ifndef HOLDFAST_EGRESS_PATH_H
#define HOLDFAST_EGRESS_PATH_H

#include "net/server.h"

/* Takes "/segment" off the front of a path; false when nothing is left. */
bool egress_path_take(struct span *path, struct span *segment);
/* A decimal number of digits only, at most `max`. */
bool egress_number_parse(struct span text, uint64_t max, uint64_t *number);
/* 405 with Allow. */
void egress_answer_method(struct http_request *request, const char *allowed);

#endif
