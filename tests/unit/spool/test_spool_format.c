/* core/spool: envelopes, records as bytes, and the walk over a segment: cut, damaged, and fed a few bytes at a time. */
#include "tests/unit/spool/lane.h"

#include "core/spool/scan.h"

static void envelopes_are_read_as_written(void **state)
{
	(void)state;
	uint8_t bytes[200];
	struct buffer buffer;
	struct envelope envelope;
	struct slice path;
	buffer_init(&buffer, bytes, sizeof bytes);
	assert_true(envelope_begin(&buffer, ENVELOPE_SMTPUTF8, SLICE_LITERAL("anna"), SLICE_LITERAL("[::1]"),
				   SLICE_LITERAL("")));
	assert_true(envelope_add_recipient(&buffer, SLICE_LITERAL("b@example.org")));
	assert_true(envelope_add_recipient(&buffer, SLICE_LITERAL("c@example.org")));
	envelope_finish(bytes, ENVELOPE_SMTPUTF8 | ENVELOPE_8BITMIME, 2, -5);
	assert_int_equal(envelope_recipients(buffer_slice(&buffer)), 2);
	assert_true(envelope_read(&envelope, buffer_slice(&buffer)));
	assert_int_equal(envelope.flags, ENVELOPE_SMTPUTF8 | ENVELOPE_8BITMIME);
	assert_int_equal(envelope.recipients, 2);
	assert_int_equal(envelope.accepted_unix_us, -5);
	assert_true(slice_equal(envelope.login, SLICE_LITERAL("anna")));
	assert_true(slice_equal(envelope.client, SLICE_LITERAL("[::1]")));
	assert_int_equal(envelope.reverse_path.size, 0);
	assert_true(envelope_next(&envelope, &path) && slice_equal(path, SLICE_LITERAL("b@example.org")));
	assert_true(envelope_next(&envelope, &path) && slice_equal(path, SLICE_LITERAL("c@example.org")));
	assert_false(envelope_next(&envelope, &path));
	size_t in_front = 12 + 2 + 4 + 2 + 5 + 2;
	for (size_t size = 0; size < buffer.size; size++)
		assert_int_equal(envelope_read(&envelope, slice_of(bytes, size)), size >= in_front);
	bytes[0] = 9;
	assert_false(envelope_read(&envelope, buffer_slice(&buffer)));
	assert_int_equal(envelope_recipients(buffer_slice(&buffer)), 0);
}

static void envelopes_that_do_not_fit_are_refused(void **state)
{
	(void)state;
	uint8_t bytes[40];
	struct buffer buffer;
	buffer_init(&buffer, bytes, sizeof bytes);
	assert_true(envelope_begin(&buffer, 0, SLICE_LITERAL("a"), SLICE_LITERAL("b"), SLICE_LITERAL("c")));
	size_t size = buffer.size;
	assert_false(envelope_add_recipient(&buffer, SLICE_LITERAL("somebody@example.org")));
	assert_int_equal(buffer.size, size); /* all or nothing */
}

/* Whichever way this processor takes. */
static void checksums_are_the_librarys(void **state)
{
	(void)state;
	static uint8_t bytes[3000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 167 + i / 256);
	assert_int_equal(record_hash(slice_of(bytes, 0), 5), 0);
	for (size_t size = 1; size < sizeof bytes - 64; size++) {
		struct slice payload = slice_of(bytes + size % 64, size);
		assert_int_equal(record_hash(payload, size), record_hash_by_16(payload, size));
	}
}

/* --- a segment in memory --- */

enum { RECORDS = 12, GENERATION = 42, SEGMENT_BYTES = 8192 };
static const uint64_t salt = 0x123456789abcdef;

struct image {
	uint8_t bytes[SEGMENT_BYTES];
	uint32_t offsets[RECORDS + 1]; /* of the message records; the last: the end */
};

static uint32_t write_record(uint8_t *at, uint64_t id, uint32_t payload_size, uint32_t generation, uint64_t seed)
{
	record_header_write(at, &(struct record_header){
					.type = RECORD_MESSAGE,
					.payload_size = payload_size,
					.id = id,
				});
	lane_fill_text(at + RECORD_HEADER_BYTES, payload_size, id);
	struct slice payload = slice_of(at + RECORD_HEADER_BYTES, payload_size);
	record_header_check_payload(at, record_hash(payload, seed));
	record_header_seal(at, generation, seed);
	return record_size(payload_size);
}

static void make_image(struct image *image)
{
	static struct segment_opening opening = { .salt = 0, .last_id = 9, .seal_count = 1, .seals = { { 7, 100 } } };
	static uint8_t record[SEGMENT_OPENING_BYTES];
	memset(image->bytes, 0, sizeof image->bytes);
	opening.salt = salt;
	uint32_t at = segment_opening_write(record, GENERATION, &opening);
	memcpy(image->bytes, record, at);
	for (uint32_t i = 0; i < RECORDS; i++) {
		image->offsets[i] = at;
		at += write_record(image->bytes + at, i, i * 37, GENERATION, salt);
	}
	image->offsets[RECORDS] = at;
}

/* Feeds the walk at most `step` bytes at a time; answers a bit for each message found. */
static unsigned walk(const struct image *image, uint32_t end, bool skip_damage, size_t window, size_t step,
		     struct scan *scan)
{
	struct record record;
	unsigned found = 0;
	enum scan_result result;
	assert_true(scan_init(scan, window));
	scan_begin(scan, GENERATION, end, skip_damage);
	while ((result = scan_next(scan, &record)) != SCAN_END) {
		if (result == SCAN_MORE) {
			uint64_t offset;
			struct iovec room = scan_room(scan, &offset);
			assert_non_null(room.iov_base);
			size_t size = room.iov_len < step ? room.iov_len : step;
			memcpy(room.iov_base, image->bytes + offset, size);
			scan_filled(scan, size);
		} else if (record.header.type == RECORD_MESSAGE) {
			uint8_t text[RECORDS * 37];
			lane_fill_text(text, record.payload.size, record.header.id);
			assert_memory_equal(record.payload.data, text, record.payload.size);
			found |= 1u << record.header.id;
		}
	}
	return found;
}

enum { ALL = (1u << RECORDS) - 1 };

static void a_walk_finds_every_record(void **state)
{
	(void)state;
	static const size_t windows[] = { 64, 100, 500, 4096, 65536 }, steps[] = { 1, 7, 64, 65536 };
	struct image image;
	struct scan scan;
	make_image(&image);
	for (size_t i = 0; i < 5; i++) {
		for (size_t j = 0; j < 4; j++) {
			assert_int_equal(walk(&image, SEGMENT_BYTES, false, windows[i], steps[j], &scan), ALL);
			assert_int_equal(scan.good_end, image.offsets[RECORDS]);
			assert_int_equal(scan.damaged_bytes, 0);
			scan_finish(&scan);
		}
	}
}

static void a_walk_ends_where_it_is_cut(void **state)
{
	(void)state;
	struct image image;
	struct scan scan;
	make_image(&image);
	for (uint32_t end = image.offsets[0]; end <= image.offsets[RECORDS]; end++) {
		unsigned wanted = 0;
		for (unsigned i = 0; i < RECORDS; i++)
			wanted |= (unsigned)(image.offsets[i + 1] <= end) << i;
		assert_int_equal(walk(&image, end, false, 4096, 4096, &scan), wanted);
		scan_finish(&scan);
	}
}

static void damage_costs_one_record(void **state)
{
	(void)state;
	struct image image;
	struct scan scan;
	for (uint32_t at = 0; at < SEGMENT_BYTES; at += 5) {
		make_image(&image);
		image.bytes[at] ^= 0x10;
		unsigned in_order = walk(&image, SEGMENT_BYTES, false, 4096, 4096, &scan);
		scan_finish(&scan);
		unsigned skipping = walk(&image, SEGMENT_BYTES, true, 4096, 4096, &scan);
		scan_finish(&scan);
		unsigned lost = ALL & ~skipping;
		if (at < image.offsets[0]) {
			assert_int_equal(skipping, 0); /* the opening */
			continue;
		}
		assert_int_equal(lost & (lost - 1), 0); /* one at most */
		assert_int_equal(in_order, lost ? lost - 1 : ALL);
	}
}

/* What a client puts into a message may look like a record in all but the salt. */
static void forged_records_are_not_found(void **state)
{
	(void)state;
	struct image image;
	struct scan scan;
	make_image(&image);
	uint32_t at = image.offsets[RECORDS];
	at += write_record(image.bytes + at, 20, 100, GENERATION, GENERATION);
	at += write_record(image.bytes + at, 21, 100, GENERATION, 0);
	at += write_record(image.bytes + at, 22, 100, GENERATION - 1, salt);
	write_record(image.bytes + at, 23, 100, GENERATION, salt + 1);
	assert_int_equal(walk(&image, SEGMENT_BYTES, true, 4096, 4096, &scan), ALL);
	scan_finish(&scan);
}

static void openings_are_checked(void **state)
{
	(void)state;
	struct image image;
	struct scan scan;
	struct record record;
	static struct segment_opening opening;
	struct error error;
	make_image(&image);
	assert_true(scan_init(&scan, SEGMENT_BYTES));
	scan_begin(&scan, GENERATION, SEGMENT_BYTES, false);
	assert_int_equal(scan_next(&scan, &record), SCAN_MORE);
	uint64_t offset;
	struct iovec room = scan_room(&scan, &offset);
	memcpy(room.iov_base, image.bytes, room.iov_len);
	scan_filled(&scan, room.iov_len);
	assert_int_equal(scan_next(&scan, &record), SCAN_RECORD);
	assert_true(segment_opening_read(&opening, record.payload, &error));
	assert_int_equal(opening.salt, salt);
	assert_int_equal(opening.last_id, 9);
	assert_int_equal(opening.seal_count, 1);
	assert_int_equal(opening.seals[0].generation, 7);
	assert_int_equal(opening.seals[0].end, 100);
	uint8_t payload[32];
	memcpy(payload, record.payload.data, sizeof payload);
	assert_false(segment_opening_read(&opening, slice_of(payload, 31), &error));
	payload[0] = 2;
	assert_false(segment_opening_read(&opening, slice_of(payload, sizeof payload), &error));
	assert_non_null(strstr(error.text, "format version 2"));
	payload[0] = 1;
	payload[7] = 1;
	assert_false(segment_opening_read(&opening, slice_of(payload, sizeof payload), &error));
	scan_finish(&scan);
}

static void segment_names_are_sixteen_digits(void **state)
{
	(void)state;
	char name[SEGMENT_NAME_BYTES];
	uint32_t generation;
	segment_name_format(42, name);
	assert_string_equal(name, "0000000000000042");
	assert_true(segment_name_parse(name, &generation) && generation == 42);
	static const char *const wrong[] = { "new", "42", "0000000000000000", "000000000000004x", "0000004294967296" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(segment_name_parse(wrong[i], &generation));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelopes_are_read_as_written),
		cmocka_unit_test(envelopes_that_do_not_fit_are_refused),
		cmocka_unit_test(checksums_are_the_librarys),
		cmocka_unit_test(a_walk_finds_every_record),
		cmocka_unit_test(a_walk_ends_where_it_is_cut),
		cmocka_unit_test(damage_costs_one_record),
		cmocka_unit_test(forged_records_are_not_found),
		cmocka_unit_test(openings_are_checked),
		cmocka_unit_test(segment_names_are_sixteen_digits),
	};
	return cmocka_run_group_tests_name("spool format", tests, NULL, NULL);
}
