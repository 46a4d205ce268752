/* From text to a tree of statements with libConfuse; see config_syntax.h.
 *
 * libConfuse's own tree is not used: its callbacks tell of each value and block as it is read, with the line at
 * that moment. That a block begins is told by a hidden list in each block whose default value is parsed first. All
 * blocks are declared as repeatable, so that the second of two is seen and can be reported. */
#include "core/server/config_syntax.h"

#include <confuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	LEARNT_MOST = 256, /* different names in different blocks; we know fewer than 60 */
	DEPTH_MOST = 16,   /* over what config_source.c lets through */
};

/* No file can hold this name: control characters are refused before. */
static char hidden_name[] = "\1";
static char hidden_default[] = "{begin}";

/* A name that libConfuse is told of. */
struct word {
	struct list link;
	char *name;
	enum config_shape shape;
	unsigned tried; /* bits: the shapes that did not fit the text */
	struct list inside;
};

struct frame {
	struct config_statement *statement;
	struct word *word;
};

struct parser {
	const char *file;
	struct config_problems *problems;
	struct word root;
	size_t learnt_count;
	bool learnt; /* in this reading: read again */
	bool failed; /* a problem was added */
	size_t depth;
	struct frame stack[DEPTH_MOST];
};

/* libConfuse hands no context to its callbacks, and its lexer is global anyway. */
static struct parser *running;

/* --- the tree --- */

static struct config_statement *statement_create(const char *name, const char *title, enum config_shape shape, int line)
{
	struct config_statement *statement = calloc(1, sizeof *statement);
	if (!statement)
		return NULL;
	*statement = (struct config_statement){ .name = strdup(name), .shape = shape, .line = line };
	statement->title = title ? strdup(title) : NULL;
	list_init(&statement->values);
	list_init(&statement->statements);
	if (statement->name && (!title || statement->title))
		return statement;
	config_statement_finish(statement);
	free(statement);
	return NULL;
}

void config_statement_finish(struct config_statement *statement)
{
	struct list *node;
	while ((node = list_take_first(&statement->values))) {
		struct config_value *value = CONTAINER_OF(node, struct config_value, link);
		free(value->text);
		free(value);
	}
	while ((node = list_take_first(&statement->statements))) {
		struct config_statement *inner = CONTAINER_OF(node, struct config_statement, link);
		config_statement_finish(inner);
		free(inner);
	}
	free(statement->name);
	free(statement->title);
}

static bool value_append(struct config_statement *statement, const char *text, int line)
{
	struct config_value *value = malloc(sizeof *value);
	if (!value)
		return false;
	*value = (struct config_value){ .text = strdup(text), .line = line };
	if (!value->text) {
		free(value);
		return false;
	}
	list_append(&statement->values, &value->link);
	return true;
}

/* --- words --- */

static struct word *word_find(const struct word *block, const char *name)
{
	for (struct list *node = block->inside.next; node != &block->inside; node = node->next) {
		struct word *word = CONTAINER_OF(node, struct word, link);
		if (strcmp(word->name, name) == 0)
			return word;
	}
	return NULL;
}

static struct word *word_add(struct word *block, const char *name)
{
	struct word *word = calloc(1, sizeof *word);
	if (!word)
		return NULL;
	*word = (struct word){ .name = strdup(name), .shape = CONFIG_VALUES };
	if (!word->name) {
		free(word);
		return NULL;
	}
	list_init(&word->inside);
	list_append(&block->inside, &word->link);
	return word;
}

static void words_finish(struct word *block)
{
	struct list *node;
	while ((node = list_take_first(&block->inside))) {
		struct word *word = CONTAINER_OF(node, struct word, link);
		words_finish(word);
		free(word->name);
		free(word);
	}
}

/* --- what libConfuse calls --- */

static struct frame *top(void)
{
	return &running->stack[running->depth];
}

static void fail(int line, const char *text)
{
	if (!running->failed)
		config_problem_add(running->problems, running->file, line, "%s", text);
	running->failed = true;
}

static int out_of_memory(int line)
{
	fail(line, "out of memory");
	return -1;
}

/* Always answers 0: libConfuse aborts the program where the default of an option is refused. After a failure the frame
 * of the block around it stands for the block, so that ends still pair with beginnings. */
static int on_block_begins(cfg_t *block, cfg_opt_t *hidden, const char *text, void *result)
{
	(void)hidden;
	*(const char **)result = text;
	struct frame frame = *top();
	/* None where a name has the | by which libConfuse reaches into other blocks. */
	struct word *word = word_find(frame.word, block->name);
	struct config_statement *statement =
		word ? statement_create(block->name, block->title, word->shape, block->line) : NULL;
	if (statement) {
		list_append(&frame.statement->statements, &statement->link);
		frame = (struct frame){ statement, word };
	} else {
		fail(block->line, word ? "out of memory" : "syntax: a name can't have a | in it");
	}
	ASSERT(running->depth + 1 < DEPTH_MOST);
	running->stack[++running->depth] = frame;
	return 0;
}

/* The newest statement of this name in the block, to which a list's further values belong (also those of +=). */
static struct config_statement *statement_find(const struct config_statement *block, const char *name)
{
	for (struct list *node = block->statements.previous; node != &block->statements; node = node->previous) {
		struct config_statement *statement = CONTAINER_OF(node, struct config_statement, link);
		if (strcmp(statement->name, name) == 0)
			return statement;
	}
	return NULL;
}

static int on_value(cfg_t *block, cfg_opt_t *option, const char *text, void *result)
{
	*(const char **)result = text;
	if (running->failed)
		return -1;
	struct config_statement *outer = top()->statement;
	struct config_statement *statement = option->nvalues > 1 ? statement_find(outer, option->name) : NULL;
	if (!statement) {
		statement = statement_create(option->name, NULL, CONFIG_VALUES, block->line);
		if (!statement)
			return out_of_memory(block->line);
		list_append(&outer->statements, &statement->link);
	}
	return value_append(statement, text, block->line) ? 0 : out_of_memory(block->line);
}

/* No callback tells of `name = {}`: such an option was changed and has no value. */
static int add_empty_lists(const cfg_t *block, int line)
{
	for (const cfg_opt_t *option = block->opts; option->name; option++) {
		if (option->type != CFGT_STR || option->nvalues > 0 || !(option->flags & CFGF_MODIFIED))
			continue;
		struct config_statement *statement = statement_create(option->name, NULL, CONFIG_VALUES, line);
		if (!statement)
			return out_of_memory(line);
		list_append(&top()->statement->statements, &statement->link);
	}
	return 0;
}

static int on_block_ends(cfg_t *outer, cfg_opt_t *option)
{
	(void)outer;
	if (running->failed)
		return -1;
	const struct config_statement *statement = top()->statement;
	cfg_t *block = statement->title ? cfg_opt_gettsec(option, statement->title)
					: cfg_opt_getnsec(option, cfg_opt_size(option) - 1);
	int status = add_empty_lists(block, statement->line);
	running->depth--;
	return status;
}

/* A name of which libConfuse was not told. It takes a block called "root" for its outermost one. */
static void learn_name(const char *name, int line)
{
	char text[256];
	if (word_find(top()->word, name) || strcmp(name, "root") == 0 || running->learnt_count == LEARNT_MOST) {
		snprintf(text, sizeof text, "'%s' is not known here", name);
		fail(line, text);
	} else if (!word_add(top()->word, name)) {
		out_of_memory(line);
	} else {
		running->learnt_count++;
		running->learnt = true;
	}
}

/* A name that is written in another shape than was told: the next one is tried. */
static void learn_shape(const char *name, int line)
{
	struct word *word = word_find(top()->word, name);
	ASSERT(word != NULL);
	word->tried |= 1u << word->shape;
	for (enum config_shape shape = CONFIG_VALUES; shape <= CONFIG_TITLED; shape++) {
		if (!(word->tried & 1u << shape)) {
			word->shape = shape;
			running->learnt = true;
			return;
		}
	}
	char text[256];
	snprintf(text, sizeof text, "syntax: behind '%s' must come = VALUE, { … } or NAME { … }, the same everywhere",
		 name);
	fail(line, text);
}

/* One row for each message of libConfuse 3.3 that means more than itself. */
static const struct {
	const char *format;
	void (*learn)(const char *name, int line);
	const char *said_as; /* NULL, or the message for people, with %s where libConfuse has it */
} messages[] = {
	{ "no such option '%s'", learn_name, NULL },
	{ "missing equal sign after option '%s'", learn_shape, NULL },
	{ "missing opening brace for section '%s'", learn_shape, NULL },
	{ "missing title for section '%s'", learn_shape, NULL },
	{ "unexpected token '%s'", NULL, "syntax: '%s' can't stand here; is a comma, = or a value missing before it?" },
	{ "premature end of file", NULL, "syntax: the file ends inside a statement" },
};

static void on_error(cfg_t *block, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

static void on_error(cfg_t *block, const char *format, va_list args)
{
	char text[256];
	/* What comes behind a failure follows from it, and the frames may not fit the blocks any more. */
	if (running->failed)
		return;
	for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
		if (strcmp(messages[i].format, format) != 0)
			continue;
		const char *name = strchr(format, '%') ? va_arg(args, const char *) : "";
		if (messages[i].learn) {
			messages[i].learn(name, block->line);
			return;
		}
		const char *hole = strstr(messages[i].said_as, "%s");
		if (hole)
			snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - messages[i].said_as), messages[i].said_as,
				 name, hole + 2);
		else
			snprintf(text, sizeof text, "%s", messages[i].said_as);
		fail(block->line, text);
		return;
	}
	int size = snprintf(text, sizeof text, "syntax: ");
	vsnprintf(text + size, sizeof text - (size_t)size, format, args);
	fail(block->line, text);
}

/* --- reading --- */

static void options_free(cfg_opt_t *options)
{
	for (cfg_opt_t *option = options; options && option->name; option++)
		options_free(option->subopts);
	free(options);
}

/* libConfuse's table for a block: what it may hold, the hidden list first (but for the root). */
static cfg_opt_t *options_make(const struct word *block, bool is_root)
{
	size_t count = 0;
	for (const struct list *node = block->inside.next; node != &block->inside; node = node->next)
		count++;
	cfg_opt_t *options = calloc(count + 2, sizeof *options), *next = options;
	if (!options)
		return NULL;
	if (!is_root)
		*next++ = (cfg_opt_t){ .name = hidden_name,
				       .type = CFGT_STR,
				       .flags = CFGF_LIST,
				       .def.parsed = hidden_default,
				       .parsecb = on_block_begins };
	for (const struct list *node = block->inside.next; node != &block->inside; node = node->next, next++) {
		const struct word *word = CONTAINER_OF(node, struct word, link);
		if (word->shape == CONFIG_VALUES) {
			*next = (cfg_opt_t){
				.name = word->name, .type = CFGT_STR, .flags = CFGF_LIST, .parsecb = on_value
			};
			continue;
		}
		*next = (cfg_opt_t){ .name = word->name, .type = CFGT_SEC, .validcb = on_block_ends };
		next->flags = CFGF_MULTI | (word->shape == CONFIG_TITLED ? CFGF_TITLE : 0);
		next->subopts = options_make(word, false);
		if (!next->subopts) {
			options_free(options);
			return NULL;
		}
	}
	return options;
}

/* Reads the text once with the words known now. */
static void read_once(struct parser *parser, const char *text, struct config_statement *root)
{
	parser->learnt = false;
	parser->depth = 0;
	parser->stack[0] = (struct frame){ root, &parser->root };
	cfg_opt_t *options = options_make(&parser->root, true);
	cfg_t *confuse = options ? cfg_init(options, CFGF_NONE) : NULL;
	options_free(options);
	if (!confuse) {
		out_of_memory(0);
		return;
	}
	cfg_set_error_function(confuse, on_error);
	int status = cfg_parse_buf(confuse, text);
	if (status == CFG_SUCCESS)
		add_empty_lists(confuse, 0);
	else if (!parser->learnt)
		fail(confuse->line, "syntax: can't be read");
	cfg_free(confuse);
}

static void root_init(struct config_statement *root)
{
	*root = (struct config_statement){ .shape = CONFIG_BLOCK };
	list_init(&root->values);
	list_init(&root->statements);
}

bool config_syntax_parse(const char *text, const char *file, struct config_statement *root,
			 struct config_problems *problems)
{
	struct parser parser = { .file = file, .problems = problems };
	running = &parser;
	list_init(&parser.root.inside);
	root_init(root);
	/* Ends: each round learns a name or uses up a shape of one, and both are bounded. */
	do {
		config_statement_finish(root);
		root_init(root);
		read_once(&parser, text, root);
	} while (parser.learnt && !parser.failed);
	words_finish(&parser.root);
	running = NULL;
	return !parser.failed;
}
