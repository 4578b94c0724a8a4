/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Lists the dma-buf heaps and tries each: allocate, map, write, read back, sync, name, look at, close.
 *
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o heaps heaps.c
 * Its output is the same wherever the heaps are: names in order, no addresses, no numbers of descriptors.
 * Exits with 0 when everything worked, 1 when something did not, 2 when there are no heaps to try.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* linux/dma-heap.h and linux/dma-buf.h, spelt out so that no kernel headers are needed. */
struct heap_allocation {
	uint64_t len;
	uint32_t fd;
	uint32_t fd_flags;
	uint64_t heap_flags;
};
#define HEAP_ALLOC _IOWR('H', 0, struct heap_allocation)
#define BUF_SYNC _IOW('b', 0, uint64_t)
#define BUF_SET_NAME _IOW('b', 1, uint64_t)
#define SYNC_RW 3
#define SYNC_END 4

#define DIRECTORY "/dev/dma_heap"
#define LENGTH (64 * 1024)

static int failures;

/* Says what came of a step; one that failed is counted. */
static int step(const char *what, int ok)
{
	if (ok) {
		printf("  %s: ok\n", what);
	} else {
		printf("  %s: %s\n", what, strerror(errno));
		failures++;
	}
	return ok;
}

/* The same for a number that should be zero. */
static void none(const char *what, size_t wrong)
{
	printf("  %s: %zu\n", what, wrong);
	failures += wrong != 0;
}

static int sync_buffer(int buffer, uint64_t flags)
{
	return ioctl(buffer, BUF_SYNC, &flags);
}

static uint32_t pattern(size_t i)
{
	return (uint32_t)i * 2654435761u;
}

/* Writes a pattern over the mapping and reads it back: the number of words that differ. */
static size_t write_and_read(volatile uint32_t *words, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++)
		words[i] = pattern(i);
	for (size_t i = 0; i < count; i++)
		wrong += words[i] != pattern(i);
	return wrong;
}

static size_t not_zero(const volatile uint32_t *words, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++)
		wrong += words[i] != 0;
	return wrong;
}

static void try_mapping(int buffer, size_t length)
{
	uint32_t *words = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	size_t count = length / sizeof(*words);

	if (!step("map", words != MAP_FAILED))
		return;
	step("sync start", sync_buffer(buffer, SYNC_RW) == 0);
	none("words not zero", not_zero(words, count));
	none("words differing after writing", write_and_read(words, count));
	step("sync end", sync_buffer(buffer, SYNC_RW | SYNC_END) == 0);
	step("unmap", munmap(words, length) == 0);
}

/* A second mapping sees what the first wrote: the memory is the buffer's. */
static void look_again(int buffer, size_t length)
{
	const uint32_t *words = mmap(NULL, length, PROT_READ, MAP_SHARED, buffer, 0);
	size_t count = length / sizeof(*words), wrong = 0;

	if (!step("map again", words != MAP_FAILED))
		return;
	for (size_t i = 0; i < count; i++)
		wrong += words[i] != pattern(i);
	none("words differing in the second mapping", wrong);
	step("unmap again", munmap((void *)words, length) == 0);
}

static void try_buffer(int heap, size_t length)
{
	struct heap_allocation arg = { .len = length, .fd_flags = O_RDWR | O_CLOEXEC };
	int buffer;

	printf("  allocate %zu bytes\n", length);
	if (!step("allocate", ioctl(heap, HEAP_ALLOC, &arg) == 0))
		return;
	buffer = (int)arg.fd;
	step("size", lseek(buffer, 0, SEEK_END) == (off_t)length);
	step("close-on-exec", fcntl(buffer, F_GETFD) == FD_CLOEXEC);
	step("name", ioctl(buffer, BUF_SET_NAME, "heaps-example") == 0);
	try_mapping(buffer, length);
	look_again(buffer, length);
	step("close", close(buffer) == 0);
}

static void try_heap(const char *name)
{
	char path[512];
	int heap;

	snprintf(path, sizeof(path), DIRECTORY "/%s", name);
	printf("heap %s\n", name);
	heap = open(path, O_RDWR | O_CLOEXEC);
	if (!step("open", heap >= 0))
		return;
	try_buffer(heap, 4096);
	try_buffer(heap, LENGTH);
	errno = 0;
	struct heap_allocation nothing = { .len = 0 };
	ioctl(heap, HEAP_ALLOC, &nothing);
	printf("  allocate 0 bytes: %s\n", strerror(errno));
	step("close heap", close(heap) == 0);
}

static int is_heap(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int main(void)
{
	struct dirent **entries;
	int count = scandir(DIRECTORY, &entries, is_heap, by_name);

	if (count <= 0) {
		printf("no heaps in " DIRECTORY ": %s\n", count < 0 ? strerror(errno) : "it is empty");
		return 2;
	}
	printf("%d heaps\n", count);
	for (int i = 0; i < count; i++) {
		try_heap(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	printf("%d failures\n", failures);
	return failures != 0;
}
