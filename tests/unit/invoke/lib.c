/* The scripted servers, compiled into this program. */
#include "lib/server_script.c"
