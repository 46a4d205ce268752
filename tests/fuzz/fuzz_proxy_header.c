/* libFuzzer: PROXY headers. What is taken lies inside the input and does not depend on what follows or how it comes. */
#include "core/base/limits.h"
#include "core/net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice input = slice_of(data, size);
	struct proxy_header header, again;
	enum proxy_header_status status = proxy_header_parse(input, &header);
	ASSERT(status != PROXY_HEADER_NEED_MORE || size < LIMIT_PROXY_HEADER_BYTES);
	ASSERT((status == PROXY_HEADER_REJECT) == (header.fault != NULL));
	if (status != PROXY_HEADER_OK)
		return 0;
	ASSERT(header.size > 0 && header.size <= size && header.size <= LIMIT_PROXY_HEADER_BYTES);
	ASSERT(!header.relayed || (header.source.family != 0 && header.destination.family != 0));
	ASSERT(proxy_header_parse(slice_first(input, header.size), &again) == PROXY_HEADER_OK);
	ASSERT(again.size == header.size && again.relayed == header.relayed);
	for (size_t cut = 0; cut < header.size; cut += 1 + cut / 16)
		ASSERT(proxy_header_parse(slice_first(input, cut), &again) == PROXY_HEADER_NEED_MORE);
	return 0;
}
