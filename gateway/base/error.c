#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *error_text(int error)
{
    switch (error) {
    case 0: return "ok";
#define ERROR_CASE(name, value, text)                                                              \
    case name: return text;
        ERROR_LIST(ERROR_CASE)
#undef ERROR_CASE
    default: return "unknown error";
    }
}

int errmsg_set(struct errmsg *errmsg, int error, const char *format, ...)
{
    if (errmsg == NULL) return error; /* nobody asks why */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(errmsg->text, sizeof errmsg->text, format, arguments);
    va_end(arguments);
    return error;
}
