/* Between the files of the functions. */
#ifndef TESTS_SIM_PROGRAMS_H
#define TESTS_SIM_PROGRAMS_H

#include "world.h"

/* The function does its work: random effects, of which the history knows. */
void program_runs(struct world *world, uint32_t call);
void program_misuses(struct world *world, uint32_t call);
void respond(struct world *world, uint32_t index, const struct event_response *response);
uint32_t note_of(const struct function_message *message);

#endif
