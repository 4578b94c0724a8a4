/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Regular files in memory: what mappings, read, write and ftruncate see of each other. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o mapfile mapfile.c; run it in a directory on tmpfs.
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096L
#define FILE_NAME "/tmp/mapfile"

static int fresh(long size)
{
	int fd = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, size) != 0)
		return -1;
	return fd;
}

static char *map(int fd, long len, int prot, int flags, long offset)
{
	return mmap(NULL, len, prot, flags, fd, offset);
}

static int byte_at(int fd, long at)
{
	unsigned char byte = 0xee;

	return pread(fd, &byte, 1, at) == 1 ? byte : -1;
}

static void shared(void)
{
	int fd = fresh(3 * PAGE), other = open(FILE_NAME, O_RDWR);
	char *one = map(fd, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *two = map(other, 2 * PAGE, PROT_READ, MAP_SHARED, PAGE);

	if (!ok(one != MAP_FAILED && two != MAP_FAILED, "a file is mapped shared and writable"))
		return;
	one[PAGE] = 'a';
	is(two[0], 'a', "a store is seen by another mapping of it");
	is(byte_at(fd, PAGE), 'a', "and by read");
	is(pwrite(other, "bcd", 3, PAGE - 1), 3, "what write changes");
	ok(one[PAGE - 1] == 'b' && one[PAGE] == 'c' && two[1] == 'd', "is seen by both");
	is(pwrite(fd, "e", 1, 2 * PAGE + 5), 1, "so is what is written into a hole");
	ok(one[2 * PAGE + 5] == 'e' && two[PAGE + 5] == 'e', "that nobody had touched");
	is(IN_CHILD(one[7] = 'f'), 0, "a forked child stores");
	is(one[7], 'f', "and its parent sees it");
	works(msync(one, 3 * PAGE, MS_SYNC), "msync");
	fails(msync(one, PAGE, MS_SYNC | MS_ASYNC), EINVAL, "msync both ways");
	fails(msync(one + 1, PAGE, MS_SYNC), EINVAL, "msync off a page");
	works(close(fd), "the descriptor goes");
	one[8] = 'g';
	is(byte_at(other, 8), 'g', "the mapping still writes to the file");
	works(munmap(one + PAGE, PAGE), "a page is unmapped from the middle");
	one[2 * PAGE] = 'h';
	is(byte_at(other, 2 * PAGE), 'h', "what is behind it keeps its offset");
	works(madvise(one, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	is(one[8], 'g', "forgets nothing that is the file's");
	one = mremap(one, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	ok(one != MAP_FAILED, "mremap lets the mapping grow");
	is(touch(one + PAGE, 0), 0, "over what is in the file");
	is(one[PAGE], 'c', "at its offset");
	munmap(one, 2 * PAGE);
	munmap(two, 2 * PAGE);
	close(other);
}

static void rights(void)
{
	int fd = fresh(PAGE), reader = open(FILE_NAME, O_RDONLY), writer = open(FILE_NAME, O_WRONLY);
	char *at;

	fails((long)map(reader, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0), EACCES, "shared and writable of a reader");
	fails((long)map(writer, PAGE, PROT_WRITE, MAP_SHARED, 0), EACCES, "shared of a writer");
	fails((long)map(writer, PAGE, PROT_READ, MAP_PRIVATE, 0), EACCES, "private of a writer");
	at = map(reader, PAGE, PROT_READ, MAP_SHARED, 0);
	ok(at != MAP_FAILED, "shared and readable of a reader");
	fails(mprotect(at, PAGE, PROT_READ | PROT_WRITE), EACCES, "mprotect of it to writable");
	is(touch(at, 1), SIGSEGV, "a store to it");
	munmap(at, PAGE);
	at = map(reader, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	is(touch(at, 1), 0, "a private mapping of a reader may be written");
	munmap(at, PAGE);
	at = map(fd, PAGE, PROT_READ, MAP_SHARED, 0);
	works(mprotect(at, PAGE, PROT_READ | PROT_WRITE), "mprotect to writable where the descriptor may write");
	is(touch(at, 1), 0, "and a store to it");
	is(byte_at(reader, 0), 1, "which reaches the file");
	works(mprotect(at, PAGE, PROT_NONE), "mprotect to nothing");
	is(touch(at, 0), SIGSEGV, "a load of it");
	munmap(at, PAGE);
	fails((long)map(fd, PAGE, PROT_READ, MAP_SHARED, 1), EINVAL, "mmap off a page");
	fails((long)map(fd, PAGE, PROT_READ, MAP_SHARED | MAP_PRIVATE | 4, 0), EINVAL, "mmap neither way");
	close(fd);
	close(reader);
	close(writer);
}

static void ends(void)
{
	int fd = fresh(2 * PAGE + 10);
	char *all = map(fd, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	char *own = map(fd, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);

	is(touch(all + 3 * PAGE - 1, 1), 0, "the page the file ends in can be touched to its end");
	is(touch(all + 3 * PAGE, 0), SIGBUS, "a load past it: SIGBUS");
	is(touch(all + 3 * PAGE, 1), SIGBUS, "a store past it: SIGBUS");
	is(touch(own + 3 * PAGE, 0), SIGBUS, "of a private mapping too");
	is(touch(own + 3 * PAGE, 1), SIGBUS, "either way");
	works(ftruncate(fd, 4 * PAGE), "the file grows");
	is(touch(all + 3 * PAGE, 1), 0, "and what was past it can be touched");
	own[0] = 'p';
	is(touch(own + 3 * PAGE, 0), 0, "by both");
	all[PAGE + 1] = 'x';
	all[PAGE + 100] = 'y';
	works(ftruncate(fd, PAGE + 50), "the file is cut");
	is(touch(all + 2 * PAGE, 0), SIGBUS, "a page that was mapped is gone");
	is(touch(own + 3 * PAGE, 0), SIGBUS, "from private mappings as well");
	ok(all[PAGE + 1] == 'x' && all[PAGE + 100] == 0, "what is cut off the last page reads as zeros");
	works(ftruncate(fd, 10), "cut again");
	is(own[0], 'p', "a private copy below the end stays");
	is(touch(own + PAGE, 0), SIGBUS, "one above it does not");
	works(ftruncate(fd, 2 * PAGE), "grown again");
	ok(all[PAGE + 1] == 0, "zeros");
	is(IN_CHILD(_exit(touch(all + 4 * PAGE, 0))), SIGBUS, "a child's mapping ends where its parent's does");
	fails(read(fd, NULL, 0) == 0 ? pread(fd, all + 4 * PAGE, 10, 0) : 0, EFAULT, "read to past the end of a mapping");
	fails(pwrite(fd, all + 4 * PAGE, 10, 0), EFAULT, "write from there");
	munmap(all, 5 * PAGE);
	munmap(own, 5 * PAGE);
	close(fd);
}

static void private_copies(void)
{
	int fd = fresh(2 * PAGE);
	char *own, *all;

	pwrite(fd, "abc", 3, 0);
	own = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0);
	all = map(fd, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	is(own[0], 'a', "a private mapping shows the file");
	pwrite(fd, "A", 1, 0);
	is(own[0], 'A', "and what changes in it");
	own[1] = 'p';
	ok(byte_at(fd, 1) == 'b' && all[1] == 'b', "until it is stored to, which the file does not see");
	pwrite(fd, "BC", 2, 1);
	ok(own[1] == 'p' && own[2] == 'c', "nor does the copy see the file any more");
	is(IN_CHILD(own[0] = 'q'; _exit(own[1])), 'p', "a child has a copy of the copy");
	is(own[0], 'A', "its own");
	own[PAGE] = 'r';
	is(byte_at(fd, PAGE), 0, "a store into a hole stays private as well");
	works(madvise(own, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	is(own[1], 'B', "drops the copy");
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE), "a hole is punched");
	ok(all[0] == 0 && own[0] == 0, "what is mapped reads as zeros");
	is(own[PAGE], 'r', "but for a private copy");
	munmap(own, 2 * PAGE);
	munmap(all, 2 * PAGE);
	close(fd);
}

static void unlinked(void)
{
	int fd = fresh(PAGE), again;
	char *at = map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	struct stat stat;

	at[0] = 'z';
	works(unlink(FILE_NAME), "unlinked while it is mapped");
	is(fstat(fd, &stat) == 0 && stat.st_nlink == 0 ? stat.st_blocks : -1, 8, "one page is allocated");
	close(fd);
	is(at[0], 'z', "the mapping alone keeps it");
	again = fresh(PAGE);
	is(byte_at(again, 0), 0, "a file of the same name is another");
	munmap(at, PAGE);
	close(again);
}

/* A futex in a file that two processes map at different addresses. */
static void futexes(void)
{
	int fd = fresh(PAGE);
	int *one = (int *)map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	int *two = (int *)map(fd, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	pid_t child;
	int status = -1;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		while (__atomic_load_n(&one[0], __ATOMIC_SEQ_CST) == 0)
			syscall(SYS_futex, &one[0], FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(one[0]);
	}
	__atomic_store_n(&two[0], 5, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &two[0], FUTEX_WAKE, 1, NULL, NULL, 0);
	waitpid(child, &status, 0);
	is(WEXITSTATUS(status), 5, "a futex in a file is one, wherever it is mapped");
	munmap(one, PAGE);
	munmap(two, PAGE);
	close(fd);
}

int main(void)
{
	shared();
	rights();
	ends();
	private_copies();
	unlinked();
	futexes();
	unlink(FILE_NAME);
	return done();
}
