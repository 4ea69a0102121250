/* The process as the system sees it, for the usual process_* metrics. */
#ifndef HOLDFAST_ADMIN_PROCESS_H
#define HOLDFAST_ADMIN_PROCESS_H

#include "admin/sample.h"

/* Reads /proc/self; what cannot be read stays 0. */
void admin_process_sample(struct sample_process *process);

#endif
