/* The subcommands of `postern`, one file each (command_NAME.c), and what they share.
 *
 * Each takes argv from its own name on, answers the exit status: 0 done, 1 it did not work out, 2 the configuration or
 * the environment is wrong, 64 the call is (EX_USAGE). Results go to standard output, everything else to standard error. */
#ifndef POSTERN_TOOLS_COMMAND_H
#define POSTERN_TOOLS_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "core/server/config.h"

enum { EXIT_DONE = 0, EXIT_NOT_DONE = 1, EXIT_ENVIRONMENT = 2, EXIT_USAGE = 64 };

int command_serve(int argc, char **argv);
int command_check(int argc, char **argv);
int command_user(int argc, char **argv);
int command_queue(int argc, char **argv);
int command_server(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_ban(int argc, char **argv);
int command_explain(int argc, char **argv);
int command_prove(int argc, char **argv);
int command_policy(int argc, char **argv);
int command_cert(int argc, char **argv);
int command_verify(int argc, char **argv);

/* Every subcommand takes -c FILE. Without it: ./postern-data of the embedded default. Prints what is wrong, NULL then. */
struct config *command_load_config(const char *file);

/* Path of something in the data folder, malloc'ed: "users", "lanes/0", … */
char *command_data_path(const struct config *config, const char *name);

#endif
