/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * linux/dma-heap.h, linux/dma-buf.h and linux/udmabuf.h, spelt out so that no kernel headers are needed, and a heap
 * to try.
 */
#ifndef HEAPS_H
#define HEAPS_H

#include "check.h"
#include <sys/ioctl.h>

struct heap_allocation {
	uint64_t len;
	uint32_t fd;
	uint32_t fd_flags;
	uint64_t heap_flags;
};
#define HEAP_ALLOC 0xc0184800u

#define BUF_SYNC 0x40086200u
#define BUF_SET_NAME_A 0x40046201u
#define BUF_SET_NAME_B 0x40086201u
#define BUF_EXPORT_SYNC_FILE 0xc0086202u
#define BUF_IMPORT_SYNC_FILE 0x40086203u
#define SYNC_READ 1
#define SYNC_WRITE 2
#define SYNC_RW 3
#define SYNC_END 4

#define SYSTEM_HEAP "/dev/dma_heap/system"

/* The default contiguous heap has two names: that of 6.1, and the later one. */
static UNUSED int open_cma_heap(void)
{
	int fd = open("/dev/dma_heap/reserved", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = open("/dev/dma_heap/default_cma_region", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		give_up("the contiguous heap");
	return fd;
}

static UNUSED int open_system_heap(void)
{
	int fd = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		give_up(SYSTEM_HEAP);
	return fd;
}

/* A buffer of a heap's: its descriptor, or -1. */
static UNUSED int allocate(int heap, uint64_t len, uint32_t fd_flags)
{
	struct heap_allocation arg = { .len = len, .fd_flags = fd_flags };

	return ioctl(heap, HEAP_ALLOC, &arg) == 0 ? (int)arg.fd : -1;
}

/* The size of a buffer, which is closed; -1 where there is none. */
static UNUSED long size_and_close(int buffer)
{
	long size;

	if (buffer < 0)
		return -1;
	size = lseek(buffer, 0, SEEK_END);
	close(buffer);
	return size;
}

/* What /proc says of a buffer's descriptor. */
static UNUSED FILE *open_fdinfo(int buffer)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer);
	file = fopen(path, "r");
	if (!file)
		give_up(path);
	return file;
}

static UNUSED int sync_buffer(int buffer, uint64_t flags)
{
	return ioctl(buffer, BUF_SYNC, &flags);
}

#endif
