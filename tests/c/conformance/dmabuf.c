/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A buffer's file: size by seeking, mapping, the ioctls, what /proc says of it, and every other call. All of it for a
 * buffer of the system heap; then what may differ in one of the contiguous heap.
 */
#include "heaps.h"
#include <poll.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#define SIZE (4 * PAGE)

static int heap, buffer;

static void seeking(void)
{
	check("SEEK_END 0", lseek(buffer, 0, SEEK_END));
	check("SEEK_SET 0", lseek(buffer, 0, SEEK_SET));
	check("SEEK_CUR 0", lseek(buffer, 0, SEEK_CUR));
	check("SEEK_SET 1", lseek(buffer, 1, SEEK_SET));
	check("SEEK_SET -1", lseek(buffer, -1, SEEK_SET));
	check("SEEK_END -1", lseek(buffer, -1, SEEK_END));
	check("SEEK_END 1", lseek(buffer, 1, SEEK_END));
	check("SEEK_DATA 0", lseek(buffer, 0, SEEK_DATA));
	check("SEEK_HOLE 0", lseek(buffer, 0, SEEK_HOLE));
	check("whence 5", lseek(buffer, 0, 5));
	check("whence 2^31", syscall(SYS_lseek, buffer, 0l, 1u << 31));
}

static void *map(size_t length, int protection, int flags, int fd, off_t offset)
{
	void *at = mmap(NULL, length, protection, flags, fd, offset);

	if (at != MAP_FAILED)
		munmap(at, length);
	return at;
}

static void mapping(void)
{
	int read_only = allocate(heap, SIZE, O_RDONLY), write_only = allocate(heap, SIZE, O_WRONLY);

	check_map("all of it", map(SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0));
	check_map("its last page", map(PAGE, PROT_READ, MAP_SHARED, buffer, 3 * PAGE));
	check_map("one byte", map(1, PROT_READ, MAP_SHARED, buffer, 0));
	check_map("one byte past the end", map(SIZE + 1, PROT_READ, MAP_SHARED, buffer, 0));
	check_map("one page past the end", map(SIZE, PROT_READ, MAP_SHARED, buffer, PAGE));
	check_map("beginning at the end", map(PAGE, PROT_READ, MAP_SHARED, buffer, SIZE));
	check_map("beginning past the end", map(PAGE, PROT_READ, MAP_SHARED, buffer, 2 * SIZE));
	check_map("an offset of -4096", map(PAGE, PROT_READ, MAP_SHARED, buffer, -4096));
	check_map("an offset within a page", map(PAGE, PROT_READ, MAP_SHARED, buffer, 512));
	check_map("nothing", map(0, PROT_READ, MAP_SHARED, buffer, 0));
	check_map("privately for reading", map(SIZE, PROT_READ, MAP_PRIVATE, buffer, 0));
	check_map("privately for writing", map(SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, buffer, 0));
	check_map("inaccessible", map(SIZE, PROT_NONE, MAP_SHARED, buffer, 0));
	check_map("for execution", map(SIZE, PROT_READ | PROT_EXEC, MAP_SHARED, buffer, 0));
	check_map("MAP_SHARED_VALIDATE", map(SIZE, PROT_READ, MAP_SHARED_VALIDATE, buffer, 0));
	check_map("MAP_SHARED_VALIDATE and MAP_SYNC", map(SIZE, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC, buffer, 0));
	check_map("MAP_POPULATE", map(SIZE, PROT_READ, MAP_SHARED | MAP_POPULATE, buffer, 0));
	check_map("neither shared nor private", map(SIZE, PROT_READ, 0, buffer, 0));
	check_map("read-only, for reading", map(SIZE, PROT_READ, MAP_SHARED, read_only, 0));
	check_map("read-only, for writing", map(SIZE, PROT_WRITE, MAP_SHARED, read_only, 0));
	check_map("read-only, privately for writing", map(SIZE, PROT_WRITE, MAP_PRIVATE, read_only, 0));
	check_map("write-only, for reading", map(SIZE, PROT_READ, MAP_SHARED, write_only, 0));
	check_map("write-only, for writing", map(SIZE, PROT_WRITE, MAP_SHARED, write_only, 0));
	check("read-only, F_GETFL", fcntl(read_only, F_GETFL) & O_ACCMODE);
	check("write-only, F_GETFL", fcntl(write_only, F_GETFL) & O_ACCMODE);
	check("both, F_GETFL", fcntl(buffer, F_GETFL) & O_ACCMODE);
	close(read_only);
	close(write_only);
}

/* How many bytes are not zero of buffers that follow each other, each written to all over before it is given back. */
static long bytes_left_over(int from)
{
	static const size_t lengths[] = { 4ul << 20, 3 * PAGE, 17 * PAGE, PAGE };
	long nonzero = 0;

	for (int i = 0; i < 64; i++) {
		size_t length = lengths[i % COUNT(lengths)];
		int one = allocate(from, length, O_RDWR | O_CLOEXEC);
		char *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, one, 0);

		if (at == MAP_FAILED)
			give_up("a buffer that follows another");
		for (size_t byte = 0; byte < length; byte++)
			nonzero += at[byte] != 0;
		memset(at, 0xa5, length);
		munmap(at, length);
		close(one);
	}
	return nonzero;
}

static void mapped(void)
{
	char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	char *again = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, buffer, PAGE);
	int read_only = allocate(heap, SIZE, O_RDONLY), other = allocate(heap, SIZE, O_RDWR);
	char *reading = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, read_only, 0);
	unsigned char residency[4];
	size_t nonzero = 0;

	for (size_t i = 0; i < SIZE; i++)
		nonzero += at[i] != 0;
	check("bytes that are not zero", (long)nonzero);
	check("bytes that another buffer left", bytes_left_over(heap));
	at[PAGE] = 7;
	check("seen through another mapping", again[0]);
	check("mprotect to read-only", mprotect(at, PAGE, PROT_READ));
	check("mprotect back", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	check("mprotect of a read-only buffer's", mprotect(reading, SIZE, PROT_READ | PROT_WRITE));
	check("mprotect to execution", mprotect(at, PAGE, PROT_READ | PROT_EXEC));
	mprotect(at, PAGE, PROT_READ | PROT_WRITE);
	check("madvise MADV_NORMAL", madvise(at, SIZE, MADV_NORMAL));
	check("madvise MADV_DONTNEED", madvise(at, SIZE, MADV_DONTNEED));
	check("madvise MADV_FREE", madvise(at, SIZE, MADV_FREE));
	check("madvise MADV_REMOVE", madvise(at, SIZE, MADV_REMOVE));
	check("madvise MADV_DONTFORK", madvise(at, PAGE, MADV_DONTFORK));
	check("madvise MADV_DOFORK", madvise(at, PAGE, MADV_DOFORK));
	check("madvise MADV_WILLNEED", madvise(at, SIZE, MADV_WILLNEED));
	check("madvise MADV_POPULATE_READ", madvise(at, SIZE, MADV_POPULATE_READ));
	check("msync", msync(at, SIZE, MS_SYNC));
	check("mincore", mincore(at, SIZE, residency));
	check_ok("mlock", mlock(at, SIZE));
	check_map("mremap, larger", mremap(at, SIZE, 2 * SIZE, MREMAP_MAYMOVE));
	check_map("mremap, from nothing", mremap(at, 0, SIZE, MREMAP_MAYMOVE));
	check("unmapping the middle", munmap(at + PAGE, PAGE));
	check("the rest is there", at[2 * PAGE]);
	close(other);
	close(read_only);
	check("a mapping keeps the buffer", reading[0]);
	munmap(at, SIZE);
	munmap(again, PAGE);
	munmap(reading, SIZE);
}

static void syncing(void)
{
	char name[64];
	uint64_t flags;

	for (int bits = 0; bits < 16; bits++) {
		snprintf(name, sizeof(name), "SYNC %d", bits);
		check(name, sync_buffer(buffer, bits));
	}
	for (int bit = 4; bit < 64; bit += 10) {
		snprintf(name, sizeof(name), "SYNC bit %d", bit);
		check(name, sync_buffer(buffer, SYNC_RW | 1ull << bit));
	}
	check("SYNC end without a start", sync_buffer(buffer, SYNC_RW | SYNC_END));
	check("SYNC null", ioctl(buffer, BUF_SYNC, NULL));
	check("SYNC bad pointer", ioctl(buffer, BUF_SYNC, BAD_ADDRESS));
	check("SYNC kernel pointer", ioctl(buffer, BUF_SYNC, KERNEL_ADDRESS));
	flags = SYNC_RW;
	check("SYNC as read", ioctl(buffer, 0x80086200u, &flags));
	check("SYNC as read and write", ioctl(buffer, 0xc0086200u, &flags));
	check("SYNC of 4 bytes", ioctl(buffer, 0x40046200u, &flags));
	check("SYNC of 16 bytes", ioctl(buffer, 0x40106200u, &flags));
}

static void link_text(const char *name)
{
	char path[64], text[128];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", buffer);
	length = readlink(path, text, sizeof(text) - 1);
	text[length < 0 ? 0 : length] = '\0';
	check_text(name, "%s", text);
}

static void naming(void)
{
	static char long_name[64];

	link_text("link without a name");
	check("SET_NAME", ioctl(buffer, BUF_SET_NAME_B, "first"));
	link_text("link with a name");
	check("SET_NAME, the 32-bit form", ioctl(buffer, BUF_SET_NAME_A, "second"));
	link_text("link with another name");
	memset(long_name, 'x', 31);
	check("SET_NAME, 31 bytes", ioctl(buffer, BUF_SET_NAME_B, long_name));
	link_text("link with 31 bytes");
	memset(long_name, 'y', 32);
	check("SET_NAME, 32 bytes", ioctl(buffer, BUF_SET_NAME_B, long_name));
	link_text("link after 32 bytes");
	check("SET_NAME, empty", ioctl(buffer, BUF_SET_NAME_B, ""));
	link_text("link with an empty name");
	check("SET_NAME, null", ioctl(buffer, BUF_SET_NAME_B, NULL));
	check("SET_NAME, bad pointer", ioctl(buffer, BUF_SET_NAME_B, BAD_ADDRESS));
	check("SET_NAME of 12 bytes", ioctl(buffer, 0x400c6201u, "x"));
	check("SET_NAME as read", ioctl(buffer, 0x80086201u, "x"));
	check("SET_NAME, a slash", ioctl(buffer, BUF_SET_NAME_B, "a/b c"));
	link_text("link with a slash");
	check("SET_NAME, back", ioctl(buffer, BUF_SET_NAME_B, "plain"));
}

static void commands(void)
{
	static char argument[256];
	static const unsigned long numbers[] = { 0, 4, 5, 0x10, 0xff };
	char name[64];

	for (size_t i = 0; i < COUNT(numbers); i++) {
		snprintf(name, sizeof(name), "ioctl b %lu", numbers[i]);
		check(name, ioctl(buffer, 0x40086200u + 6 + numbers[i], argument));
	}
	check("ioctl of a heap", ioctl(buffer, HEAP_ALLOC, argument));
	check("ioctl TCGETS", ioctl(buffer, 0x5401, argument));
	check("ioctl FIONREAD", ioctl(buffer, FIONREAD, argument));
	check("ioctl FIONBIO", ioctl(buffer, FIONBIO, &(int){ 0 }));
	check("ioctl FIOCLEX", ioctl(buffer, FIOCLEX));
	check("ioctl FIOQSIZE", ioctl(buffer, FIOQSIZE, argument));
}

/* The lines of fdinfo, their numbers left out where they depend on what ran before. */
static void information(void)
{
	char line[128], name[160];
	FILE *file = open_fdinfo(buffer);

	while (fgets(line, sizeof(line), file)) {
		char *value = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (value)
			*value++ = '\0';
		snprintf(name, sizeof(name), "fdinfo %s", strtok(line, ":"));
		if (strstr(name, "ino") || strstr(name, "mnt_id"))
			check_true(name, value && strtol(value, NULL, 10) > 0);
		else
			check_text(name, "%s", value ?: "");
	}
	fclose(file);
}

static void counted(const char *name)
{
	char line[128];
	FILE *file = open_fdinfo(buffer);

	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "count:", 6) == 0)
			check(name, strtol(line + 7, NULL, 10));
	fclose(file);
}

static void counts(void)
{
	int other = dup(buffer);
	void *at;

	counted("count with a duplicate");
	at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buffer, 0);
	counted("count with a mapping");
	close(other);
	counted("count after closing the duplicate");
	munmap(at, SIZE);
	counted("count after unmapping");
}

static void status(void)
{
	int other = allocate(heap, PAGE, O_RDWR);
	struct stat stat, of_other;
	struct statfs filesystem;

	check("fstat", fstat(buffer, &stat));
	check("its type", stat.st_mode & S_IFMT);
	check("its permissions", stat.st_mode & 07777);
	check("its size", stat.st_size);
	check("its links", (long)stat.st_nlink);
	check("its owner", stat.st_uid);
	check("its block size", stat.st_blksize);
	check("its blocks", stat.st_blocks);
	check("its rdev", (long)stat.st_rdev);
	fstat(other, &of_other);
	check_true("another buffer is on the same device", of_other.st_dev == stat.st_dev);
	check_true("another buffer has another inode", of_other.st_ino != stat.st_ino);
	check("fstatfs", fstatfs(buffer, &filesystem));
	check_text("its filesystem", "%lx", (long)filesystem.f_type);
	close(other);
}

static void other_calls(void)
{
	struct pollfd poll_both = { buffer, POLLIN | POLLOUT, 0 };
	char byte = 0, path[64];
	struct iovec vector = { &byte, 1 };

	check("read", read(buffer, &byte, 1));
	check("read nothing", read(buffer, &byte, 0));
	check("write", write(buffer, &byte, 1));
	check("pread", pread(buffer, &byte, 1, 0));
	check("pwrite", pwrite(buffer, &byte, 1, 0));
	check("readv", readv(buffer, &vector, 1));
	check("ftruncate", ftruncate(buffer, 2 * SIZE));
	check("ftruncate to its size", ftruncate(buffer, SIZE));
	check("fallocate", fallocate(buffer, 0, 0, SIZE));
	check("fsync", fsync(buffer));
	check("fchdir", fchdir(buffer));
	check("fchmod", fchmod(buffer, 0600));
	check("getdents64", syscall(SYS_getdents64, buffer, path, sizeof(path)));
	check("poll", poll(&poll_both, 1, 0));
	check("poll's events", poll_both.revents);
	poll_both.events = POLLIN;
	check("poll for reading", poll(&poll_both, 1, 0));
	poll_both.events = 0;
	check("poll for nothing", poll(&poll_both, 1, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", buffer);
	check_ok("open through /proc", open(path, O_RDWR));
	check_ok("open through /proc with O_PATH", open(path, O_PATH));
	check("F_GETFD", fcntl(buffer, F_GETFD));
	check("F_SETFL O_APPEND", fcntl(buffer, F_SETFL, O_APPEND));
	check("F_GETFL", fcntl(buffer, F_GETFL) & ~O_LARGEFILE);
	check("F_SETFL O_DIRECT", fcntl(buffer, F_SETFL, O_DIRECT));
	check("F_SETFL none", fcntl(buffer, F_SETFL, 0));
	check("F_GETPIPE_SZ", fcntl(buffer, F_GETPIPE_SZ));
	check("F_GET_SEALS", fcntl(buffer, F_GET_SEALS));
	close_range((unsigned int)buffer + 1, ~0u, 0);
}

static int child_writes(void)
{
	volatile char *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);

	at[0] = 42;
	return 3;
}

static int child_writes_read_only(void)
{
	volatile char *at = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, buffer, 0);

	at[0] = 1;
	return 0;
}

static int inherited_mapping;
static char *inherited;

static int child_inherits(void)
{
	inherited[1] = 43;
	return inherited[0] == 42 && inherited_mapping;
}

static void children(void)
{
	check_child("a child writes", child_writes);
	inherited = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0);
	check("what the child wrote", inherited[0]);
	inherited_mapping = 1;
	check_child("a child has the mapping", child_inherits);
	check("what the child wrote there", inherited[1]);
	madvise(inherited, SIZE, MADV_DONTFORK);
	check_child("a child without the mapping", child_inherits);
	check_child("a child writes to a read-only mapping", child_writes_read_only);
	munmap(inherited, SIZE);
}

static void contiguous(void)
{
	int cma = open_cma_heap();
	char *at;

	buffer = allocate(cma, SIZE + 1, O_RDWR | O_CLOEXEC);
	check_ok("contiguous, allocated", buffer);
	check("contiguous, SEEK_END", lseek(buffer, 0, SEEK_END));
	check("contiguous, F_GETFD", fcntl(buffer, F_GETFD));
	check("contiguous, SYNC", sync_buffer(buffer, SYNC_RW));
	at = check_map("contiguous, mapped", mmap(NULL, SIZE + PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0));
	check("contiguous, last byte", at[SIZE + PAGE - 1]);
	check_map("contiguous, past the end", mmap(NULL, SIZE + 2 * PAGE, PROT_READ, MAP_SHARED, buffer, 0));
	check_map("contiguous, privately", mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, buffer, 0));
	check("contiguous, madvise MADV_DONTNEED", madvise(at, SIZE, MADV_DONTNEED));
	check("contiguous, unmapped", munmap(at, SIZE + PAGE));
	check_ok("contiguous, more than there is", allocate(cma, 1ull << 32, O_RDWR));
	check_ok("contiguous, nothing", allocate(cma, 0, O_RDWR));
	check("contiguous, bytes that another buffer left", bytes_left_over(cma));
	close(buffer);
	close(cma);
}

int main(void)
{
	begin();
	heap = open_system_heap();
	buffer = allocate(heap, SIZE, O_RDWR);
	if (buffer < 0)
		give_up("the buffer");
	seeking();
	mapping();
	mapped();
	syncing();
	naming();
	commands();
	information();
	counts();
	status();
	other_calls();
	children();
	close(buffer);
	contiguous();
	return finish();
}
