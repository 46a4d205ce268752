/* libFuzzer: paths and addresses. What is accepted lies inside the input, holds no control, and is right on its own too. */
#include "core/base/limits.h"
#include "proto/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct address *address, struct slice input, bool utf8)
{
	ASSERT(address->text.data >= input.data && address->text.data + address->text.size <= input.data + input.size);
	ASSERT(address->text.size <= LIMIT_PATH_BYTES);
	for (size_t i = 0; i < address->text.size; i++)
		ASSERT(address->text.data[i] >= ' ' && address->text.data[i] != 0x7f &&
		       (utf8 || address->text.data[i] < 0x80));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	bool utf8 = data[0] & 1;
	struct slice input = slice_skip(slice_of(data, size), 1);
	struct address address, again;
	size_t consumed;
	if (address_parse(input, utf8, &address) == ADDRESS_OK) {
		check(&address, input, utf8);
		ASSERT(slice_equal(address.text, input));
		ASSERT(address_domain_is_strict(address.domain, utf8));
	}
	if (address_parse_path(input, true, true, utf8, &address, &consumed) == ADDRESS_OK) {
		ASSERT(consumed >= 2 && consumed <= input.size && input.data[consumed - 1] == '>');
		if (address.text.size)
			check(&address, input, utf8);
		if (address.domain.size)
			ASSERT(address_parse(address.text, utf8, &again) == ADDRESS_OK);
	}
	(void)!address_domain_is_valid(input, utf8);
	return 0;
}
