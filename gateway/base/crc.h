/* CRC32C (Castagnoli), as RFC 3720: crc_of("123456789") == 0xe3069283. */
#ifndef HOLDFAST_BASE_CRC_H
#define HOLDFAST_BASE_CRC_H

#include "base/span.h"

uint32_t crc_of(struct span bytes);
/* Continues: crc_more(crc_of(a), b) == crc_of(a then b). */
uint32_t crc_more(uint32_t crc, struct span bytes);

#endif
