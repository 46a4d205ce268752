/* Questions by c-ares; see resolver.h. Sockets are resolver_sockets.c's. */
#include "core/dns/resolver.h"

#include <stdlib.h>

#include "core/dns/resolver_parts.h"

enum {
	CLASS_INTERNET = 1,
	TICK_MS = 20, /* c-ares looks for what is overdue that often */
};

/* --- asking --- */

static void end_now(struct resolver_query *query, struct slice message)
{
	query->answered(query, message);
}

static void end_waiting(struct timer *timer)
{
	struct resolver *resolver = CONTAINER_OF(timer, struct resolver, end);
	struct list now;
	list_init(&now);
	list_splice(&now, &resolver->ended);
	struct list *node;
	while ((node = list_take_first(&now)))
		end_now(CONTAINER_OF(node, struct resolver_query, link), slice_of(NULL, 0));
}

static void send_query(struct resolver_channel *channel, struct resolver_query *query);

/* RFC 1035 §4.1.1: the bit that says that a message is cut. */
static bool is_cut(const unsigned char *bytes, int size)
{
	enum { FLAGS_AT = 2, FLAG_TRUNCATED = 0x02 };
	return bytes && size > FLAGS_AT && bytes[FLAGS_AT] & FLAG_TRUNCATED;
}

/* Also where there is no such name: the message says it better than the status. */
static void answered(void *context, int status, int timeouts, unsigned char *bytes, int size)
{
	(void)status, (void)timeouts;
	struct resolver_query *query = context;
	struct resolver *resolver = query->resolver;
	query->channel->asked--;
	if (resolver->asking) {
		list_append(&resolver->ended, &query->link);
		loop_timer_start(resolver->loop, &resolver->end, 0);
		return;
	}
	struct resolver_channel *tcp = &resolver->channels[RESOLVER_TCP];
	if (is_cut(bytes, size) && query->name && query->channel != tcp) {
		send_query(tcp, query);
		return;
	}
	end_now(query, slice_of(bytes, bytes && size > 0 ? (size_t)size : 0));
}

/* c-ares can be asked when the next try is due, but looks through all queries to know: so it is told the time instead, while
 * there is anything to wait for. */
static void tick(struct timer *timer)
{
	struct resolver *resolver = CONTAINER_OF(timer, struct resolver, tick);
	size_t asked = 0;
	for (unsigned i = 0; i < RESOLVER_CHANNELS; i++) {
		struct resolver_channel *channel = &resolver->channels[i];
		if (channel->asked)
			ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	}
	for (unsigned i = 0; i < RESOLVER_CHANNELS; i++)
		asked += resolver->channels[i].asked;
	resolver_sockets_watch_all(resolver);
	if (asked)
		loop_timer_start(resolver->loop, &resolver->tick, TICK_MS);
}

static void send_query(struct resolver_channel *channel, struct resolver_query *query)
{
	struct resolver *resolver = channel->resolver;
	query->channel = channel;
	channel->in_row = channel->asked ? channel->in_row + 1 : 1;
	channel->asked++;
	resolver->asking = true;
	ares_query(channel->ares, query->name, CLASS_INTERNET, (int)query->type, answered, query);
	resolver->asking = false;
	if (!timer_is_running(&resolver->tick))
		loop_timer_start(resolver->loop, &resolver->tick, TICK_MS);
}

/* The other one, once this one's ports are old and that one's are closed. */
static struct resolver_channel *choose_udp(struct resolver *resolver)
{
	struct resolver_channel *first = &resolver->channels[RESOLVER_UDP];
	struct resolver_channel *other = resolver->udp == first ? first + 1 : first;
	if (resolver->udp->asked && resolver->udp->in_row >= LIMIT_DNS_PORT_QUERIES && other->asked == 0)
		resolver->udp = other;
	return resolver->udp;
}

/* Whether one more may go in this millisecond. */
static bool may_send(struct resolver *resolver)
{
	uint64_t ms = loop_now(resolver->loop)->monotonic_ns / CLOCK_NS_PER_MS;
	if (ms != resolver->burst_ms) {
		resolver->burst_ms = ms;
		resolver->burst = 0;
	}
	return resolver->burst++ < LIMIT_DNS_BURST;
}

static void send_more(struct timer *timer)
{
	struct resolver *resolver = CONTAINER_OF(timer, struct resolver, more);
	while (!list_is_empty(&resolver->waiting) && may_send(resolver))
		send_query(choose_udp(resolver),
			   CONTAINER_OF(list_take_first(&resolver->waiting), struct resolver_query, link));
	if (!list_is_empty(&resolver->waiting))
		loop_timer_start(resolver->loop, &resolver->more, 1);
}

void resolver_ask(struct resolver *resolver, struct resolver_query *query, const char *name, enum dns_type type,
		  resolver_answered *called)
{
	query->answered = called;
	query->resolver = resolver;
	query->name = name;
	query->type = type;
	query->channel = NULL;
	list_init(&query->link);
	if (list_is_empty(&resolver->waiting) && may_send(resolver)) {
		send_query(choose_udp(resolver), query);
		return;
	}
	list_append(&resolver->waiting, &query->link);
	if (!timer_is_running(&resolver->more))
		loop_timer_start(resolver->loop, &resolver->more, 1);
}

bool resolver_forget(struct resolver_query *query)
{
	query->name = NULL;
	if (query->channel)
		return false;
	list_remove(&query->link);
	return true;
}

/* --- life --- */

static bool explain(struct error *error, int status, const char *what)
{
	return error_set(error, "%s: %s", what, ares_strerror(status));
}

static void fill_node(struct ares_addr_port_node *node, const struct net_address *server)
{
	*node = (struct ares_addr_port_node){
		.family = server->family == 6 ? AF_INET6 : AF_INET,
		.udp_port = server->port,
		.tcp_port = server->port,
	};
	memcpy(&node->addr, server->bytes, server->family == 6 ? 16 : 4);
}

static bool set_servers(struct resolver_channel *channel, const struct resolver_settings *settings, struct error *error)
{
	struct ares_addr_port_node nodes[LIMIT_NAME_SERVERS];
	ASSERT(settings->server_count <= LIMIT_NAME_SERVERS);
	for (size_t i = 0; i < settings->server_count; i++) {
		fill_node(&nodes[i], &settings->servers[i]);
		nodes[i].next = i + 1 < settings->server_count ? &nodes[i + 1] : NULL;
	}
	int status = ares_set_servers_ports(channel->ares, nodes);
	return status == ARES_SUCCESS || explain(error, status, "can't use the DNS servers");
}

/* All tries of all servers together, each round twice as long as the one before it. */
static uint32_t try_ms(uint32_t timeout_ms, size_t servers)
{
	uint32_t ms = timeout_ms / (uint32_t)(servers * ((1u << LIMIT_DNS_TRIES) - 1));
	return ms > LIMIT_DNS_TRY_MS ? ms : LIMIT_DNS_TRY_MS;
}

/* Named servers make files superfluous: none is read. */
static bool open_channel(struct resolver_channel *channel, const struct resolver_settings *settings, size_t servers,
			 struct error *error)
{
	static char lookups[] = "b", no_file[] = "/dev/null";
	bool by_tcp = channel == &channel->resolver->channels[RESOLVER_TCP];
	uint32_t ms = try_ms(settings->timeout_ms, servers);
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES |
			 (by_tcp ? ARES_FLAG_USEVC : ARES_FLAG_EDNS | ARES_FLAG_IGNTC),
		.timeout = (int)ms,
		.tries = LIMIT_DNS_TRIES,
		.lookups = lookups,
		.ednspsz = LIMIT_DNS_UDP_BYTES,
		.sock_state_cb = resolver_socket_wants,
		.sock_state_cb_data = channel,
		.resolvconf_path = no_file,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_EDNSPSZ |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_DOMAINS | ARES_OPT_NOROTATE;
	if (settings->server_count)
		mask |= ARES_OPT_RESOLVCONF;
	int status = ares_init_options(&channel->ares, &options, mask);
	if (status != ARES_SUCCESS) {
		channel->ares = NULL;
		return explain(error, status, "can't ask the DNS");
	}
	resolver_sockets_serve(channel);
	return settings->server_count == 0 || set_servers(channel, settings, error);
}

static size_t count_servers(const struct resolver_channel *channel)
{
	struct ares_addr_port_node *nodes = NULL;
	size_t count = 0;
	if (ares_get_servers_ports(channel->ares, &nodes) == ARES_SUCCESS)
		for (struct ares_addr_port_node *node = nodes; node; node = node->next)
			count++;
	ares_free_data(nodes);
	return count ? count : 1;
}

/* How many servers the system's file names is known once it is read; the time of a try depends on it. */
static bool open_with_all_servers(struct resolver_channel *channel, const struct resolver_settings *settings,
				  struct error *error)
{
	if (settings->server_count)
		return open_channel(channel, settings, settings->server_count, error);
	if (!open_channel(channel, settings, 1, error))
		return false;
	size_t servers = count_servers(channel);
	if (servers == 1)
		return true;
	ares_destroy(channel->ares);
	return open_channel(channel, settings, servers, error);
}

struct resolver *resolver_create(struct loop *loop, const struct resolver_settings *settings, struct error *error)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);
	if (!resolver || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(resolver);
		error_set(error, "no memory to ask the DNS");
		return NULL;
	}
	resolver->loop = loop;
	timer_init(&resolver->tick, tick);
	timer_init(&resolver->end, end_waiting);
	timer_init(&resolver->more, send_more);
	list_init(&resolver->ended);
	list_init(&resolver->waiting);
	resolver->udp = &resolver->channels[RESOLVER_UDP];
	resolver_sockets_init(resolver);
	for (unsigned i = 0; i < RESOLVER_CHANNELS; i++) {
		resolver->channels[i].resolver = resolver;
		if (!open_with_all_servers(&resolver->channels[i], settings, error)) {
			resolver_destroy(resolver);
			return NULL;
		}
	}
	return resolver;
}

void resolver_destroy(struct resolver *resolver)
{
	if (!resolver)
		return;
	for (unsigned i = 0; i < RESOLVER_CHANNELS; i++)
		if (resolver->channels[i].ares)
			ares_destroy(resolver->channels[i].ares);
	list_splice(&resolver->ended, &resolver->waiting);
	end_waiting(&resolver->end);
	resolver_sockets_finish(resolver);
	loop_timer_stop(resolver->loop, &resolver->tick);
	loop_timer_stop(resolver->loop, &resolver->more);
	loop_timer_stop(resolver->loop, &resolver->end);
	ares_library_cleanup();
	free(resolver);
}
