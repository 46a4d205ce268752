/* libFuzzer: DNS messages. Whatever is in one, what is read out of it are hosts' names, few of them, and no more addresses than
 * there can be. The first byte chooses the family. */
#include "core/base/limits.h"
#include "core/dns/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_host(const struct dns_host *host)
{
	struct dns_name name;
	struct dns_host again;
	ASSERT(host->size > 0 && host->size <= LIMIT_DNS_NAME_BYTES && host->text[host->size] == 0);
	ASSERT(dns_name_from_text(dns_host_slice(host), &name) && dns_name_to_host(&name, &again));
	ASSERT(slice_equal(dns_host_slice(host), dns_host_slice(&again)));
	for (size_t i = 0; i < host->size; i++)
		ASSERT(host->text[i] > ' ' && host->text[i] < 0x7f &&
		       ascii_lower((uint8_t)host->text[i]) == host->text[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dns_pointers pointers;
	struct dns_match match;
	if (size == 0)
		return 0;
	struct net_address address = { .family = data[0] & 1 ? 6 : 4, .bytes = { 192, 0, 2, 1 } };
	struct slice message = slice_skip(slice_of(data, size), 1);
	enum dns_answer answer = dns_answer_pointers(message, SLICE_LITERAL("1.2.0.192.in-addr.arpa"), &pointers);
	ASSERT(pointers.count <= LIMIT_DNS_POINTERS && (answer == DNS_ANSWER_HERE || pointers.count == 0));
	for (size_t i = 0; i < pointers.count; i++)
		check_host(&pointers.hosts[i]);
	answer = dns_answer_match(message, SLICE_LITERAL("mail.test"), &address, &match);
	ASSERT(answer == DNS_ANSWER_HERE || !match.found);
	return 0;
}
