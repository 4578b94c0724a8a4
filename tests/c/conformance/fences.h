/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * linux/sync_file.h, the fences of linux/dma-buf.h and the software timelines of debugfs, spelt out.
 */
#ifndef FENCES_H
#define FENCES_H

#include "heaps.h"
#include <poll.h>

struct merge_data {
	char name[32];
	int32_t fd2;
	int32_t fence;
	uint32_t flags;
	uint32_t pad;
};

struct fence_info {
	char obj_name[32];
	char driver_name[32];
	int32_t status;
	uint32_t flags;
	uint64_t timestamp_ns;
};

struct file_info {
	char name[32];
	int32_t status;
	uint32_t flags;
	uint32_t num_fences;
	uint32_t pad;
	uint64_t sync_fence_info;
};

struct create_fence {
	uint32_t value;
	char name[32];
	int32_t fence;
};

struct sync_file_flags {
	uint32_t flags;
	int32_t fd;
};

#define SYNC_MERGE 0xc0303e03u
#define SYNC_FILE_INFO 0xc0383e04u
#define SW_CREATE 0xc0285700u
#define SW_INC 0x40045701u

static UNUSED int open_timeline(void)
{
	int fd = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up("sw_sync");
	return fd;
}

/* The descriptor of a fence that a timeline comes to, or -1. */
static UNUSED int fence_at(int timeline, uint32_t value)
{
	struct create_fence arg = { .value = value, .name = "a fence" };

	return ioctl(timeline, SW_CREATE, &arg) == 0 ? arg.fence : -1;
}

static UNUSED int count_on(int timeline, uint32_t by)
{
	return ioctl(timeline, SW_INC, &by);
}

static UNUSED int merge(const char *name, int one, int other)
{
	struct merge_data arg = { .fd2 = other };

	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	return ioctl(one, SYNC_MERGE, &arg) == 0 ? arg.fence : -1;
}

/* What FILE_INFO says without asking for the fences. */
static UNUSED struct file_info info_of(int fence)
{
	struct file_info info = { .status = -1000 };

	if (ioctl(fence, SYNC_FILE_INFO, &info) != 0)
		info.status = -2000;
	return info;
}

static UNUSED int status_of(int fence)
{
	return info_of(fence).status;
}

/* The fences a buffer's reader (SYNC_READ) or writer (SYNC_WRITE) waits for. */
static UNUSED int export_fence(int buffer, uint32_t flags)
{
	struct sync_file_flags arg = { flags, -7 };

	return ioctl(buffer, BUF_EXPORT_SYNC_FILE, &arg) == 0 ? arg.fd : -1;
}

static UNUSED int import_fence(int buffer, uint32_t flags, int fence)
{
	struct sync_file_flags arg = { flags, fence };

	return ioctl(buffer, BUF_IMPORT_SYNC_FILE, &arg);
}

/* What poll says at once of a descriptor asked for both; -1 where poll fails. */
static UNUSED int ready(int fd)
{
	struct pollfd poll_both = { fd, POLLIN | POLLOUT, 0 };

	return poll(&poll_both, 1, 0) < 0 ? -1 : poll_both.revents;
}

#endif
