/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * memfd_create, and what seals refuse. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o memfd memfd.c
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGE 4096L

static long make(const char *name, unsigned int flags)
{
	return syscall(SYS_memfd_create, name, flags);
}

static char *map(int fd, int prot, int flags)
{
	return mmap(NULL, PAGE, prot, flags, fd, 0);
}

static int sealed(int seals)
{
	int fd = make("sealed", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, 2 * PAGE) != 0 || fcntl(fd, F_ADD_SEALS, seals) != 0)
		return -1;
	return fd;
}

static void making(void)
{
	char name[300], link[64], text[300] = "";
	int fd = make("a name", MFD_CLOEXEC);
	struct stat stat;

	works(fd, "memfd_create");
	is(fcntl(fd, F_GETFD), FD_CLOEXEC, "MFD_CLOEXEC");
	is(fcntl(fd, F_GETFL), O_RDWR | 0400000, "it is open for reading and writing");
	is(fstat(fd, &stat), 0, "fstat");
	ok(stat.st_mode == (S_IFREG | 0777) && stat.st_nlink == 0 && stat.st_size == 0, "an empty file without a name");
	sprintf(link, "/proc/self/fd/%d", fd);
	works(readlink(link, text, sizeof(text) - 1), "readlink of its descriptor");
	ok(strcmp(text, "/memfd:a name (deleted)") == 0, "says what it is: %s", text);
	is(write(fd, "abc", 3), 3, "written");
	is(open(link, O_RDWR) >= 0 ? 0 : errno, 0, "and opened again by that link");
	is(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL, "without MFD_ALLOW_SEALING it is sealed against seals");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM, "F_ADD_SEALS then");
	close(fd);
	memset(name, 'x', sizeof(name));
	name[249] = 0;
	works(make(name, 0), "a name of 249 bytes");
	name[249] = 'x';
	name[250] = 0;
	fails(make(name, 0), EINVAL, "one of 250");
	works(make("", 0), "the empty name");
	fails(make(nowhere, 0), EFAULT, "a name that is nowhere");
	fails(make("x", 8), EINVAL, "a flag of a later Linux");
	fails(make("x", 1u << 31), EINVAL, "an unknown flag");
	fails(make(nowhere, 8), EINVAL, "the flag is looked at first");
}

static void adding(void)
{
	char link[64];
	int fd = make("f", MFD_ALLOW_SEALING), reader, pipes[2];

	is(fcntl(fd, F_GET_SEALS), 0, "with it there are no seals");
	fails(fcntl(fd, F_ADD_SEALS, 0x20), EINVAL, "an unknown seal");
	works(fcntl(fd, F_ADD_SEALS, 0), "none");
	sprintf(link, "/proc/self/fd/%d", fd);
	reader = open(link, O_RDONLY);
	fails(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW), EPERM, "by a reader");
	works(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), "F_SEAL_GROW");
	works(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK), "and F_SEAL_SHRINK");
	is(fcntl(reader, F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK, "add up");
	works(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), "F_SEAL_SEAL");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM, "ends that");
	close(fd);
	close(reader);
	if (pipe(pipes) != 0)
		return;
	fails(fcntl(pipes[0], F_GET_SEALS), EINVAL, "F_GET_SEALS of a pipe");
	fails(fcntl(pipes[1], F_ADD_SEALS, F_SEAL_SEAL), EINVAL, "F_ADD_SEALS");
	close(pipes[0]);
	close(pipes[1]);
	fd = open("/tmp/plain", O_RDWR | O_CREAT, 0600);
	is(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL, "a file with a name has one seal");
	close(fd);
	unlink("/tmp/plain");
}

static void sizes(void)
{
	int fd = sealed(F_SEAL_SHRINK);
	char bytes[3 * PAGE];

	memset(bytes, 1, sizeof(bytes));
	fails(ftruncate(fd, PAGE), EPERM, "shrinking where that is sealed");
	works(ftruncate(fd, 3 * PAGE), "growing there");
	works(ftruncate(fd, 3 * PAGE), "neither");
	works(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), "a hole");
	close(fd);
	fd = sealed(F_SEAL_GROW);
	fails(ftruncate(fd, 3 * PAGE), EPERM, "growing where that is sealed");
	works(ftruncate(fd, PAGE + 100), "shrinking there");
	fails(pwrite(fd, "x", 1, PAGE + 100), EPERM, "a write past the end");
	is(pwrite(fd, bytes, 100, PAGE), 100, "one up to it");
	is(pwrite(fd, bytes, 3 * PAGE, 0), PAGE, "a long one is cut at the last whole page");
	fails(pwrite(fd, bytes, 101, PAGE), EPERM, "and has to leave something");
	fails(fallocate(fd, 0, 0, 2 * PAGE), EPERM, "fallocate past it");
	fails(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE), EPERM, "whether that would grow it or not");
	works(fallocate(fd, 0, 0, PAGE), "below it");
	close(fd);
}

static void writing(void)
{
	int fd = sealed(0), reader;
	char link[64], *shared, *own, *after, byte;

	sprintf(link, "/proc/self/fd/%d", fd);
	shared = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "F_SEAL_WRITE of what is mapped to be written");
	is(IN_CHILD(munmap(shared, PAGE)), 0, "a child's is one more");
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "so it stays busy");
	works(munmap(shared, PAGE), "unmapped");
	shared = map(fd, PROT_READ, MAP_SHARED);
	fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY, "mapped to be read by a descriptor that may write: busy");
	munmap(shared, PAGE);
	reader = open(link, O_RDONLY);
	shared = map(reader, PROT_READ, MAP_SHARED);
	own = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	works(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), "by one that may not: sealed");
	fails(pwrite(fd, "x", 1, 0), EPERM, "write");
	fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), EPERM, "a hole");
	works(ftruncate(fd, PAGE), "ftruncate is no write");
	fails((long)map(fd, PROT_READ | PROT_WRITE, MAP_SHARED), EPERM, "shared and writable");
	after = map(fd, PROT_READ, MAP_SHARED);
	ok(after != MAP_FAILED, "shared to be read");
	fails(mprotect(after, PAGE, PROT_READ | PROT_WRITE), EACCES, "which cannot be made to write");
	ok(map(reader, PROT_READ, MAP_SHARED) != MAP_FAILED, "by one that may not");
	is(touch(own, 1), 0, "a private mapping may be written");
	is(pread(fd, &byte, 1, 0) == 1 ? byte : -1, 0, "without the file noticing");
	ok(map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE) != MAP_FAILED, "another private one");
	close(fd);
	close(reader);
}

static void future(void)
{
	int fd = sealed(0);
	char *before = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED), *after, byte;

	works(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), "F_SEAL_FUTURE_WRITE leaves what is mapped");
	before[0] = 'b';
	is(pread(fd, &byte, 1, 0) == 1 ? byte : -1, 'b', "writable");
	fails(pwrite(fd, "x", 1, 0), EPERM, "write");
	fails((long)map(fd, PROT_READ | PROT_WRITE, MAP_SHARED), EPERM, "a new mapping that writes");
	after = map(fd, PROT_READ, MAP_SHARED);
	ok(after != MAP_FAILED && after[0] == 'b', "one that reads");
	fails(mprotect(after, PAGE, PROT_READ | PROT_WRITE), EACCES, "cannot be made to write");
	is(fcntl(fd, F_GET_SEALS), F_SEAL_FUTURE_WRITE, "it is a seal of its own");
	close(fd);
}

int main(void)
{
	making();
	adding();
	sizes();
	writing();
	future();
	return done();
}
