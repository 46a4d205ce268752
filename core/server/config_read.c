/* From a configuration's text to the struct, all problems told; see config.h.
 *
 * Text → (config_source.c) text without comments → (config_syntax.c) a tree of statements → here, by the tables of
 * config_keys.c, the struct → (config_rules.c) what contradicts itself. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <unistd.h>

#include "core/base/near_miss.h"
#include "core/server/config_access_keys.h"
#include "core/server/config_change.h"
#include "core/server/config_keys.h"
#include "core/server/config_rules.h"
#include "core/server/config_source.h"
#include "core/server/config_tls.h"

/* --- names --- */

static const struct config_key *find_key(const struct config_key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

/* The block, anywhere, that has a key of this name. */
static const char *find_block_with(const struct config_key *keys, const char *name)
{
	for (; keys->name; keys++) {
		if (!keys->inside)
			continue;
		const char *deeper = find_key(keys->inside, name) ? keys->name : find_block_with(keys->inside, name);
		if (deeper)
			return deeper;
	}
	return NULL;
}

/* Answers the key that was probably meant, or NULL. */
static const struct config_key *report_unknown(struct config_reading *reading, const struct config_statement *statement,
					       const struct config_statement *block, const struct config_key *keys)
{
	char where[160] = "";
	if (block->name)
		snprintf(where, sizeof where, " in '%s%s%.100s'", block->name, block->title ? " " : "",
			 block->title ? block->title : "");
	const char *home = find_key(config_root_keys, statement->name)
				   ? "the outermost level"
				   : find_block_with(config_root_keys, statement->name);
	if (home) {
		config_problem_add(reading->problems, reading->file, statement->line,
				   "'%s' does not belong%s; it belongs in '%s'", statement->name,
				   where[0] ? where : " here", home);
		return NULL;
	}
	struct near_miss near = near_miss_of(statement->name);
	for (const struct config_key *key = keys; key->name; key++)
		near_miss_consider(&near, key->name);
	if (near.best)
		config_problem_add(reading->problems, reading->file, statement->line,
				   "unknown '%s'%s; did you mean '%s'?", statement->name, where, near.best);
	else
		config_problem_add(reading->problems, reading->file, statement->line, "unknown '%s'%s", statement->name,
				   where);
	return near.best ? find_key(keys, near.best) : NULL;
}

static void report_shape(struct config_reading *reading, const struct config_statement *statement,
			 enum config_shape right)
{
	static const char *const forms[] = {
		[CONFIG_VALUES] = "a value: write %s = VALUE",
		[CONFIG_BLOCK] = "a block without a name: write %s { … }",
		[CONFIG_TITLED] = "a block with a name: write %s NAME { … }",
	};
	const char *hole = strstr(forms[right], "%s");
	config_problem_add(reading->problems, reading->file, statement->line, "'%s' is %.*s%s%s", statement->name,
			   (int)(hole - forms[right]), forms[right], statement->name, hole + 2);
}

/* --- statements --- */

static bool is_same_statement(const struct config_statement *a, const struct config_statement *b)
{
	if (strcmp(a->name, b->name) != 0)
		return false;
	if (!a->title || !b->title)
		return !a->title && !b->title;
	return slice_equal_nocase(slice_from_text(a->title), slice_from_text(b->title));
}

static bool report_repeated(struct config_reading *reading, const struct config_statement *statement,
			    const struct config_statement *block)
{
	for (const struct list *node = block->statements.next; node != &statement->link; node = node->next) {
		const struct config_statement *before = CONTAINER_OF(node, struct config_statement, link);
		if (!is_same_statement(before, statement))
			continue;
		config_problem_add(reading->problems, reading->file, statement->line,
				   "'%s%s%s' is given twice; first on line %d", statement->name,
				   statement->title ? " " : "", statement->title ? statement->title : "", before->line);
		return true;
	}
	return false;
}

static void apply_values(struct config_reading *reading, const struct config_statement *statement,
			 const struct config_key *key, void *target)
{
	size_t count = 0;
	for (const struct list *node = statement->values.next; node != &statement->values; node = node->next)
		count++;
	if (!key->many && count != 1) {
		config_problem_add(reading->problems, reading->file, statement->line, "'%s' takes one value, not %zu",
				   key->name, count);
		return;
	}
	if (key->many)
		memset((char *)target + key->offset, 0, key->width);
	for (const struct list *node = statement->values.next; node != &statement->values; node = node->next) {
		struct config_given given = { key, CONTAINER_OF(node, struct config_value, link), target };
		key->set(reading, &given);
		if (key->line)
			*(int *)((char *)target + key->line) = given.value->line;
	}
}

static void apply_block(struct config_reading *reading, const struct config_statement *block,
			const struct config_key *keys, void *target);

/* A misspelt name, once reported, is taken for the one that was meant, so that what stands in it is checked too and
 * nothing is reported missing that is only misspelt. */
static const struct config_key *key_of(struct config_reading *reading, struct config_statement *statement,
				       const struct config_statement *block, const struct config_key *keys)
{
	const struct config_key *key = find_key(keys, statement->name);
	if (key)
		return key;
	key = report_unknown(reading, statement, block, keys);
	char *name = key ? strdup(key->name) : NULL;
	if (!name)
		return NULL;
	free(statement->name);
	statement->name = name;
	return key;
}

static void apply(struct config_reading *reading, struct config_statement *statement,
		  const struct config_statement *block, const struct config_key *keys, void *target)
{
	const struct config_key *key = key_of(reading, statement, block, keys);
	if (!key)
		return;
	if (key->shape != statement->shape) {
		report_shape(reading, statement, key->shape);
		return;
	}
	if (report_repeated(reading, statement, block))
		return;
	if (key->shape == CONFIG_VALUES) {
		apply_values(reading, statement, key, target);
		return;
	}
	void *inner = key->open(reading, statement, target);
	if (inner)
		apply_block(reading, statement, key->inside, inner);
}

static void apply_block(struct config_reading *reading, const struct config_statement *block,
			const struct config_key *keys, void *target)
{
	for (const struct list *node = block->statements.next; node != &block->statements; node = node->next)
		apply(reading, CONTAINER_OF(node, struct config_statement, link), block, keys, target);
}

/* --- files --- */

/* As it is written: for who may not look into the folders on the way, but read the file before it gave its rights up. */
static char *unresolved(const char *name)
{
	char *here = name[0] == '/' ? NULL : getcwd(NULL, 0), *folder = NULL;
	if (name[0] == '/')
		return strdup(name);
	if (here && asprintf(&folder, "%s/%s", here, name) < 0)
		folder = NULL;
	free(here);
	return folder;
}

/* The absolute folder of `file`; the current one for what is not a file. */
static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *name = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
	char *folder = name ? realpath(name, NULL) : NULL;
	if (name && !folder && errno == EACCES)
		folder = unresolved(name);
	free(name);
	return folder;
}

static void parse_into(struct config_reading *reading, char *text)
{
	if (!config_source_prepare(text, reading->file, reading->problems))
		return;
	struct config_statement root;
	bool whole = config_syntax_parse(text, reading->file, &root, reading->problems);
	apply_block(reading, &root, config_root_keys, reading->config);
	/* What is missing can be said of a whole file only. */
	if (whole)
		config_rules_check(reading->config, reading->problems);
	config_statement_finish(&root);
}

/* What more than the form is looked at. */
struct examining {
	bool wanted;
	const struct config *before; /* NULL: it is to be served at a start */
};

/* All that could be read of it, or NULL, with a problem, where nothing can be. */
static struct config *parse_part(char *text, const char *file, const struct examining *examining,
				 struct config_problems *problems)
{
	struct config *config = calloc(1, sizeof *config);
	char *folder = folder_of(file);
	if (config)
		config->file = strdup(file);
	if (!config || !config->file || !folder) {
		config_problem_add(problems, file, 0, "can't be read: %s", strerror(errno));
		free(folder);
		config_free(config);
		return NULL;
	}
	config_set_defaults(config);
	config->fingerprint = XXH3_64bits(text, strlen(text));
	struct config_reading reading = { config->file, folder, config, problems };
	parse_into(&reading, text);
	free(folder);
	if (examining->wanted)
		(void)!config_check(config, problems);
	if (examining->before)
		config_change_check(examining->before, config, problems);
	return config;
}

static struct config *parse(char *text, const char *file, const struct examining *examining,
			    struct config_problems *problems)
{
	size_t problems_before = problems->count;
	struct config *config = parse_part(text, file, examining, problems);
	if (problems->count == problems_before)
		return config;
	config_free(config);
	return NULL;
}

static struct config *parse_copy(const char *text, const char *file, const struct examining *examining,
				 struct config_problems *problems)
{
	char *copy = strdup(text);
	if (!copy) {
		config_problem_add(problems, file, 0, "out of memory");
		return NULL;
	}
	struct config *config = parse(copy, file, examining, problems);
	free(copy);
	return config;
}

struct config *config_parse(const char *text, const char *file, struct config_problems *problems)
{
	return parse_copy(text, file, &(struct examining){ .wanted = false }, problems);
}

struct config *config_examine_change(const char *text, const struct config *before, struct config_problems *problems)
{
	return parse_copy(text, before->file, &(struct examining){ true, before }, problems);
}

static struct config *read_file(const char *file, bool examine, struct config_problems *problems)
{
	char *text = config_source_read(file, problems);
	if (!text)
		return NULL;
	struct config *config = parse(text, file, &(struct examining){ .wanted = examine }, problems);
	free(text);
	return config;
}

struct config *config_read(const char *file, struct config_problems *problems)
{
	return read_file(file, false, problems);
}

struct config *config_examine(const char *file, struct config_problems *problems)
{
	return read_file(file, true, problems);
}

char *config_data_folder(const char *file)
{
	struct config_problems problems = { 0 };
	char *text = config_source_read(file, &problems), *data = NULL;
	struct config *config = text ? parse_part(text, file, &(struct examining){ .wanted = false }, &problems) : NULL;
	if (config && config->data)
		data = strdup(config->data);
	free(text);
	config_free(config);
	config_problems_free(&problems);
	return data;
}

static void server_finish(struct config_server *server)
{
	for (size_t i = 0; i < server->listener_count; i++)
		free(server->listeners[i].text);
	config_access_finish(server);
	config_backends_free(&server->backends);
	config_tls_free(server);
	config_ntlm_free(&server->ntlm);
	free(server->listeners);
	free(server->proxies);
	free(server->hostname);
	free(server->name);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->server_count; i++)
		server_finish(&config->servers[i]);
	for (size_t i = 0; i < config->routes.count; i++) {
		free(config->routes.routes[i].domain);
		free(config->routes.routes[i].maildir);
	}
	free(config->guard.exempt);
	free(config->servers);
	free(config->routes.routes);
	free(config->file);
	free(config->data);
	free(config->user);
	free(config);
}
