/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What can be done with the contents of a file besides read and write. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o filecalls filecalls.c; /tmp has to be a tmpfs.
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define PAGE 4096L
#define ONE "/tmp/one"
#define TWO "/tmp/two"

static int fresh(const char *path, const char *text)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	return write(fd, text, strlen(text)) == (long)strlen(text) ? fd : -1;
}

static int holds(int fd, const char *text)
{
	char bytes[256] = "";
	long got = pread(fd, bytes, sizeof(bytes) - 1, 0);

	return got == (long)strlen(text) && memcmp(bytes, text, got) == 0;
}

static long blocks(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 ? stat.st_blocks : -1;
}

static long size(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) == 0 ? stat.st_size : -1;
}

static void vectors(void)
{
	int fd = fresh(ONE, "0123456789"), pipes[2];
	char a[3], b[4];
	struct iovec to[2] = { { a, 3 }, { b, 4 } }, wrong = { a, (size_t)-1 };
	volatile int many = 2000;

	is(preadv(fd, to, 2, 2), 7, "preadv");
	ok(memcmp(a, "234", 3) == 0 && memcmp(b, "5678", 4) == 0, "fills one after the other");
	is(lseek(fd, 0, SEEK_CUR), 10, "and moves nothing");
	is(pwritev(fd, to, 2, 0), 7, "pwritev");
	ok(holds(fd, "2345678789"), "likewise");
	lseek(fd, 1, SEEK_SET);
	is(preadv2(fd, to, 1, -1, 0), 3, "preadv2 at -1");
	is(lseek(fd, 0, SEEK_CUR), 4, "reads where the file stands");
	is(pwritev2(fd, to, 1, 20, RWF_DSYNC), 3, "pwritev2 with RWF_DSYNC");
	is(size(fd), 23, "extends the file");
	fails(preadv2(fd, to, 1, 0, 0x4000), EOPNOTSUPP, "preadv2 with an unknown flag");
	fails(preadv2(fd, to, 1, 0, RWF_NOWAIT), EOPNOTSUPP, "preadv2 with RWF_NOWAIT");
	fails(preadv(fd, to, 1, -5), EINVAL, "preadv before the start");
	fails(preadv(fd, &wrong, 1, 0), EINVAL, "a length below zero");
	fails(preadv(fd, to, many, 0), EINVAL, "too many ranges");
	fails(pread(fd, a, 1, -1), EINVAL, "pread before the start");
	fails(pread(fd, nowhere, 1, 0), EFAULT, "pread to nowhere");
	if (pipe(pipes) != 0)
		return;
	fails(pread(pipes[0], a, 1, 0), ESPIPE, "pread of a pipe");
	fails(pwritev(pipes[1], to, 1, 0), ESPIPE, "pwritev of a pipe");
	close(pipes[0]);
	close(pipes[1]);
	close(fd);
}

static void sending(void)
{
	int from = fresh(ONE, "abcdefghij"), to = fresh(TWO, ""), pipes[2], append, reader, zero;
	loff_t at = 2;

	lseek(from, 5, SEEK_SET);
	is(sendfile(to, from, &at, 4), 4, "sendfile from an offset");
	ok(at == 6 && lseek(from, 0, SEEK_CUR) == 5, "moves that alone");
	is(sendfile(to, from, NULL, 100), 5, "sendfile from where the file stands, to its end");
	ok(lseek(from, 0, SEEK_CUR) == 10 && holds(to, "cdeffghij"), "moves the file");
	is(sendfile(to, from, NULL, 100), 0, "and then there is nothing");
	at = -1;
	fails(sendfile(to, from, &at, 1), EINVAL, "before the start");
	fails(sendfile(to, from, nowhere, 1), EFAULT, "an offset that is nowhere");
	append = open(TWO, O_WRONLY | O_APPEND);
	reader = open(TWO, O_RDONLY);
	at = 0;
	fails(sendfile(append, from, &at, 1), EINVAL, "to a file that appends");
	fails(sendfile(reader, from, &at, 1), EBADF, "to a reader");
	fails(sendfile(to, append, &at, 1), EBADF, "from a writer");
	fails(sendfile(to, -1, NULL, 1), EBADF, "from nothing");
	zero = open("/dev/zero", O_RDONLY);
	fails(sendfile(to, zero, NULL, 1), EINVAL, "from a device");
	if (pipe(pipes) != 0)
		return;
	fails(sendfile(to, pipes[0], &at, 1), ESPIPE, "from a pipe at an offset");
	is(sendfile(pipes[1], from, &at, 3), 3, "to a pipe");
	close(pipes[0]);
	close(pipes[1]);
	close(zero);
	close(append);
	close(reader);
	close(from);
	close(to);
}

static long copy(int from, loff_t *from_at, int to, loff_t *to_at, size_t len, unsigned int flags)
{
	return syscall(SYS_copy_file_range, from, from_at, to, to_at, len, flags);
}

static void copying(void)
{
	int from = fresh(ONE, "abcdefghij"), to = fresh(TWO, "0123456789"), dir = open("/tmp", O_RDONLY), pipes[2];
	int append = open(TWO, O_WRONLY | O_APPEND), proc = open("/proc/self/stat", O_RDONLY);
	loff_t here = 3, there = 8;

	is(copy(from, &here, to, &there, 4, 0), 4, "copy_file_range");
	ok(here == 7 && there == 12 && holds(to, "01234567defg"), "moves both offsets");
	lseek(from, 0, SEEK_SET);
	lseek(to, 0, SEEK_SET);
	is(copy(from, NULL, to, NULL, 2, 0), 2, "without them");
	ok(lseek(from, 0, SEEK_CUR) == 2 && lseek(to, 0, SEEK_CUR) == 2, "both files move");
	here = 8;
	is(copy(from, &here, to, NULL, 100, 0), 2, "up to the end");
	is(copy(from, &here, to, NULL, 100, 0), 0, "and no further");
	here = 0;
	there = 2;
	fails(copy(from, &here, from, &there, 4, 0), EINVAL, "onto itself");
	there = 20;
	is(copy(from, &here, from, &there, 4, 0), 4, "elsewhere in itself");
	is(size(from), 24, "leaves a hole");
	fails(copy(from, &here, to, NULL, 1, 1), EINVAL, "with a flag");
	fails(copy(from, NULL, append, NULL, 1, 0), EBADF, "to a file that appends");
	fails(copy(append, NULL, to, NULL, 1, 0), EBADF, "from a writer");
	fails(copy(dir, NULL, to, NULL, 1, 0), EISDIR, "from a directory");
	if (pipe(pipes) != 0)
		return;
	fails(copy(pipes[0], NULL, to, NULL, 1, 0), EINVAL, "from a pipe");
	fails(copy(proc, NULL, to, NULL, 1, 0), EXDEV, "from another filesystem");
	here = INT64_MAX - 1;
	is(copy(from, &here, to, NULL, 10, 0), 0, "past the end");
	fails(copy(from, &here, to, NULL, -1, 0), EOVERFLOW, "past all offsets");
	there = INT64_MAX;
	here = 0;
	fails(copy(from, &here, to, &there, 1, 0), EFBIG, "to the last offset");
	close(pipes[0]);
	close(pipes[1]);
	close(proc);
	close(append);
	close(dir);
	close(from);
	close(to);
}

static void allocating(void)
{
	int fd = fresh(ONE, "data"), reader = open(ONE, O_RDONLY), dir = open("/tmp", O_RDONLY), pipes[2];
	int hole = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	works(fallocate(fd, 0, PAGE, 2 * PAGE), "fallocate");
	ok(size(fd) == 3 * PAGE && blocks(fd) == 24, "extends the file, and takes memory");
	works(fallocate(fd, FALLOC_FL_KEEP_SIZE, 3 * PAGE, PAGE), "with FALLOC_FL_KEEP_SIZE");
	ok(size(fd) == 3 * PAGE && blocks(fd) == 32, "it only takes memory");
	works(fallocate(fd, hole, 2, 2 * PAGE - 2), "a hole");
	ok(size(fd) == 3 * PAGE && blocks(fd) == 24, "gives whole pages back");
	ok(pread(fd, (char[4]){ 0 }, 4, 0) == 4 && lseek(fd, 0, SEEK_DATA) == 0, "what is before it stays");
	works(fallocate(fd, hole, 0, 1L << 40), "a hole past the end");
	ok(blocks(fd) == 0 && size(fd) == 3 * PAGE, "leaves nothing");
	fails(fallocate(fd, 0, 0, 0), EINVAL, "of no length");
	fails(fallocate(fd, 0, -1, 5), EINVAL, "before the start");
	fails(fallocate(fd, 0, INT64_MAX, 5), EFBIG, "past the last offset");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 5), EOPNOTSUPP, "a hole that shortens");
	fails(fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 5), EOPNOTSUPP, "zeroing");
	fails(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 5), EOPNOTSUPP, "collapsing");
	fails(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_KEEP_SIZE, 0, 5), EINVAL, "collapsing and keeping");
	fails(fallocate(fd, 0x100, 0, 5), EOPNOTSUPP, "an unknown mode");
	fails(fallocate(reader, 0, 0, 5), EBADF, "by a reader");
	fails(fallocate(dir, 0, 0, 5), EBADF, "of a directory");
	if (pipe(pipes) != 0)
		return;
	fails(fallocate(pipes[1], 0, 0, 5), ESPIPE, "of a pipe");
	close(pipes[0]);
	close(pipes[1]);
	close(dir);
	close(reader);
	close(fd);
}

static void seeking(void)
{
	int fd = fresh(ONE, ""), dir = open("/tmp", O_RDONLY), proc = open("/proc/self/stat", O_RDONLY);

	is(pwrite(fd, "x", 1, 4 * PAGE), 1, "a byte behind a hole");
	is(lseek(fd, 0, SEEK_DATA), 4 * PAGE, "SEEK_DATA finds it");
	is(lseek(fd, 100, SEEK_HOLE), 100, "SEEK_HOLE the hole");
	is(lseek(fd, 4 * PAGE, SEEK_HOLE), 4 * PAGE + 1, "the end counts as one");
	is(lseek(fd, 0, SEEK_CUR), 4 * PAGE + 1, "the file stands there");
	fails(lseek(fd, 4 * PAGE + 1, SEEK_DATA), ENXIO, "data past the end");
	fails(lseek(fd, 4 * PAGE + 1, SEEK_HOLE), ENXIO, "a hole past the end");
	fails(lseek(fd, -1, SEEK_DATA), ENXIO, "data before the start");
	fails(lseek(fd, 0, 5), EINVAL, "an unknown whence");
	fails(lseek(dir, 0, SEEK_DATA), EINVAL, "in a directory");
	fails(lseek(proc, 0, SEEK_HOLE), EINVAL, "in a file of /proc");
	works(ftruncate(fd, 8L << 40), "eight terabytes");
	is(blocks(fd), 8, "take a page");
	is(pread(fd, (char[8]){ 0 }, 8, 5L << 40), 8, "and can be read");
	fails(ftruncate(fd, -1), EINVAL, "ftruncate to below nothing");
	fails(truncate("/tmp", 0), EISDIR, "truncate of a directory");
	fails(truncate("/tmp/none", 0), ENOENT, "of nothing");
	fails(truncate("/dev/null", 0), EINVAL, "of a device");
	fails(pwrite(fd, "x", 1, INT64_MAX), EINVAL, "a write at the last offset");
	fails(pread(fd, nowhere, 1, INT64_MAX), EINVAL, "a read there");
	is(lseek(fd, INT64_MAX, SEEK_SET), INT64_MAX, "lseek goes there");
	fails(write(fd, "x", 1), EINVAL, "to no avail");
	fails(lseek(fd, 1, SEEK_CUR), EINVAL, "and no further");
	close(proc);
	close(dir);
	close(fd);
}

static void hints(void)
{
	int fd = fresh(ONE, "x"), writer = open(ONE, O_WRONLY), path = open(ONE, O_PATH), pipes[2];

	is(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0, "fadvise64");
	is(posix_fadvise(fd, 0, 0, 6), EINVAL, "unknown advice");
	is(posix_fadvise(fd, 0, -1, 0), EINVAL, "of a length below nothing");
	is(posix_fadvise(-1, 0, 0, 0), EBADF, "of nothing");
	works(readahead(fd, 0, 10), "readahead");
	fails(readahead(writer, 0, 10), EBADF, "by a writer");
	works(fsync(fd), "fsync");
	works(fdatasync(writer), "fdatasync");
	works(syncfs(fd), "syncfs");
	fails(syncfs(path), EBADF, "syncfs of O_PATH");
	works(sync_file_range(fd, 0, 10, 7), "sync_file_range");
	fails(sync_file_range(fd, 0, 10, 8), EINVAL, "with an unknown flag");
	if (pipe(pipes) != 0)
		return;
	is(posix_fadvise(pipes[0], 0, 0, 0), ESPIPE, "fadvise64 of a pipe");
	fails(fsync(pipes[0]), EINVAL, "fsync of a pipe");
	fails(sync_file_range(pipes[0], 0, 10, 1), ESPIPE, "sync_file_range of a pipe");
	fails(readahead(pipes[0], 0, 10), EINVAL, "readahead of a pipe");
	close(pipes[0]);
	close(pipes[1]);
	close(path);
	close(writer);
	close(fd);
	sync();
}

static void owners(void)
{
	int fd = fresh(ONE, "x");

	is(fcntl(fd, F_GETOWN), 0, "nobody is told about a file");
	works(fcntl(fd, F_SETOWN, getpid()), "F_SETOWN");
	is(fcntl(fd, F_GETOWN), getpid(), "is kept");
	fails(fcntl(fd, F_SETOWN, 999999), ESRCH, "of nobody");
	works(fcntl(fd, F_SETOWN, 0), "of none");
	is(fcntl(fd, F_GETOWN), 0, "none again");
	close(fd);
}

int main(void)
{
	owners();
	vectors();
	sending();
	copying();
	allocating();
	seeking();
	hints();
	unlink(ONE);
	unlink(TWO);
	return done();
}
