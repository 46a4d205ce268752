/* Everything that may stand in a configuration: one table a block, one row a key. */
#ifndef POSTERN_SERVER_CONFIG_KEYS_H
#define POSTERN_SERVER_CONFIG_KEYS_H

#include "core/server/config.h"
#include "core/server/config_syntax.h"

/* What a file is read into, and for whom. */
struct config_reading {
	const char *file;
	const char *folder; /* absolute: where relative paths start */
	struct config *config;
	struct config_problems *problems;
};

struct config_choice {
	const char *name; /* NULL ends an array */
	uint64_t value;
};

struct config_key;

/* A value in its place. */
struct config_given {
	const struct config_key *key;
	const struct config_value *value;
	void *target; /* the struct that the block fills */
};

typedef void config_set(struct config_reading *reading, const struct config_given *given);

/* Answers the struct that the block fills, inside `outer` or a new one; NULL after adding a problem. */
typedef void *config_open(struct config_reading *reading, const struct config_statement *statement, void *outer);

struct config_key {
	const char *name; /* NULL ends an array */
	enum config_shape shape;

	/* CONFIG_VALUES */
	config_set *set;
	size_t offset; /* of the field in the target */
	size_t width;  /* of the field in bytes */
	size_t line;   /* of an int in the target, that keeps the last value's line; 0: nothing does */
	bool many;     /* a list; the field is zeroed first */
	uint64_t least, most;
	const struct config_choice *choices;

	/* blocks */
	config_open *open;
	const struct config_key *inside;
};

/* Where a key's value goes. */
#define FIELD(type, member) .offset = offsetof(struct type, member), .width = sizeof(((struct type *)NULL)->member)

/* And its line, for telling who has refused something. */
#define LINE(type, member) .line = offsetof(struct type, member)

enum {
	SECOND_MS = 1000,
	HOUR_MS = 3600 * 1000,
	DAY_MS = 24 * HOUR_MS,
};

extern const struct config_key config_root_keys[];

/* Sets the defaults of what no key was given for. */
void config_set_defaults(struct config *config);

#endif
