/* Operations on simulated files: each is a job that begins at some time, has its effect on what is cached, and ends some
 * time later, when what it syncs becomes durable; see sim_parts.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_parts.h"

/* One in so many operations fails. */
enum { NO_SPACE_ONE_IN = 40 };

struct job {
	struct sim_event event;
	struct list link;
	struct loop_op *op;
	bool begun;
	bool cancelled;
	int32_t result;
	struct sim_sync *sync; /* takes effect at the end */
	bool sync_fails;
};

/* --- faults --- */

void sim_set_disk_bytes(struct sim *sim, uint64_t disk_bytes)
{
	sim->disk_bytes = disk_bytes;
}

uint64_t sim_used_bytes(const struct sim *sim)
{
	return sim_disk_used_bytes(sim->disk);
}

void sim_set_disk_slowness(struct sim *sim, uint64_t slowness)
{
	sim->disk_slowness = slowness;
}

void sim_set_disk_error_rate(struct sim *sim, uint64_t one_in)
{
	sim->error_one_in = one_in;
}

static bool is_broken(struct sim *sim, const struct job *job)
{
	if (sim->fail_next == job->op->kind && !sim->survivor) {
		sim->fail_next = LOOP_IDLE;
		return true;
	}
	return sim_chance(sim, SIM_DISK_ERROR, sim->error_one_in);
}

static uint64_t free_bytes(struct sim *sim)
{
	if (!sim->disk_bytes || sim->survivor)
		return UINT64_MAX;
	uint64_t used = sim_disk_used_bytes(sim->disk);
	return used < sim->disk_bytes ? sim->disk_bytes - used : 0;
}

static bool is_full(struct sim *sim, uint64_t more)
{
	return more && (free_bytes(sim) < more || sim_chance(sim, SIM_DISK_FULL, NO_SPACE_ONE_IN));
}

/* --- the operations: each has its effect and answers its result --- */

static struct sim_inode *directory_of(struct sim *sim, const struct loop_op *op)
{
	struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
	return descriptor ? descriptor->inode : NULL;
}

static bool is_aligned(const struct sim_descriptor *descriptor, const struct loop_op *op)
{
	uint64_t all = op->offset;
	for (unsigned i = 0; i < op->detail; i++)
		all |= (uintptr_t)op->parts[i].iov_base | op->parts[i].iov_len;
	return !descriptor->direct || all % SIM_BLOCK_BYTES == 0;
}

static int32_t do_read(struct sim *sim, struct job *job)
{
	struct loop_op *op = job->op;
	struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
	if (!descriptor || !descriptor->inode || !descriptor->readable)
		return -EBADF;
	if (!is_aligned(descriptor, op))
		return -EINVAL;
	if (sim_inode_is_directory(descriptor->inode))
		return -EISDIR;
	if (is_broken(sim, job))
		return -EIO;
	struct slice bytes = sim_inode_bytes(descriptor->inode);
	bytes = slice_skip(bytes, op->offset < bytes.size ? op->offset : bytes.size);
	if (bytes.size > 1 && sim_chance(sim, SIM_SHORT_IO, 4))
		bytes.size = 1 + sim_random(sim, bytes.size);
	int32_t got = 0;
	for (unsigned i = 0; i < op->detail && bytes.size; i++) {
		size_t size = op->parts[i].iov_len < bytes.size ? op->parts[i].iov_len : bytes.size;
		if (size)
			memcpy(op->parts[i].iov_base, bytes.data, size);
		bytes = slice_skip(bytes, size);
		got += (int32_t)size;
	}
	return got;
}

/* The first `most` bytes of the parts. */
static void write_parts(struct sim_inode *inode, const struct loop_op *op, size_t most)
{
	uint64_t offset = op->offset;
	for (unsigned i = 0; i < op->detail && most; i++) {
		size_t size = op->parts[i].iov_len < most ? op->parts[i].iov_len : most;
		sim_inode_write(inode, offset, slice_of(op->parts[i].iov_base, size));
		offset += size;
		most -= size;
	}
}

static size_t size_of_parts(const struct loop_op *op)
{
	size_t size = 0;
	for (unsigned i = 0; i < op->detail; i++)
		size += op->parts[i].iov_len;
	return size;
}

static int32_t do_write(struct sim *sim, struct job *job)
{
	struct loop_op *op = job->op;
	struct sim_descriptor *descriptor = sim_descriptor(sim, op->fd);
	if (!descriptor || !descriptor->inode || !descriptor->writable)
		return -EBADF;
	if (!is_aligned(descriptor, op))
		return -EINVAL;
	struct sim_inode *inode = descriptor->inode;
	size_t size = size_of_parts(op);
	uint64_t end = op->offset + size, old_end = sim_inode_size(inode);
	uint64_t grows = end > old_end ? end - old_end : 0;
	if (is_full(sim, grows)) {
		uint64_t space = free_bytes(sim);
		if (grows <= space || size <= grows - space)
			return -ENOSPC;
		size -= grows - space;
	}
	bool durable = op->option & LOOP_WRITE_DURABLE && size;
	bool fails = is_broken(sim, job);
	/* The writing fails, or what makes it durable. */
	job->sync_fails = fails && durable && sim_random(sim, 2);
	if (size > 1 && !job->sync_fails && (fails || sim_chance(sim, SIM_SHORT_IO, 4)))
		size = 1 + sim_random(sim, size);
	write_parts(inode, op, size);
	if (durable && (!fails || job->sync_fails))
		job->sync = sim_sync_begin(sim->disk, inode, op->offset, size);
	return fails ? -EIO : (int32_t)size;
}

static int32_t do_sync(struct sim *sim, struct job *job)
{
	struct sim_descriptor *descriptor = sim_descriptor(sim, job->op->fd);
	if (!descriptor || !descriptor->inode)
		return -EBADF;
	job->sync = sim_sync_begin(sim->disk, descriptor->inode, 0, UINT64_MAX);
	job->sync_fails = is_broken(sim, job);
	return job->sync_fails ? -EIO : 0;
}

/* 0, or why the path can't be opened so; `inode` is what it is, or NULL for something that has to be made. */
static int32_t check_open(struct sim_inode *inode, unsigned flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	if (!inode)
		return flags & O_CREAT ? 0 : -ENOENT;
	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY && !sim_inode_is_directory(inode))
		return -ENOTDIR;
	return writes && sim_inode_is_directory(inode) ? -EISDIR : 0;
}

static int32_t do_open(struct sim *sim, struct job *job)
{
	struct loop_op *op = job->op;
	unsigned flags = op->option;
	const char *name;
	struct sim_inode *parent = sim_disk_parent(sim->disk, directory_of(sim, op), op->path, &name);
	struct sim_inode *inode = parent ? sim_disk_lookup(parent, name) : NULL;
	int32_t status = parent ? check_open(inode, flags) : -ENOENT;
	if (status == 0 && !inode && is_full(sim, 1))
		status = -ENOSPC;
	if (status < 0)
		return status;
	if (sim->exhausted)
		return -EMFILE;
	if (!inode)
		inode = sim_disk_make(sim->disk, parent, name, false);
	else if (flags & O_TRUNC)
		sim_inode_resize(inode, 0);
	unsigned access = flags & O_ACCMODE;
	return sim_new_descriptor(sim, (struct sim_descriptor){ .inode = inode,
								.readable = access != O_WRONLY,
								.writable = access != O_RDONLY,
								.direct = (flags & O_DIRECT) != 0 });
}

static int32_t do_rename(struct sim *sim, struct job *job)
{
	struct loop_op *op = job->op;
	const char *name, *new_name;
	struct sim_inode *from = sim_disk_parent(sim->disk, directory_of(sim, op), op->path, &name);
	struct sim_inode *to = sim_disk_parent(sim->disk, directory_of(sim, op), op->new_path, &new_name);
	struct sim_inode *moved = from ? sim_disk_lookup(from, name) : NULL;
	if (!moved || !to)
		return -ENOENT;
	struct sim_inode *replaced = sim_disk_lookup(to, new_name);
	if (replaced && sim_inode_is_directory(replaced) != sim_inode_is_directory(moved))
		return sim_inode_is_directory(replaced) ? -EISDIR : -ENOTDIR;
	if (replaced != moved)
		sim_disk_rename(sim->disk, from, name, to, new_name);
	return 0;
}

static int32_t do_unlink(struct sim *sim, struct job *job)
{
	const char *name;
	struct sim_inode *parent = sim_disk_parent(sim->disk, directory_of(sim, job->op), job->op->path, &name);
	struct sim_inode *inode = parent ? sim_disk_lookup(parent, name) : NULL;
	if (!inode)
		return -ENOENT;
	if (sim_inode_is_directory(inode))
		return -EISDIR;
	sim_disk_remove(sim->disk, parent, name);
	return 0;
}

static int32_t do_make_directory(struct sim *sim, struct job *job)
{
	const char *name;
	struct sim_inode *parent = sim_disk_parent(sim->disk, directory_of(sim, job->op), job->op->path, &name);
	if (!parent)
		return -ENOENT;
	if (sim_disk_lookup(parent, name))
		return -EEXIST;
	if (is_full(sim, 1))
		return -ENOSPC;
	sim_disk_make(sim->disk, parent, name, true);
	return 0;
}

static int32_t do_allocate(struct sim *sim, struct job *job)
{
	struct sim_descriptor *descriptor = sim_descriptor(sim, job->op->fd);
	if (!descriptor || !descriptor->inode || !descriptor->writable)
		return -EBADF;
	size_t size = sim_inode_size(descriptor->inode);
	if (job->op->length <= size)
		return 0;
	if (is_full(sim, job->op->length - size))
		return -ENOSPC;
	sim_inode_resize(descriptor->inode, job->op->length);
	return 0;
}

struct operation {
	int32_t (*effect)(struct sim *sim, struct job *job);
	bool changes; /* the disk */
};

static const struct operation operations[] = {
	[LOOP_READ] = { do_read, false },
	[LOOP_WRITE] = { do_write, true },
	[LOOP_SYNC] = { do_sync, true },
	[LOOP_OPEN] = { do_open, true },
	[LOOP_RENAME] = { do_rename, true },
	[LOOP_UNLINK] = { do_unlink, true },
	[LOOP_MAKE_DIRECTORY] = { do_make_directory, true },
	[LOOP_ALLOCATE] = { do_allocate, true },
};

/* --- jobs --- */

/* A ghost's disk is as fast as any. */
static uint64_t disk_delay_ns(struct sim *sim)
{
	return sim_delay_ns(sim) * (sim->survivor ? 1 : sim->disk_slowness);
}

static void end(struct sim *sim, struct sim_event *event)
{
	struct job *job = CONTAINER_OF(event, struct job, event);
	if (job->sync) {
		sim_sync_end(sim, job->sync, job->sync_fails);
		sim_count_change(sim);
	}
	sim_settle(sim, job->op, job->result);
	list_remove(&job->link);
	free(job);
}

static void begin(struct sim *sim, struct sim_event *event)
{
	struct job *job = CONTAINER_OF(event, struct job, event);
	if (job->cancelled) {
		free(job);
		return;
	}
	const struct operation *operation = &operations[job->op->kind];
	job->begun = true;
	job->result = operation->effect(sim, job);
	if (operation->changes)
		sim_count_change(sim);
	sim_plan(sim, &job->event, sim->now.monotonic_ns + disk_delay_ns(sim), end);
}

void sim_file_start(struct sim *sim, struct loop_op *op)
{
	struct job *job = sim_allocate(sizeof *job);
	job->op = op;
	list_append(&sim->jobs, &job->link);
	sim_plan(sim, &job->event, sim->now.monotonic_ns + disk_delay_ns(sim), begin);
}

void sim_file_cancel(struct sim *sim, struct loop_op *op)
{
	for (struct list *node = sim->jobs.next; node != &sim->jobs; node = node->next) {
		struct job *job = CONTAINER_OF(node, struct job, link);
		if (job->op != op || job->begun)
			continue;
		job->cancelled = true;
		list_remove(&job->link);
		sim_settle(sim, op, -ECANCELED);
		return;
	}
}
