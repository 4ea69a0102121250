/* The command line: `holdfast COMMAND [flags]`. One file per command. */
#ifndef HOLDFAST_CLI_CLI_H
#define HOLDFAST_CLI_CLI_H

/* argv as given to main. Gives back an exit code (app/gateway.h). */
int cli_main(int argc, char **argv);

#endif
