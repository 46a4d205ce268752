/* For the relay's tests: a folder of their own, what is in it, and a loop of either kind. */
#ifndef POSTERN_TESTS_RELAY_FILES_H
#define POSTERN_TESTS_RELAY_FILES_H

#include "core/io/loop.h"

/* Root may do what the tests want to see refused: as root, the process becomes nobody for good. */
void files_drop_root(void);

/* A fresh folder for one test (in $TMPDIR, or /tmp), and the current one of the process; removed with all that is in it. */
void files_enter_folder(void);
void files_leave_folder(void);

/* The whole file, NUL behind it, malloc'ed; fails the test when it can't be read. */
char *files_read(const char *path, size_t *size);
void files_write(const char *path, const void *bytes, size_t size);

/* How many names a folder has that don't start with "."; 0 for one that is not there. `name` gets one of them, may be NULL. */
size_t files_count(const char *path, char name[256]);
/* "<folder>/<its only name>"; fails the test when there is not exactly one. */
void files_only(const char *folder, char path[512]);

struct loop *files_loop(enum loop_kind kind);
void files_turn(struct loop *loop);
/* Turns until *flag is set; fails the test after two minutes. */
void files_turn_until(struct loop *loop, const bool *flag);

#endif
