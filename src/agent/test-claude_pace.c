/* Tests of claude_pace.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/claude_pace.h"

static void test_a_burst_passes_and_then_one_token_at_a_time(void **state)
{
	(void)state;
	struct claude_pace pace = {.burst = 3, .refill = 10};
	usec_t now = 1000;
	for (int i = 0; i < 3; i++)
		assert_int_equal(claude_pace_take(&pace, now), 0);
	assert_int_equal(claude_pace_take(&pace, now), 10);
	assert_int_equal(claude_pace_take(&pace, now), 10); /* asking takes nothing */
	assert_int_equal(claude_pace_take(&pace, now + 4), 6);
	assert_int_equal(claude_pace_take(&pace, now + 10), 0);
	assert_int_equal(claude_pace_take(&pace, now + 10), 10);
	assert_int_equal(claude_pace_take(&pace, now + 35), 0); /* two and a half were there */
	assert_int_equal(claude_pace_take(&pace, now + 35), 0);
	assert_int_equal(claude_pace_take(&pace, now + 35), 5);
}

static void test_a_bucket_holds_no_more_than_a_burst(void **state)
{
	(void)state;
	struct claude_pace pace = {.burst = 2, .refill = 10};
	assert_int_equal(claude_pace_take(&pace, 0), 0);
	usec_t later = 1000000;
	assert_int_equal(claude_pace_take(&pace, later), 0);
	assert_int_equal(claude_pace_take(&pace, later), 0);
	assert_int_equal(claude_pace_take(&pace, later), 10);
}

/* The session's own bucket, as it was found: 30 tokens, one every 2 s. */
static void test_the_session_never_runs_out_of_tokens_first(void **state)
{
	(void)state;
	struct claude_pace ours = CLAUDE_PACE_DEFAULT;
	struct claude_pace session = {.burst = 30, .refill = 2 * USEC_PER_SEC};
	usec_t now = 0;
	for (int i = 0; i < 2000; i++) {
		now += i % 700 == 0 ? USEC_PER_HOUR : 0; /* pauses in between */
		usec_t wait;
		while ((wait = claude_pace_take(&ours, now)) > 0)
			now += wait;
		assert_int_equal(claude_pace_take(&session, now), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_passes_and_then_one_token_at_a_time),
		cmocka_unit_test(test_a_bucket_holds_no_more_than_a_burst),
		cmocka_unit_test(test_the_session_never_runs_out_of_tokens_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
