/* core/policy/quota and core/server/quota_file: hours and days, all or nothing, several processes, and what a restart finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/policy/quota.h"
#include "core/server/quota_file.h"
#include "crypto/secret.h"

enum { LOGINS = 1000, NOW = 1700000000, HOUR = 3600, DAY = 24 * HOUR };

static char path[] = "/tmp/postern-quota-XXXXXX";
static struct quotas *quotas;

static int set_up(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return !secret_setup() || fd < 0 || close(fd) != 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static void open_file(uint32_t logins)
{
	struct error error;
	quotas = quota_file_open(path, logins, &error);
	if (!quotas)
		fail_msg("%s", error.text);
}

static enum quota_verdict take(const char *login, uint32_t recipients, const struct quota *limits, int64_t now)
{
	return quotas_take(quotas, 0, slice_from_text(login), recipients, limits, now);
}

static void hours_and_days_begin_with_the_first_message(void **state)
{
	(void)state;
	struct quota limits = { .hour_messages = 3, .day_messages = 5 };
	open_file(LOGINS);
	for (int i = 0; i < 3; i++)
		assert_int_equal(take("alice@example.org", 1, &limits, NOW + i), QUOTA_FREE);
	assert_int_equal(take("ALICE@example.org", 1, &limits, NOW + 3), QUOTA_HOUR_MESSAGES);
	assert_int_equal(take("bob", 1, &limits, NOW + 3), QUOTA_FREE);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + HOUR - 1), QUOTA_HOUR_MESSAGES);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + HOUR), QUOTA_FREE);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + HOUR + 1), QUOTA_FREE);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + HOUR + 2), QUOTA_DAY_MESSAGES);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + DAY - 1), QUOTA_DAY_MESSAGES);
	assert_int_equal(take("alice@example.org", 1, &limits, NOW + DAY), QUOTA_FREE);
	/* A clock that was put back locks nobody out for good. */
	assert_int_equal(take("alice@example.org", 1, &limits, NOW - DAY), QUOTA_FREE);
	quota_file_close(quotas, LOGINS);
}

static void a_message_counts_whole_or_not_at_all(void **state)
{
	(void)state;
	struct quota limits = { .hour_messages = 100, .hour_recipients = 10, .day_recipients = 15 };
	open_file(LOGINS);
	assert_int_equal(take("carol", 7, &limits, NOW), QUOTA_FREE);
	assert_int_equal(take("carol", 4, &limits, NOW), QUOTA_HOUR_RECIPIENTS);
	assert_int_equal(quotas_look(quotas, 0, slice_from_text("carol"), 4, &limits, NOW), QUOTA_HOUR_RECIPIENTS);
	assert_int_equal(quotas_look(quotas, 0, slice_from_text("carol"), 3, &limits, NOW), QUOTA_FREE);
	struct quota used = quotas_used(quotas, 0, slice_from_text("Carol"), NOW);
	assert_true(used.hour_messages == 1 && used.hour_recipients == 7 && used.day_recipients == 7);
	assert_int_equal(take("carol", 3, &limits, NOW), QUOTA_FREE);
	assert_int_equal(take("carol", 6, &limits, NOW + HOUR), QUOTA_DAY_RECIPIENTS);
	assert_int_equal(take("carol", 11, &limits, NOW + HOUR), QUOTA_HOUR_RECIPIENTS);
	quotas_give_back(quotas, 0, slice_from_text("carol"), 3);
	quotas_give_back(quotas, 0, slice_from_text("nobody"), 3);
	used = quotas_used(quotas, 0, slice_from_text("carol"), NOW);
	assert_true(used.day_messages == 1 && used.day_recipients == 7);
	assert_int_equal(take("carol", UINT32_MAX, &limits, NOW + HOUR), QUOTA_HOUR_RECIPIENTS);
	quota_file_close(quotas, LOGINS);
}

static void a_restart_forgets_nothing(void **state)
{
	(void)state;
	struct quota limits = { .day_messages = 2 };
	struct slice dave = slice_from_text("dave");
	open_file(LOGINS);
	assert_int_equal(take("dave", 1, &limits, NOW), QUOTA_FREE);
	quota_file_close(quotas, LOGINS);
	open_file(LOGINS);
	assert_int_equal(take("dave", 1, &limits, NOW + 1), QUOTA_FREE);
	assert_int_equal(take("dave", 1, &limits, NOW + 2), QUOTA_DAY_MESSAGES);
	quota_file_close(quotas, LOGINS);
	/* Of another size, and of another kind: begun anew. */
	open_file(2 * LOGINS);
	assert_int_equal(quotas_used(quotas, 0, dave, NOW + 3).day_messages, 0);
	assert_int_equal(take("dave", 1, &limits, NOW + 3), QUOTA_FREE);
	quota_file_close(quotas, 2 * LOGINS);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < 100000; i++)
		fputc('x', file);
	fclose(file);
	open_file(LOGINS);
	assert_int_equal(quotas_used(quotas, 0, dave, NOW + 3).day_messages, 0);
	quota_file_close(quotas, LOGINS);
	struct error error;
	assert_null(quota_file_open("/nowhere/quotas", LOGINS, &error));
	assert_non_null(strstr(error.text, "/nowhere/quotas, can't be used: No such file"));
}

/* Four workers take what there is of a few logins: together exactly that. */
static void workers_count_together(void **state)
{
	(void)state;
	enum { WORKERS = 4, TRIES = 3000 };
	struct quota limits = { .hour_messages = 1000 };
	pid_t pids[WORKERS];
	open_file(LOGINS);
	for (uint32_t worker = 0; worker < WORKERS; worker++) {
		pids[worker] = fork();
		if (pids[worker])
			continue;
		for (int i = 0; i < TRIES; i++)
			(void)!quotas_take(quotas, worker, slice_from_text("erin"), 1, &limits, NOW);
		_exit(0);
	}
	for (int i = 0; i < WORKERS; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	uint32_t used = quotas_used(quotas, 0, slice_from_text("erin"), NOW).hour_messages;
	assert_int_equal(used, 1000);
	quotas_forget_worker(quotas, 0);
	quota_file_close(quotas, LOGINS);
}

/* One set of seven: who began first makes room. */
static void a_full_set_forgets_the_oldest_day(void **state)
{
	(void)state;
	struct quota limits = { .day_messages = 1 };
	char login[16];
	open_file(1);
	for (int i = 0; i < 8; i++) {
		snprintf(login, sizeof login, "user%d", i);
		assert_int_equal(take(login, 1, &limits, NOW + i), QUOTA_FREE);
	}
	assert_int_equal(take("user1", 1, &limits, NOW + 9), QUOTA_DAY_MESSAGES);
	assert_int_equal(take("user7", 1, &limits, NOW + 9), QUOTA_DAY_MESSAGES);
	assert_int_equal(take("user0", 1, &limits, NOW + 9), QUOTA_FREE);
	assert_int_equal(take("user1", 1, &limits, NOW + 9), QUOTA_FREE);
	quota_file_close(quotas, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_and_days_begin_with_the_first_message),
		cmocka_unit_test(a_message_counts_whole_or_not_at_all),
		cmocka_unit_test(a_restart_forgets_nothing),
		cmocka_unit_test(workers_count_together),
		cmocka_unit_test(a_full_set_forgets_the_oldest_day),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
