/* Counting the connections of clients; see clients.h. */
#include "core/net/clients.h"

#include <stdatomic.h>
#include <string.h>

#include "core/base/shared_lock.h"

enum {
	CLIENTS_WAYS = 7, /* with its lock, a set's keys are one line of the cache */
	LINE_BYTES = 64,
	NOT_A_WAY = -1,
};

/* What an entry is about is part of its key. */
enum kind { KIND_ADDRESS, KIND_NETWORK };

/* All but the lock and the counts is the holder's of the lock. An unused entry has key 0. */
struct set {
	struct shared_lock lock;
	uint64_t keys[CLIENTS_WAYS];
	/* When a client's next connection is on time if all come evenly (the theoretical arrival time of the generic cell rate
	 * algorithm, ITU-T I.371); it may come earlier by what the rate lets come at once. Monotonic ns. What is past is
	 * as good as 0. */
	uint64_t due_ns[CLIENTS_WAYS];
	atomic_uint counts[]; /* entry by entry, a cell for each worker, written by that alone */
};

struct clients {
	uint64_t secret[2];
	uint32_t set_count;
	uint32_t workers;
	size_t set_bytes;
	uint8_t pad[LINE_BYTES - 4 * sizeof(uint64_t)];
	uint8_t sets[];
};

/* --- the table --- */

static size_t round_up(size_t bytes)
{
	return (bytes + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static size_t set_bytes(const struct clients_settings *settings)
{
	return round_up(sizeof(struct set) + (size_t)CLIENTS_WAYS * settings->workers * sizeof(atomic_uint));
}

static uint32_t set_count(const struct clients_settings *settings)
{
	return settings->entries / CLIENTS_WAYS + 1;
}

size_t clients_bytes(const struct clients_settings *settings)
{
	return sizeof(struct clients) + set_count(settings) * set_bytes(settings);
}

struct clients *clients_init(void *memory, const struct clients_settings *settings)
{
	ASSERT(settings->workers > 0 && (uintptr_t)memory % LINE_BYTES == 0);
	struct clients *clients = memory;
	clients->secret[0] = settings->secret[0];
	clients->secret[1] = settings->secret[1];
	clients->set_count = set_count(settings);
	clients->workers = settings->workers;
	clients->set_bytes = set_bytes(settings);
	return clients;
}

static struct set *set_at(struct clients *clients, uint32_t at)
{
	return (struct set *)(clients->sets + at * clients->set_bytes);
}

static atomic_uint *cell_of(const struct clients *clients, struct set *set, int way, uint32_t worker)
{
	return &set->counts[(uint32_t)way * clients->workers + worker];
}

static uint32_t open_connections(const struct clients *clients, struct set *set, int way)
{
	uint32_t sum = 0;
	for (uint32_t worker = 0; worker < clients->workers; worker++)
		sum += atomic_load_explicit(cell_of(clients, set, way, worker), memory_order_relaxed);
	return sum;
}

/* --- where an entry is --- */

struct place {
	struct set *set;
	uint64_t key;
	uint32_t set_number;
};

__extension__ typedef unsigned __int128 product;

static uint64_t mix(uint64_t a, uint64_t b)
{
	product both = (product)a * b;
	return (uint64_t)both ^ (uint64_t)(both >> 64);
}

static struct place place_of(struct clients *clients, const struct net_address *address, enum kind kind)
{
	uint64_t high, low;
	memcpy(&high, address->bytes, sizeof high);
	memcpy(&low, address->bytes + sizeof high, sizeof low);
	if (kind == KIND_NETWORK) {
		static const uint8_t of_24_bits[sizeof high] = { 0xff, 0xff, 0xff };
		uint64_t mask;
		memcpy(&mask, of_24_bits, sizeof mask);
		high &= address->family == 4 ? mask : UINT64_MAX;
		low = 0;
	}
	uint64_t hash = mix(high ^ clients->secret[0], low ^ clients->secret[1]);
	hash = mix(hash ^ clients->secret[1], clients->secret[0] ^ ((uint64_t)address->family << 8 | kind));
	uint32_t number = (uint32_t)((hash >> 32) * clients->set_count >> 32);
	struct set *set = set_at(clients, number);
	/* Its lines are asked for now, and both sets' before the first is needed. */
	__builtin_prefetch(set, 1);
	__builtin_prefetch((uint8_t *)set + LINE_BYTES, 1);
	__builtin_prefetch((uint8_t *)set + 2 * LINE_BYTES, 1);
	return (struct place){ set, hash ? hash : 1, number };
}

static uint32_t ticket_of(const struct place *place, int way)
{
	return place->set_number * CLIENTS_WAYS + (uint32_t)way + 1;
}

static int find_way(const struct set *set, uint64_t key)
{
	for (int way = 0; way < CLIENTS_WAYS; way++)
		if (set->keys[way] == key)
			return way;
	return NOT_A_WAY;
}

/* An unused or forgotten entry, or the one without connections that would be forgotten first. */
static int make_room(const struct clients *clients, struct set *set, uint64_t key)
{
	int room = NOT_A_WAY;
	for (int way = 0; way < CLIENTS_WAYS; way++)
		if ((room == NOT_A_WAY || set->due_ns[way] < set->due_ns[room]) &&
		    open_connections(clients, set, way) == 0)
			room = way;
	if (room != NOT_A_WAY) {
		/* In this order, should the worker be killed between the two. */
		set->due_ns[room] = 0;
		atomic_signal_fence(memory_order_seq_cst);
		set->keys[room] = key;
	}
	return room;
}

/* --- counting --- */

/* What one entry is asked for. */
struct demand {
	uint32_t most; /* connections; 0: they are not counted */
	enum client_verdict full;
	const struct client_rate *rate; /* NULL: not this entry's */
};

static uint64_t interval_of(const struct client_rate *rate)
{
	return rate->period_ns / rate->count;
}

/* Is a connection too early? Else it moves the time when the next one is due. */
static bool is_too_fast(uint64_t *due_ns, const struct client_rate *rate, uint64_t now_ns)
{
	uint64_t interval = interval_of(rate), most = now_ns + interval * rate->count;
	/* What lies further ahead is of a slower rate that was in force before: nobody waits for that. */
	if (*due_ns > most)
		*due_ns = most;
	uint64_t from = *due_ns > now_ns ? *due_ns : now_ns;
	if (from - now_ns > interval * (rate->count - 1))
		return true;
	*due_ns = from + interval;
	return false;
}

static enum client_verdict count_in(struct clients *clients, uint32_t worker, const struct place *place, int way,
				    const struct demand *demand, uint64_t now_ns, uint32_t *ticket)
{
	struct set *set = place->set;
	if (demand->most && open_connections(clients, set, way) >= demand->most)
		return demand->full;
	if (demand->rate && is_too_fast(&set->due_ns[way], demand->rate, now_ns))
		return CLIENT_TOO_FAST;
	if (demand->most) {
		atomic_uint *cell = cell_of(clients, set, way, worker);
		uint32_t count = atomic_load_explicit(cell, memory_order_relaxed);
		atomic_store_explicit(cell, count + 1, memory_order_relaxed);
		*ticket = ticket_of(place, way);
	}
	return CLIENT_ADMITTED;
}

static enum client_verdict open_entry(struct clients *clients, uint32_t worker, const struct place *place,
				      const struct demand *demand, uint64_t now_ns, uint32_t *ticket)
{
	enum client_verdict verdict = CLIENT_ADMITTED;
	if (!shared_lock_take(&place->set->lock, worker))
		return verdict;
	int way = find_way(place->set, place->key);
	if (way == NOT_A_WAY)
		way = make_room(clients, place->set, place->key);
	if (way != NOT_A_WAY)
		verdict = count_in(clients, worker, place, way, demand, now_ns, ticket);
	shared_lock_free(&place->set->lock);
	return verdict;
}

/* The cell is this worker's alone, and an entry with connections stays where it is: this needs no lock. */
static void close_entry(struct clients *clients, uint32_t worker, uint32_t *ticket)
{
	if (*ticket == 0)
		return;
	struct set *set = set_at(clients, (*ticket - 1) / CLIENTS_WAYS);
	atomic_uint *cell = cell_of(clients, set, (int)((*ticket - 1) % CLIENTS_WAYS), worker);
	uint32_t count = atomic_load_explicit(cell, memory_order_relaxed);
	ASSERT(count > 0);
	atomic_store_explicit(cell, count - 1, memory_order_relaxed);
	*ticket = 0;
}

/* As if the connection had not come: the network refused it. */
static void take_back_rate(uint32_t worker, const struct place *place, const struct client_rate *rate)
{
	struct set *set = place->set;
	if (!shared_lock_take(&set->lock, worker))
		return;
	int way = find_way(set, place->key);
	if (way != NOT_A_WAY && set->due_ns[way] > interval_of(rate))
		set->due_ns[way] -= interval_of(rate);
	shared_lock_free(&set->lock);
}

enum client_verdict clients_open(struct clients *clients, uint32_t worker, const struct net_address *address,
				 const struct client_limits *limits, uint64_t now_ns, struct client_ticket *ticket)
{
	ASSERT(worker < clients->workers);
	const struct client_rate *rate = limits->rate.count ? &limits->rate : NULL;
	bool ipv4 = address->family == 4;
	struct demand of_address = { limits->per_address, CLIENT_ADDRESS_FULL, ipv4 ? rate : NULL };
	struct demand of_network = { limits->per_network, CLIENT_NETWORK_FULL, ipv4 ? NULL : rate };
	bool by_address = of_address.most || of_address.rate, by_network = of_network.most || of_network.rate;
	struct place address_place, network_place;
	enum client_verdict verdict = CLIENT_ADMITTED;
	*ticket = (struct client_ticket){ 0, 0 };
	if (address->family == 0)
		return verdict;
	if (by_address)
		address_place = place_of(clients, address, KIND_ADDRESS);
	if (by_network)
		network_place = place_of(clients, address, KIND_NETWORK);
	if (by_address)
		verdict = open_entry(clients, worker, &address_place, &of_address, now_ns, &ticket->address);
	if (by_network && verdict == CLIENT_ADMITTED)
		verdict = open_entry(clients, worker, &network_place, &of_network, now_ns, &ticket->network);
	if (verdict == CLIENT_NETWORK_FULL && of_address.rate)
		take_back_rate(worker, &address_place, of_address.rate);
	if (verdict != CLIENT_ADMITTED)
		close_entry(clients, worker, &ticket->address);
	return verdict;
}

void clients_close(struct clients *clients, uint32_t worker, struct client_ticket *ticket)
{
	close_entry(clients, worker, &ticket->address);
	close_entry(clients, worker, &ticket->network);
}

void clients_forget_worker(struct clients *clients, uint32_t worker)
{
	for (uint32_t number = 0; number < clients->set_count; number++) {
		struct set *set = set_at(clients, number);
		for (int way = 0; way < CLIENTS_WAYS; way++)
			if (set->keys[way])
				atomic_store_explicit(cell_of(clients, set, way, worker), 0, memory_order_relaxed);
		shared_lock_forget(&set->lock, worker);
	}
}

static uint32_t count_of(struct clients *clients, const struct net_address *address, enum kind kind)
{
	struct place place = place_of(clients, address, kind);
	int way = find_way(place.set, place.key);
	return way == NOT_A_WAY ? 0 : open_connections(clients, place.set, way);
}

uint32_t clients_count_address(struct clients *clients, const struct net_address *address)
{
	return count_of(clients, address, KIND_ADDRESS);
}

uint32_t clients_count_network(struct clients *clients, const struct net_address *address)
{
	return count_of(clients, address, KIND_NETWORK);
}
