/* Tables that all workers share and that outlive the server: memory that is a file of the data folder. */
#ifndef POSTERN_SERVER_MAPPED_FILE_H
#define POSTERN_SERVER_MAPPED_FILE_H

#include <stddef.h>

#include "core/base/error.h"

/* Of what was found. False: it is of no use, and nothing was touched. */
typedef bool mapped_file_take(void *context, void *memory);

/* Maps the file, which is made where there is none, and has it taken; a file that is not ours is made anew, with zeros. It takes all
 * its room at once: a full disk must not hit a worker later. Answers the memory, or NULL with errno. */
void *mapped_file_open(const char *path, size_t size, mapped_file_take *take, void *context);

/* Maps one that another process has opened with that size, and leaves what is in it alone. NULL with errno. */
void *mapped_file_join(const char *path, size_t size);

/* NULL is allowed. */
void mapped_file_close(void *memory, size_t size);

#endif
