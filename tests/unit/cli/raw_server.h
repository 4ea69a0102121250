/* The scripted server of the tests' library, beside the gateway's own server in the same program.
 */
#ifndef HOLDFAST_TESTS_UNIT_CLI_RAW_SERVER_H
#define HOLDFAST_TESTS_UNIT_CLI_RAW_SERVER_H

#define server_open raw_server_open
#define server_close raw_server_close

#include "lib/server_script.h"

#endif
