/* The scripted servers, compiled into this program. */
#include "lib/server_script.c"
#include "lib/server_tls.c"
#include "lib/server_h2.c"
