/* The simulated disk: files with what is cached and what is durable, directories with names of both kinds; see
 * sim_parts.h and, for what a crash keeps, loop_sim.h. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_parts.h"

struct sim_inode {
	struct list link; /* all of the disk's */
	bool directory;
	struct sim_inode *parent; /* of a directory */
	struct list names;        /* of a directory */

	/* Of a file: two images of the same capacity, zero behind their size, and what differs on purpose. */
	uint8_t *cached;
	uint8_t *durable;
	bool *dirty; /* a sector was written since it was last synced */
	size_t cached_size;
	size_t durable_size;
	size_t capacity; /* in whole sectors */

	struct sim_inode *copy; /* while a survivor is made */
};

struct name {
	struct list link;
	struct sim_inode *cached;
	struct sim_inode *durable;
	struct sim_inode *surviving; /* while a copy is made */
	char text[];
};

/* A change of names that is not yet durable. */
struct half {
	struct sim_inode *directory; /* NULL: durable, or there is no such half */
	struct sim_inode *target;    /* NULL: the name goes */
	char *name;
};

struct change {
	struct list link;
	uint64_t number;
	struct half halves[2];
};

struct sim_disk {
	struct list inodes;
	struct list changes; /* in order */
	uint64_t next_change;
	struct sim_inode *root;
};

/* --- making and ending --- */

static struct sim_inode *make_inode(struct sim_disk *disk, bool directory)
{
	struct sim_inode *inode = sim_allocate(sizeof *inode);
	inode->directory = directory;
	list_init(&inode->names);
	list_append(&disk->inodes, &inode->link);
	return inode;
}

static struct sim_disk *make_disk(void)
{
	struct sim_disk *disk = sim_allocate(sizeof *disk);
	list_init(&disk->inodes);
	list_init(&disk->changes);
	return disk;
}

struct sim_disk *sim_disk_create(void)
{
	struct sim_disk *disk = make_disk();
	disk->root = make_inode(disk, true);
	disk->root->parent = disk->root;
	return disk;
}

static void free_inode(struct sim_inode *inode)
{
	for (struct list *node; (node = list_take_first(&inode->names));)
		free(CONTAINER_OF(node, struct name, link));
	free(inode->cached);
	free(inode->durable);
	free(inode->dirty);
	free(inode);
}

static void free_change(struct change *change)
{
	list_remove(&change->link);
	free(change->halves[0].name);
	free(change->halves[1].name);
	free(change);
}

void sim_disk_destroy(struct sim_disk *disk)
{
	if (!disk)
		return;
	for (struct list *node; (node = list_first(&disk->changes));)
		free_change(CONTAINER_OF(node, struct change, link));
	for (struct list *node; (node = list_take_first(&disk->inodes));)
		free_inode(CONTAINER_OF(node, struct sim_inode, link));
	free(disk);
}

/* --- names --- */

static struct name *find_name(const struct sim_inode *directory, const char *text)
{
	for (struct list *node = directory->names.next; node != &directory->names; node = node->next) {
		struct name *name = CONTAINER_OF(node, struct name, link);
		if (strcmp(name->text, text) == 0)
			return name;
	}
	return NULL;
}

static struct name *make_name(struct sim_inode *directory, const char *text)
{
	struct name *name = find_name(directory, text);
	if (name)
		return name;
	size_t size = strlen(text) + 1;
	name = sim_allocate(sizeof *name + size);
	memcpy(name->text, text, size);
	list_append(&directory->names, &name->link);
	return name;
}

struct sim_inode *sim_disk_lookup(const struct sim_inode *directory, const char *text)
{
	if (strcmp(text, ".") == 0)
		return (struct sim_inode *)(uintptr_t)directory;
	if (strcmp(text, "..") == 0)
		return directory->parent;
	struct name *name = find_name(directory, text);
	return name ? name->cached : NULL;
}

struct sim_inode *sim_disk_parent(struct sim_disk *disk, struct sim_inode *from, const char *path, const char **name)
{
	struct sim_inode *at = *path == '/' || !from ? disk->root : from;
	while (*path == '/')
		path++;
	for (const char *slash; at && at->directory && (slash = strchr(path, '/')); path = slash + 1) {
		char part[256];
		size_t size = (size_t)(slash - path);
		ASSERT(size < sizeof part);
		memcpy(part, path, size);
		part[size] = 0;
		if (size)
			at = sim_disk_lookup(at, part);
	}
	*name = *path ? path : ".";
	return at && at->directory ? at : NULL;
}

struct sim_inode *sim_disk_find(struct sim_disk *disk, struct sim_inode *from, const char *path)
{
	const char *name;
	struct sim_inode *parent = sim_disk_parent(disk, from, path, &name);
	return parent ? sim_disk_lookup(parent, name) : NULL;
}

void sim_inode_each_name(const struct sim_inode *directory, loop_directory_entry *entry, void *context)
{
	for (struct list *node = directory->names.next; node != &directory->names; node = node->next) {
		struct name *name = CONTAINER_OF(node, struct name, link);
		if (name->cached)
			entry(context, name->text);
	}
}

static struct half change_name(struct sim_inode *directory, const char *text, struct sim_inode *target)
{
	make_name(directory, text)->cached = target;
	if (target && target->directory)
		target->parent = directory;
	struct half half = { directory, target, strdup(text) };
	ASSERT(half.name);
	return half;
}

static void note_change(struct sim_disk *disk, struct half first, struct half second)
{
	struct change *change = sim_allocate(sizeof *change);
	change->number = disk->next_change++;
	change->halves[0] = first;
	change->halves[1] = second;
	list_append(&disk->changes, &change->link);
}

struct sim_inode *sim_disk_make(struct sim_disk *disk, struct sim_inode *directory, const char *name, bool is_directory)
{
	struct sim_inode *inode = make_inode(disk, is_directory);
	note_change(disk, change_name(directory, name, inode), (struct half){ 0 });
	return inode;
}

void sim_disk_remove(struct sim_disk *disk, struct sim_inode *directory, const char *name)
{
	note_change(disk, change_name(directory, name, NULL), (struct half){ 0 });
}

void sim_disk_rename(struct sim_disk *disk, struct sim_inode *from, const char *name, struct sim_inode *to,
		     const char *new_name)
{
	struct sim_inode *target = sim_disk_lookup(from, name);
	struct half goes = change_name(from, name, NULL);
	note_change(disk, goes, change_name(to, new_name, target));
}

static void make_half_durable(struct half *half)
{
	if (half->directory)
		make_name(half->directory, half->name)->durable = half->target;
	half->directory = NULL;
}

/* --- bytes --- */

bool sim_inode_is_directory(const struct sim_inode *inode)
{
	return inode->directory;
}

size_t sim_inode_size(const struct sim_inode *inode)
{
	return inode->cached_size;
}

struct slice sim_inode_bytes(const struct sim_inode *inode)
{
	return slice_of(inode->cached, inode->cached_size);
}

static void *grow(void *memory, size_t old_size, size_t new_size)
{
	memory = realloc(memory, new_size);
	ASSERT(memory);
	memset((uint8_t *)memory + old_size, 0, new_size - old_size);
	return memory;
}

static void reserve(struct sim_inode *inode, size_t size)
{
	if (size <= inode->capacity)
		return;
	size_t capacity = inode->capacity * 2 > size ? inode->capacity * 2 : size;
	capacity = (capacity + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES * SIM_SECTOR_BYTES;
	inode->cached = grow(inode->cached, inode->capacity, capacity);
	inode->durable = grow(inode->durable, inode->capacity, capacity);
	inode->dirty = grow(inode->dirty, inode->capacity / SIM_SECTOR_BYTES * sizeof(bool),
			    capacity / SIM_SECTOR_BYTES * sizeof(bool));
	inode->capacity = capacity;
}

static void mark_dirty(struct sim_inode *inode, size_t from, size_t to)
{
	for (size_t sector = from / SIM_SECTOR_BYTES; sector * SIM_SECTOR_BYTES < to; sector++)
		inode->dirty[sector] = true;
}

void sim_inode_write(struct sim_inode *inode, uint64_t offset, struct slice bytes)
{
	if (bytes.size == 0)
		return;
	size_t end = offset + bytes.size;
	reserve(inode, end);
	memcpy(inode->cached + offset, bytes.data, bytes.size);
	mark_dirty(inode, offset, end);
	if (end > inode->cached_size)
		inode->cached_size = end;
}

void sim_inode_resize(struct sim_inode *inode, size_t size)
{
	reserve(inode, size);
	if (size < inode->cached_size) {
		memset(inode->cached + size, 0, inode->cached_size - size);
		mark_dirty(inode, size, inode->cached_size);
	}
	inode->cached_size = size;
}

uint64_t sim_disk_used_bytes(const struct sim_disk *disk)
{
	uint64_t used = 0;
	for (struct list *node = disk->inodes.next; node != &disk->inodes; node = node->next) {
		const struct sim_inode *directory = CONTAINER_OF(node, struct sim_inode, link);
		for (struct list *at = directory->names.next; at != &directory->names; at = at->next) {
			const struct name *name = CONTAINER_OF(at, struct name, link);
			used += name->cached ? name->cached->cached_size : 0;
		}
	}
	return used;
}

/* --- syncing --- */

struct sim_sync {
	struct sim_disk *disk;
	struct sim_inode *inode;
	uint64_t change_limit; /* a directory: changes before this one */
	size_t size;           /* a file's, when the sync began */
	size_t count;
	size_t *sectors;
	uint8_t *bytes; /* of each sector, as they were */
};

struct sim_sync *sim_sync_begin(struct sim_disk *disk, struct sim_inode *inode, uint64_t offset, uint64_t size)
{
	struct sim_sync *sync = sim_allocate(sizeof *sync);
	sync->disk = disk;
	sync->inode = inode;
	sync->change_limit = disk->next_change;
	sync->size = inode->cached_size;
	size_t end = size < inode->capacity - offset ? offset + size : inode->capacity;
	size_t first = offset / SIM_SECTOR_BYTES, last = (end + SIM_SECTOR_BYTES - 1) / SIM_SECTOR_BYTES;
	for (size_t sector = first; sector < last; sector++)
		sync->count += inode->dirty[sector];
	sync->sectors = sim_allocate((sync->count + 1) * sizeof *sync->sectors);
	sync->bytes = sim_allocate((sync->count + 1) * SIM_SECTOR_BYTES);
	size_t at = 0;
	for (size_t sector = first; sector < last; sector++) {
		if (!inode->dirty[sector])
			continue;
		memcpy(sync->bytes + at * SIM_SECTOR_BYTES, inode->cached + sector * SIM_SECTOR_BYTES,
		       SIM_SECTOR_BYTES);
		sync->sectors[at++] = sector;
	}
	return sync;
}

static void sync_sector(struct sim_sync *sync, size_t at)
{
	struct sim_inode *inode = sync->inode;
	size_t offset = sync->sectors[at] * SIM_SECTOR_BYTES;
	const uint8_t *bytes = sync->bytes + at * SIM_SECTOR_BYTES;
	memcpy(inode->durable + offset, bytes, SIM_SECTOR_BYTES);
	/* Else it was written again meanwhile. */
	if (memcmp(inode->cached + offset, bytes, SIM_SECTOR_BYTES) == 0)
		inode->dirty[sync->sectors[at]] = false;
}

static void sync_names(struct sim_sync *sync)
{
	struct list *head = &sync->disk->changes;
	for (struct list *node = head->next, *next; node != head; node = next) {
		next = node->next;
		struct change *change = CONTAINER_OF(node, struct change, link);
		if (change->number >= sync->change_limit)
			return;
		for (size_t i = 0; i < 2; i++)
			if (change->halves[i].directory == sync->inode)
				make_half_durable(&change->halves[i]);
		if (!change->halves[0].directory && !change->halves[1].directory)
			free_change(change);
	}
}

void sim_sync_end(struct sim *sim, struct sim_sync *sync, bool failed)
{
	for (size_t at = 0; at < sync->count; at++) {
		uint64_t fate = failed ? sim_random(sim, 3) : 0;
		if (fate == 0)
			sync_sector(sync, at);
		else if (fate == 1) /* the system takes it for written, and never tries again */
			sync->inode->dirty[sync->sectors[at]] = false;
	}
	if (!failed && sync->inode->directory)
		sync_names(sync);
	if (!failed && !sync->inode->directory)
		sync->inode->durable_size = sync->size;
	free(sync->sectors);
	free(sync->bytes);
	free(sync);
}

/* --- crashing --- */

/* How much of what was not synced is kept: nothing, all, or each part by chance. */
enum mercy { LOSE_ALL, KEEP_ALL, BY_CHANCE };

static bool is_kept(struct sim *sim, enum mercy mercy)
{
	return mercy == KEEP_ALL || (mercy == BY_CHANCE && sim_random(sim, 2));
}

static size_t surviving_size(struct sim *sim, const struct sim_inode *inode, enum mercy mercy)
{
	if (inode->durable_size == inode->cached_size || !is_kept(sim, mercy))
		return inode->durable_size;
	size_t grown = inode->cached_size > inode->durable_size ? inode->cached_size - inode->durable_size : 0;
	return mercy == BY_CHANCE && grown ? inode->durable_size + sim_random(sim, grown + 1) : inode->cached_size;
}

static void copy_bytes(struct sim *sim, struct sim_inode *copy, const struct sim_inode *inode, enum mercy mercy)
{
	size_t size = surviving_size(sim, inode, mercy);
	reserve(copy, inode->capacity);
	if (inode->capacity)
		memcpy(copy->durable, inode->durable, inode->capacity);
	for (size_t at = 0; at < inode->capacity; at += SIM_SECTOR_BYTES) {
		if (!inode->dirty[at / SIM_SECTOR_BYTES] || !is_kept(sim, mercy))
			continue;
		bool torn = mercy == BY_CHANCE && sim_random(sim, 4) == 0;
		size_t kept = torn ? sim_random(sim, SIM_SECTOR_BYTES) : SIM_SECTOR_BYTES;
		memcpy(copy->durable + at, inode->cached + at, kept);
	}
	if (size < copy->capacity)
		memset(copy->durable + size, 0, copy->capacity - size);
	if (copy->capacity)
		memcpy(copy->cached, copy->durable, copy->capacity);
	copy->durable_size = copy->cached_size = size;
}

static struct sim_inode *copy_inode(struct sim *sim, struct sim_disk *to, struct sim_inode *inode, enum mercy mercy)
{
	if (inode->copy)
		return inode->copy;
	struct sim_inode *copy = make_inode(to, inode->directory);
	inode->copy = copy;
	copy->parent = copy;
	if (!inode->directory)
		copy_bytes(sim, copy, inode, mercy);
	for (struct list *node = inode->names.next; node != &inode->names; node = node->next) {
		struct name *name = CONTAINER_OF(node, struct name, link);
		if (name->surviving)
			make_name(copy, name->text)->durable = copy_inode(sim, to, name->surviving, mercy);
	}
	return copy;
}

/* What was not durable and is kept becomes the surviving names; the disk itself stays as it is. */
static void choose_names(struct sim *sim, struct sim_disk *disk, enum mercy mercy)
{
	for (struct list *node = disk->inodes.next; node != &disk->inodes; node = node->next) {
		struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, link);
		inode->copy = NULL;
		for (struct list *at = inode->names.next; at != &inode->names; at = at->next) {
			struct name *name = CONTAINER_OF(at, struct name, link);
			name->surviving = name->durable;
		}
	}
	for (struct list *node = disk->changes.next; node != &disk->changes; node = node->next) {
		const struct change *change = CONTAINER_OF(node, struct change, link);
		if (!is_kept(sim, mercy))
			continue;
		for (size_t i = 0; i < 2; i++) {
			const struct half *half = &change->halves[i];
			if (half->directory)
				make_name(half->directory, half->name)->surviving = half->target;
		}
	}
}

/* The names of a copy are cached as they are durable. */
static void settle_names(struct sim_disk *disk)
{
	for (struct list *node = disk->inodes.next; node != &disk->inodes; node = node->next) {
		struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, link);
		for (struct list *at = inode->names.next; at != &inode->names; at = at->next) {
			struct name *name = CONTAINER_OF(at, struct name, link);
			name->cached = name->durable;
			name->durable->parent = inode;
		}
	}
}

struct sim_disk *sim_disk_survivor(struct sim *sim, struct sim_disk *disk)
{
	enum mercy names = (enum mercy)sim_random(sim, 3), bytes = (enum mercy)sim_random(sim, 3);
	struct sim_disk *survivor = make_disk();
	choose_names(sim, disk, names);
	survivor->root = copy_inode(sim, survivor, disk->root, bytes);
	settle_names(survivor);
	return survivor;
}

/* --- a disk like another --- */

static struct sim_inode *clone_inode(struct sim_disk *to, struct sim_inode *inode)
{
	if (!inode || inode->copy)
		return inode ? inode->copy : NULL;
	struct sim_inode *clone = make_inode(to, inode->directory);
	inode->copy = clone;
	clone->parent = clone_inode(to, inode->parent);
	reserve(clone, inode->capacity);
	if (inode->capacity) {
		memcpy(clone->cached, inode->cached, inode->capacity);
		memcpy(clone->durable, inode->durable, inode->capacity);
		memcpy(clone->dirty, inode->dirty, inode->capacity / SIM_SECTOR_BYTES * sizeof(bool));
	}
	clone->cached_size = inode->cached_size;
	clone->durable_size = inode->durable_size;
	for (struct list *node = inode->names.next; node != &inode->names; node = node->next) {
		const struct name *name = CONTAINER_OF(node, struct name, link);
		struct name *same = make_name(clone, name->text);
		same->cached = clone_inode(to, name->cached);
		same->durable = clone_inode(to, name->durable);
	}
	return clone;
}

static struct half clone_half(struct sim_disk *to, const struct half *half)
{
	if (!half->directory)
		return (struct half){ 0 };
	struct half clone = { clone_inode(to, half->directory), clone_inode(to, half->target), strdup(half->name) };
	ASSERT(clone.name);
	return clone;
}

struct sim_disk *sim_disk_clone(struct sim_disk *disk)
{
	struct sim_disk *clone = make_disk();
	for (struct list *node = disk->inodes.next; node != &disk->inodes; node = node->next)
		CONTAINER_OF(node, struct sim_inode, link)->copy = NULL;
	clone->root = clone_inode(clone, disk->root);
	for (struct list *node = disk->changes.next; node != &disk->changes; node = node->next) {
		const struct change *change = CONTAINER_OF(node, struct change, link);
		note_change(clone, clone_half(clone, &change->halves[0]), clone_half(clone, &change->halves[1]));
	}
	return clone;
}

void sim_disk_evict(struct sim_disk *disk)
{
	for (struct list *node = disk->inodes.next; node != &disk->inodes; node = node->next) {
		struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, link);
		for (size_t at = 0; at < inode->capacity; at += SIM_SECTOR_BYTES)
			if (!inode->dirty[at / SIM_SECTOR_BYTES])
				memcpy(inode->cached + at, inode->durable + at, SIM_SECTOR_BYTES);
	}
}
