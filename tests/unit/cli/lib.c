/* The scripted server, compiled into this program. */
#include "unit/cli/raw_server.h"

#include "lib/server_script.c"
