/* The pool of helpers that ask a domain; see ntlm_helpers.h.
 *
 *   IDLE ─ask→ ASKED ─TT→ HELD ─answer→ JUDGING ─AF, NA, BH→ IDLE
 *
 * A helper whose talk has ended while it works still has to answer before it is IDLE: the answer is nobody's. */
#include "core/users/ntlm_helpers.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/users/coprocess.h"
#include "proto/base64.h"

enum helper_state { HELPER_DOWN, HELPER_IDLE, HELPER_ASKED, HELPER_HELD, HELPER_JUDGING };

struct ntlm_helper {
	struct coprocess process;
	struct ntlm_helpers *pool;
	struct ntlm_talk *talk; /* NULL: nobody's */
	struct timer timer;     /* DOWN: start again; ASKED, JUDGING: the answer's deadline; HELD: the client's */
	uint32_t again_ms;
	uint8_t state; /* enum helper_state */
	bool overdue;  /* HELD: its client has had the least time */
};

struct ntlm_helpers {
	struct loop *loop;
	const char *arguments[3];
	struct ntlm_helpers_bounds bounds;
	struct sign_in_queue queue;
	unsigned count;
	bool closing;
	struct ntlm_helper *helpers;
};

static void serve_queue(struct ntlm_helpers *pool);

/* --- a helper's states --- */

static void enter(struct ntlm_helper *helper, enum helper_state state, uint32_t time_ms)
{
	static const uint8_t before[] = {
		/* bits of the states that it may come from; DOWN comes from all */
		[HELPER_DOWN] = 0xff,
		[HELPER_IDLE] = 1 << HELPER_DOWN | 1 << HELPER_ASKED | 1 << HELPER_HELD | 1 << HELPER_JUDGING,
		[HELPER_ASKED] = 1 << HELPER_IDLE,
		[HELPER_HELD] = 1 << HELPER_ASKED,
		[HELPER_JUDGING] = 1 << HELPER_HELD,
	};
	ASSERT(before[state] & 1 << helper->state);
	helper->state = (uint8_t)state;
	helper->overdue = false;
	if (time_ms)
		loop_timer_start(helper->pool->loop, &helper->timer, time_ms);
	else
		loop_timer_stop(helper->pool->loop, &helper->timer);
}

static struct ntlm_talk *let_go(struct ntlm_helper *helper)
{
	struct ntlm_talk *talk = helper->talk;
	helper->talk = NULL;
	if (talk)
		talk->helper = NULL;
	return talk;
}

static void start(struct ntlm_helper *helper)
{
	struct ntlm_helpers *pool = helper->pool;
	struct error error;
	if (coprocess_start(&helper->process, &error)) {
		enter(helper, HELPER_IDLE, 0);
		serve_queue(pool);
		return;
	}
	log_message(LOG_ERROR, "ntlm-helper", "%s; trying again in %u ms", error.text, helper->again_ms);
	enter(helper, HELPER_DOWN, helper->again_ms);
}

/* Twice as late each time that it has not answered anything between. */
static void process_ended(struct coprocess *process)
{
	struct ntlm_helper *helper = CONTAINER_OF(process, struct ntlm_helper, process);
	struct ntlm_helpers *pool = helper->pool;
	struct ntlm_talk *talk = let_go(helper);
	bool was_held = helper->state == HELPER_HELD;
	enter(helper, HELPER_DOWN, pool->closing ? 0 : helper->again_ms);
	if (!pool->closing)
		log_message(LOG_WARN, "ntlm-helper", "%s has ended; a new one starts in %u ms", pool->arguments[0],
			    helper->again_ms);
	helper->again_ms =
		helper->again_ms * 2 < LIMIT_NTLM_AGAIN_MOST_MS ? helper->again_ms * 2 : LIMIT_NTLM_AGAIN_MOST_MS;
	if (talk && !was_held)
		talk->done(talk, NTLM_ANSWER_SILENT, SLICE_LITERAL(""));
}

static void free_helper(struct ntlm_helper *helper)
{
	let_go(helper);
	enter(helper, HELPER_IDLE, 0);
	serve_queue(helper->pool);
}

static void time_is_up(struct timer *timer)
{
	struct ntlm_helper *helper = CONTAINER_OF(timer, struct ntlm_helper, timer);
	const struct ntlm_helpers_bounds *bounds = &helper->pool->bounds;
	switch ((enum helper_state)helper->state) {
	case HELPER_DOWN:
		start(helper);
		return;
	case HELPER_HELD:
		if (helper->overdue || helper->pool->queue.size) {
			free_helper(helper);
			return;
		}
		helper->overdue = true;
		loop_timer_start(helper->pool->loop, &helper->timer, bounds->hold_most_ms - bounds->hold_least_ms);
		return;
	case HELPER_ASKED:
	case HELPER_JUDGING:
		log_message(LOG_WARN, "ntlm-helper", "%s has not answered in %u ms; is the domain controller away?",
			    helper->pool->arguments[0], bounds->answer_ms);
		coprocess_kill(&helper->process);
		return;
	case HELPER_IDLE:
		break;
	}
}

/* --- what a helper says --- */

/* Answers the talk, which may end itself and begin others. */
static void tell(struct ntlm_helper *helper, enum ntlm_answer answer, struct slice text)
{
	struct ntlm_talk *talk = helper->talk;
	helper->again_ms = helper->pool->bounds.again_ms;
	if (answer == NTLM_ANSWER_CHALLENGE && talk)
		enter(helper, HELPER_HELD, helper->pool->bounds.hold_least_ms);
	else
		free_helper(helper);
	if (talk)
		talk->done(talk, answer, text);
}

static void hear_challenge(struct ntlm_helper *helper, struct slice text)
{
	uint8_t storage[LIMIT_CHALLENGE_BYTES];
	struct buffer message;
	buffer_init(&message, storage, sizeof storage);
	if (base64_decode(&message, text) == BASE64_OK)
		tell(helper, NTLM_ANSWER_CHALLENGE, buffer_slice(&message));
	else
		tell(helper, NTLM_ANSWER_BROKEN, SLICE_LITERAL("the challenge is not base64, or too long"));
}

struct answer_row {
	struct slice word;
	uint8_t states; /* in which it may come */
	enum ntlm_answer answer;
};

#define WORD(text)                                                                                                     \
	{                                                                                                              \
		(const uint8_t *)(text), 3                                                                             \
	}
static const struct answer_row answer_rows[] = {
	{ WORD("TT "), 1 << HELPER_ASKED, NTLM_ANSWER_CHALLENGE },
	{ WORD("AF "), 1 << HELPER_JUDGING, NTLM_ANSWER_USER },
	{ WORD("NA "), 1 << HELPER_JUDGING | 1 << HELPER_ASKED, NTLM_ANSWER_REFUSED },
	{ WORD("BH "), 1 << HELPER_JUDGING | 1 << HELPER_ASKED, NTLM_ANSWER_BROKEN },
};

static void heard(struct coprocess *process, struct slice line)
{
	struct ntlm_helper *helper = CONTAINER_OF(process, struct ntlm_helper, process);
	for (size_t i = 0; i < sizeof answer_rows / sizeof answer_rows[0]; i++) {
		const struct answer_row *row = &answer_rows[i];
		if (!slice_starts_with(line, row->word) || !(row->states & 1 << helper->state))
			continue;
		struct slice text = slice_skip(line, row->word.size);
		if (row->answer == NTLM_ANSWER_CHALLENGE)
			hear_challenge(helper, text);
		else
			tell(helper, row->answer, text);
		return;
	}
	log_message(LOG_ERROR, "ntlm-helper", "%s says what is no answer: \"%.*s\"; it is started anew",
		    helper->pool->arguments[0], SLICE_ARGS(slice_first(line, line.size < 3 ? line.size : 3)));
	coprocess_kill(process);
}

/* The answer may have been seen before the end of the question. */
static void ready(struct coprocess *process)
{
	serve_queue(CONTAINER_OF(process, struct ntlm_helper, process)->pool);
}

/* --- what it is told --- */

static bool say(struct ntlm_helper *helper, const char *word, struct slice message)
{
	uint8_t storage[LIMIT_COPROCESS_LINE_BYTES];
	struct buffer line;
	buffer_init(&line, storage, sizeof storage);
	buffer_append_text(&line, word);
	return base64_encode(&line, message) && !line.overflow && coprocess_say(&helper->process, buffer_slice(&line));
}

static void take(struct ntlm_helper *helper, struct ntlm_talk *talk)
{
	loop_timer_stop(helper->pool->loop, &talk->deadline);
	helper->talk = talk;
	talk->helper = helper;
	enter(helper, HELPER_ASKED, helper->pool->bounds.answer_ms);
	bool said = say(helper, "YR ", slice_of(talk->negotiate, talk->negotiate_size));
	ASSERT(said); /* it can hear, and the message is short */
}

/* One that can be asked now. A held one only where its client has had its time. */
static struct ntlm_helper *find_free(struct ntlm_helpers *pool)
{
	struct ntlm_helper *held = NULL;
	for (unsigned i = 0; i < pool->count; i++) {
		struct ntlm_helper *helper = &pool->helpers[i];
		if (!coprocess_can_hear(&helper->process))
			continue;
		if (helper->state == HELPER_IDLE)
			return helper;
		if (helper->state == HELPER_HELD && helper->overdue)
			held = helper;
	}
	if (held) {
		let_go(held);
		enter(held, HELPER_IDLE, 0);
	}
	return held;
}

static void serve_queue(struct ntlm_helpers *pool)
{
	while (pool->queue.size) {
		struct ntlm_helper *helper = find_free(pool);
		if (!helper)
			return;
		take(helper, CONTAINER_OF(sign_in_queue_take(&pool->queue), struct ntlm_talk, waiting));
	}
}

static bool any_lives(const struct ntlm_helpers *pool)
{
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->helpers[i].process.alive)
			return true;
	return false;
}

/* --- talks --- */

static void waited_enough(struct timer *timer)
{
	struct ntlm_talk *talk = CONTAINER_OF(timer, struct ntlm_talk, deadline);
	if (talk->waiting.turn)
		sign_in_queue_remove(&talk->helpers->queue, &talk->waiting);
	talk->done(talk, NTLM_ANSWER_SILENT, SLICE_LITERAL(""));
}

/* Whoever makes room is told in the next turn. */
static bool enqueue(struct ntlm_helpers *pool, struct ntlm_talk *talk, uint64_t network)
{
	if (sign_in_queue_is_full(&pool->queue)) {
		struct sign_in_waiting *victim = sign_in_queue_victim(&pool->queue, network);
		if (!victim)
			return false;
		sign_in_queue_remove(&pool->queue, victim);
		loop_timer_start(pool->loop, &CONTAINER_OF(victim, struct ntlm_talk, waiting)->deadline, 0);
	}
	return sign_in_queue_add(&pool->queue, &talk->waiting, network);
}

bool ntlm_talk_begin(struct ntlm_helpers *pool, struct ntlm_talk *talk, uint64_t network, struct slice negotiate)
{
	ASSERT(!talk->helpers);
	if (negotiate.size > sizeof talk->negotiate || !any_lives(pool))
		return false;
	talk->helpers = pool;
	memcpy(talk->negotiate, negotiate.data, negotiate.size);
	talk->negotiate_size = negotiate.size;
	list_init(&talk->waiting.link);
	timer_init(&talk->deadline, waited_enough);
	if (!enqueue(pool, talk, network))
		return false;
	loop_timer_start(pool->loop, &talk->deadline, pool->bounds.wait_ms);
	serve_queue(pool);
	return true;
}

bool ntlm_talk_answer(struct ntlm_talk *talk, struct slice authenticate)
{
	struct ntlm_helper *helper = talk->helper;
	if (!helper)
		return false;
	ASSERT(helper->state == HELPER_HELD);
	if (say(helper, "KK ", authenticate)) {
		enter(helper, HELPER_JUDGING, helper->pool->bounds.answer_ms);
		return true;
	}
	free_helper(helper);
	return false;
}

void ntlm_talk_end(struct ntlm_talk *talk)
{
	struct ntlm_helpers *pool = talk->helpers;
	if (!pool)
		return;
	talk->helpers = NULL;
	loop_timer_stop(pool->loop, &talk->deadline);
	if (talk->waiting.turn)
		sign_in_queue_remove(&pool->queue, &talk->waiting);
	struct ntlm_helper *helper = talk->helper;
	if (helper && helper->state == HELPER_HELD)
		free_helper(helper);
	else if (helper)
		let_go(helper);
}

/* --- life --- */

static void init_helper(struct ntlm_helpers *pool, struct ntlm_helper *helper)
{
	helper->pool = pool;
	helper->state = HELPER_DOWN;
	helper->again_ms = pool->bounds.again_ms;
	timer_init(&helper->timer, time_is_up);
	helper->process.loop = pool->loop;
	helper->process.arguments = pool->arguments;
	helper->process.heard = heard;
	helper->process.ready = ready;
	helper->process.ended = process_ended;
}

struct ntlm_helpers *ntlm_helpers_create(struct loop *loop, const char *program, unsigned count,
					 const struct ntlm_helpers_bounds *bounds, struct error *error)
{
	static const struct ntlm_helpers_bounds usual = {
		.queue = LIMIT_NTLM_QUEUE,
		.wait_ms = LIMIT_NTLM_WAIT_MS,
		.answer_ms = LIMIT_NTLM_ANSWER_MS,
		.hold_least_ms = LIMIT_NTLM_HOLD_LEAST_MS,
		.hold_most_ms = LIMIT_NTLM_HOLD_MS,
		.again_ms = LIMIT_NTLM_AGAIN_MS,
	};
	struct ntlm_helpers *pool = calloc(1, sizeof *pool);
	struct ntlm_helper *helpers = calloc(count, sizeof *helpers);
	if (!pool || !helpers || !sign_in_queue_init(&pool->queue, bounds ? bounds->queue : usual.queue)) {
		free(pool);
		free(helpers);
		error_set(error, "no memory for the helpers of NTLM");
		return NULL;
	}
	pool->loop = loop;
	pool->arguments[0] = program;
	pool->arguments[1] = "--helper-protocol=squid-2.5-ntlmssp";
	pool->bounds = bounds ? *bounds : usual;
	pool->count = count;
	pool->helpers = helpers;
	for (unsigned i = 0; i < count; i++)
		init_helper(pool, &helpers[i]);
	for (unsigned i = 0; i < count; i++)
		start(&helpers[i]);
	return pool;
}

void ntlm_helpers_destroy(struct ntlm_helpers *pool)
{
	if (!pool)
		return;
	pool->closing = true;
	for (unsigned i = 0; i < pool->count; i++) {
		loop_timer_stop(pool->loop, &pool->helpers[i].timer);
		coprocess_kill(&pool->helpers[i].process);
	}
	struct error error;
	while (any_lives(pool) && loop_turn(pool->loop, true, &error))
		;
	sign_in_queue_finish(&pool->queue);
	free(pool->helpers);
	free(pool);
}
