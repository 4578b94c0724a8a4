/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A heap's file: the ALLOC ioctl with every field good and bad, and every other call on it.
 */
#include "heaps.h"
#include <sys/resource.h>

static int heap;

static int alloc_raw(unsigned long command, struct heap_allocation *arg)
{
	int result = ioctl(heap, command, arg);

	if (result == 0 && arg->fd > 2)
		close((int)arg->fd);
	return result;
}

static long size_of(uint64_t len)
{
	return size_and_close(allocate(heap, len, O_RDWR | O_CLOEXEC));
}

/* Lengths that fit, and ones that overflow when rounded up. What does not fit memory has Linux kill somebody. */
static void lengths(void)
{
	check("length 0", size_of(0));
	check("length 1", size_of(1));
	check("length 4095", size_of(4095));
	check("length 4096", size_of(4096));
	check("length 4097", size_of(4097));
	check("length 65536", size_of(65536));
	check("length 1048577", size_of(1048577));
	check("length 2^64-1", size_of(~0ull));
	check("length 2^64-4095", size_of(~0ull - 4094));
}

static void fields(void)
{
	struct heap_allocation arg;
	char name[64];

	arg = (struct heap_allocation){ .len = 4096, .fd = 1 };
	check("fd 1 on input", alloc_raw(HEAP_ALLOC, &arg));
	check("fd stays after a refusal", arg.fd);
	arg = (struct heap_allocation){ .len = 4096, .fd = ~0u };
	check("fd -1 on input", alloc_raw(HEAP_ALLOC, &arg));
	for (int bit = 0; bit < 32; bit++) {
		arg = (struct heap_allocation){ .len = 4096, .fd_flags = 1u << bit };
		snprintf(name, sizeof(name), "fd_flags bit %d", bit);
		check(name, alloc_raw(HEAP_ALLOC, &arg));
	}
	arg = (struct heap_allocation){ .len = 4096, .fd_flags = O_ACCMODE };
	check("fd_flags O_ACCMODE", alloc_raw(HEAP_ALLOC, &arg));
	arg = (struct heap_allocation){ .len = 4096, .fd_flags = O_ACCMODE | O_CLOEXEC };
	check("fd_flags O_ACCMODE and O_CLOEXEC", alloc_raw(HEAP_ALLOC, &arg));
	for (int bit = 0; bit < 64; bit += 9) {
		arg = (struct heap_allocation){ .len = 4096, .heap_flags = 1ull << bit };
		snprintf(name, sizeof(name), "heap_flags bit %d", bit);
		check(name, alloc_raw(HEAP_ALLOC, &arg));
	}
	arg = (struct heap_allocation){ .len = 4096, .fd = 1, .fd_flags = ~0u, .heap_flags = ~0ull };
	check("everything wrong", alloc_raw(HEAP_ALLOC, &arg));
	check_true("everything stays after a refusal",
		   arg.len == 4096 && arg.fd == 1 && arg.fd_flags == ~0u && arg.heap_flags == ~0ull);
	arg = (struct heap_allocation){ .len = 5000, .fd_flags = O_RDWR };
	check("a good one", alloc_raw(HEAP_ALLOC, &arg));
	check("len afterwards", (long)arg.len);
	check("fd_flags afterwards", arg.fd_flags);
	check("heap_flags afterwards", (long)arg.heap_flags);
}

#define DIR_NONE 0u
#define DIR_WRITE 1u
#define DIR_READ 2u

static unsigned long command(unsigned int dir, unsigned int type, unsigned int nr, unsigned int size)
{
	return dir << 30 | size << 16 | type << 8 | nr;
}

static void commands(void)
{
	static const struct {
		const char *name;
		unsigned int dir, type, nr, size;
	} tries[] = {
		{ "number 1", 3, 'H', 1, 24 },
		{ "number 255", 3, 'H', 255, 24 },
		{ "type I", 3, 'I', 0, 24 },
		{ "type 0", 3, 0, 0, 24 },
		{ "direction none", DIR_NONE, 'H', 0, 24 },
		{ "direction write", DIR_WRITE, 'H', 0, 24 },
		{ "direction read", DIR_READ, 'H', 0, 24 },
		{ "size 0", 3, 'H', 0, 0 },
		{ "size 4", 3, 'H', 0, 4 },
		{ "size 8", 3, 'H', 0, 8 },
		{ "size 12", 3, 'H', 0, 12 },
		{ "size 16", 3, 'H', 0, 16 },
		{ "size 20", 3, 'H', 0, 20 },
		{ "size 23", 3, 'H', 0, 23 },
		{ "size 25", 3, 'H', 0, 25 },
		{ "size 32", 3, 'H', 0, 32 },
		{ "size 128", 3, 'H', 0, 128 },
		{ "size 129", 3, 'H', 0, 129 },
		{ "size 4096", 3, 'H', 0, 4096 },
		{ "size 16383", 3, 'H', 0, 16383 },
	};
	static union {
		struct heap_allocation arg;
		char bytes[16384];
	} wide;
	char name[64];

	for (size_t i = 0; i < COUNT(tries); i++) {
		unsigned long made = command(tries[i].dir, tries[i].type, tries[i].nr, tries[i].size);
		int result, lowest, next;

		memset(&wide, 0, sizeof(wide));
		wide.arg = (struct heap_allocation){ .len = 4096, .fd_flags = O_RDWR };
		lowest = lowest_free();
		result = ioctl(heap, made, &wide);
		check(tries[i].name, result);
		next = lowest_free();
		snprintf(name, sizeof(name), "%s, fd written back", tries[i].name);
		check_true(name, wide.arg.fd != 0);
		snprintf(name, sizeof(name), "%s, descriptor taken", tries[i].name);
		check_true(name, next != lowest);
		close_range(4, ~0u, 0);
	}
	memset(&wide, 0xff, sizeof(wide));
	wide.arg = (struct heap_allocation){ .len = 4096, .fd_flags = O_RDWR };
	check("a longer structure's tail of ones", alloc_raw(command(3, 'H', 0, 64), &wide.arg));
	memset(&wide, 0xff, sizeof(wide));
	wide.arg = (struct heap_allocation){ .len = 4096, .fd_flags = O_RDWR, .heap_flags = 1 };
	check("flags beyond a shorter structure", alloc_raw(command(3, 'H', 0, 16), &wide.arg));
	check("TCGETS", ioctl(heap, 0x5401, &wide));
	check("FIONBIO", ioctl(heap, FIONBIO, &(int){ 1 }));
	check("FIONBIO sets O_NONBLOCK", !!(fcntl(heap, F_GETFL) & O_NONBLOCK));
	ioctl(heap, FIONBIO, &(int){ 0 });
	check("FIOASYNC", ioctl(heap, FIOASYNC, &(int){ 1 }));
	check("FIOCLEX", ioctl(heap, FIOCLEX));
	check("FIONCLEX", ioctl(heap, FIONCLEX));
	check("FD_CLOEXEC after FIONCLEX", fcntl(heap, F_GETFD));
	check("FIOQSIZE", ioctl(heap, FIOQSIZE, &wide));
	check("FIONREAD", ioctl(heap, FIONREAD, &wide));
}

static void pointers(void)
{
	char *pages = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct heap_allocation good = { .len = 4096, .fd_flags = O_RDWR }, *arg;
	int lowest = lowest_free();

	check("a null pointer", ioctl(heap, HEAP_ALLOC, NULL));
	check("a bad pointer", ioctl(heap, HEAP_ALLOC, BAD_ADDRESS));
	check("a kernel pointer", ioctl(heap, HEAP_ALLOC, KERNEL_ADDRESS));
	check("the last address", ioctl(heap, HEAP_ALLOC, (void *)-8l));
	munmap(pages + 2 * PAGE, PAGE);
	for (size_t inside = 0; inside <= sizeof(good); inside += 4) {
		char name[64];

		memcpy(pages + 2 * PAGE - inside, &good, inside);
		snprintf(name, sizeof(name), "%zu bytes before an unmapped page", inside);
		check(name, ioctl(heap, HEAP_ALLOC, pages + 2 * PAGE - inside));
		snprintf(name, sizeof(name), "%zu bytes before an unmapped page, descriptors left", inside);
		check(name, lowest_free() - lowest);
		close_range((unsigned int)lowest, ~0u, 0);
	}
	arg = (struct heap_allocation *)pages;
	*arg = good;
	mprotect(pages, PAGE, PROT_READ);
	check("read-only memory", ioctl(heap, HEAP_ALLOC, arg));
	check("read-only memory, descriptors left", lowest_free() - lowest);
	mprotect(pages, PAGE, PROT_NONE);
	check("inaccessible memory", ioctl(heap, HEAP_ALLOC, arg));
	mprotect(pages, PAGE, PROT_READ | PROT_WRITE);
	check("unaligned", ioctl(heap, HEAP_ALLOC, memcpy(pages + 1, &good, sizeof(good))));
	close_range((unsigned int)lowest, ~0u, 0);
	/* Crossing pages, the second writable alone. */
	arg = (struct heap_allocation *)(pages + PAGE - 8);
	*arg = good;
	mprotect(pages, PAGE, PROT_READ);
	check("fd on a writable page, len on a read-only one", ioctl(heap, HEAP_ALLOC, arg));
	check("fd on a writable page, descriptors left", lowest_free() - lowest);
	munmap(pages, 2 * PAGE);
}

static void full_table(void)
{
	struct rlimit before, few;
	int last = -1, fd;

	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 16, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	while ((fd = dup(0)) >= 0)
		last = fd;
	check("the last descriptor", last);
	check("allocating with a full table", allocate(heap, 4096, O_RDWR));
	check("bad flags with a full table", allocate(heap, 4096, O_CREAT));
	close(last);
	check("allocating with one place left", allocate(heap, 4096, O_RDWR));
	check("and then again", allocate(heap, 4096, O_RDWR));
	close_range(4, ~0u, 0);
	setrlimit(RLIMIT_NOFILE, &before);
}

static void other_calls(void)
{
	struct stat stat;
	char byte = 0;

	check("lseek SEEK_SET", lseek(heap, 0, SEEK_SET));
	check("lseek SEEK_CUR", lseek(heap, 0, SEEK_CUR));
	check("lseek SEEK_END", lseek(heap, 0, SEEK_END));
	check("lseek whence 9", lseek(heap, 0, 9));
	check("read", read(heap, &byte, 1));
	check("read nothing", read(heap, &byte, 0));
	check("write", write(heap, &byte, 1));
	check("write nothing", write(heap, &byte, 0));
	check("pread", pread(heap, &byte, 1, 0));
	check("pwrite", pwrite(heap, &byte, 1, 0));
	check("pread at -1", pread(heap, &byte, 1, -1));
	check_map("mmap shared", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, heap, 0));
	check_map("mmap private", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, heap, 0));
	check("ftruncate", ftruncate(heap, 0));
	check("fsync", fsync(heap));
	check("fallocate", fallocate(heap, 0, 0, 4096));
	check("fchdir", fchdir(heap));
	check("fstat", fstat(heap, &stat));
	check_true("a character device", S_ISCHR(stat.st_mode));
	check("its size", stat.st_size);
	check("its permissions", stat.st_mode & 0777);
	check("its links", (long)stat.st_nlink);
	check("its owner", stat.st_uid);
	check("its block size", stat.st_blksize);
	check("its blocks", stat.st_blocks);
	check("getdents64", syscall(SYS_getdents64, heap, &stat, sizeof(stat)));
}

static void modes(void)
{
	static const struct {
		const char *name;
		int flags;
	} tries[] = {
		{ "O_RDONLY", O_RDONLY },
		{ "O_WRONLY", O_WRONLY },
		{ "O_RDWR", O_RDWR },
		{ "O_ACCMODE", O_ACCMODE },
		{ "O_NONBLOCK", O_RDWR | O_NONBLOCK },
		{ "O_APPEND", O_RDWR | O_APPEND },
		{ "O_TRUNC", O_RDWR | O_TRUNC },
		{ "O_CREAT", O_RDWR | O_CREAT },
		{ "O_CREAT and O_EXCL", O_RDWR | O_CREAT | O_EXCL },
		{ "O_DIRECTORY", O_RDONLY | O_DIRECTORY },
		{ "O_NOFOLLOW", O_RDWR | O_NOFOLLOW },
		{ "O_PATH", O_PATH },
		{ "O_DIRECT", O_RDWR | O_DIRECT },
		{ "O_TMPFILE", O_RDWR | O_TMPFILE },
	};
	char name[64];

	for (size_t i = 0; i < COUNT(tries); i++) {
		struct heap_allocation arg = { .len = 4096, .fd_flags = O_RDWR };
		int fd = open(SYSTEM_HEAP, tries[i].flags, 0600);

		snprintf(name, sizeof(name), "open %s", tries[i].name);
		check_ok(name, fd);
		if (fd < 0)
			continue;
		snprintf(name, sizeof(name), "allocating through %s", tries[i].name);
		check(name, ioctl(fd, HEAP_ALLOC, &arg));
		close_range(4, ~0u, 0);
	}
	check_ok("open below the node", open(SYSTEM_HEAP "/x", O_RDWR));
	check_ok("open a heap that is not there", open("/dev/dma_heap/none", O_RDWR));
	check_ok("open the directory for writing", open("/dev/dma_heap", O_RDWR));
	check_ok("open the directory", open("/dev/dma_heap", O_RDONLY | O_DIRECTORY));
	close_range(4, ~0u, 0);
}

int main(void)
{
	begin();
	heap = open_system_heap();
	lengths();
	fields();
	commands();
	pointers();
	full_table();
	other_calls();
	modes();
	close(heap);
	check("allocating after close", allocate(heap, 4096, O_RDWR));
	return finish();
}
