#include "app/openapi.h"

/* The assembler reads the file: no generator, no copy in the tree. CMake gives its path and
 * rebuilds when it changes. */
__asm__(".section .rodata\n"
        ".global holdfast_openapi_begin\n"
        ".global holdfast_openapi_end\n"
        "holdfast_openapi_begin:\n"
        ".incbin \"" HOLDFAST_OPENAPI "\"\n"
        "holdfast_openapi_end:\n"
        ".byte 0\n"
        ".text\n");

extern const uint8_t holdfast_openapi_begin[], holdfast_openapi_end[];

struct span openapi_text(void)
{
    return span_of(holdfast_openapi_begin, (size_t)(holdfast_openapi_end - holdfast_openapi_begin));
}
