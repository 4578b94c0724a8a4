/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * /proc/self/maps: addresses, rights, offsets, inode numbers and names. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o procmaps procmaps.c
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define PAGE 4096L

static char maps[64 * 1024];

/* The line of the area that an address is in, or NULL. */
static char *line_of(const void *at)
{
	static char line[512];
	int fd = open("/proc/self/maps", O_RDONLY);
	long got, length = 0;
	char *next;

	while ((got = read(fd, maps + length, sizeof(maps) - 1 - length)) > 0)
		length += got;
	close(fd);
	maps[length] = 0;
	for (char *here = maps; *here; here = next + 1) {
		unsigned long start, end;

		next = strchr(here, '\n');
		if (!next)
			break;
		if (sscanf(here, "%lx-%lx ", &start, &end) == 2 && start <= (unsigned long)at &&
		    (unsigned long)at < end) {
			snprintf(line, sizeof(line), "%.*s", (int)(next - here), here);
			return line;
		}
	}
	return NULL;
}

/* What a line has to be, but for the addresses, which are checked by having been found. */
static void shows(const void *at, const char *rights, long offset, int fd, const char *name, const char *what)
{
	char want[512], *line = line_of(at), *rest = line ? strchr(line, ' ') : NULL;
	struct stat stat = { 0 };
	int length;

	if (fd >= 0)
		fstat(fd, &stat);
	length = snprintf(want, sizeof(want), "%s %08lx %02x:%02x %lu ", rights, offset, major(stat.st_dev),
			  minor(stat.st_dev), (unsigned long)stat.st_ino);
	if (*name && rest)
		snprintf(want + length, sizeof(want) - length, "%*s%s", (int)(73 - (rest + 1 - line) - length), "", name);
	if (!ok(rest && strcmp(rest + 1, want) == 0, "%s", what))
		printf("# got  '%s'\n# want '%s'\n", rest ? rest + 1 : "", want);
}

static int global = 1;

int main(void)
{
	char self[256] = "", *at, *two;
	int fd = open("/tmp/a file", O_RDWR | O_CREAT | O_TRUNC, 0600), other;
	int exe = open("/proc/self/exe", O_RDONLY), memfd = syscall(SYS_memfd_create, "mem", 0);
	void *heap;

	works(ftruncate(fd, 4 * PAGE), "a file of four pages");
	at = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	shows(at, "rw-s", PAGE, fd, "/tmp/a file", "it is shown with its offset, number and path");
	works(mprotect(at + PAGE, PAGE, PROT_READ), "its middle is made read-only");
	shows(at + PAGE, "r--s", 2 * PAGE, fd, "/tmp/a file", "and is an area of its own");
	shows(at + 2 * PAGE, "rw-s", 3 * PAGE, fd, "/tmp/a file", "so is what follows");
	works(mprotect(at + PAGE, PAGE, PROT_READ | PROT_WRITE), "made as it was");
	shows(at + 2 * PAGE, "rw-s", PAGE, fd, "/tmp/a file", "it is one again");
	two = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	shows(two, "r-xp", 0, fd, "/tmp/a file", "a private mapping");
	works(rename("/tmp/a file", "/tmp/b\nfile"), "renamed");
	shows(two, "r-xp", 0, fd, "/tmp/b\\012file", "it has the new name, of which a newline is written as a number");
	works(unlink("/tmp/b\nfile"), "unlinked");
	shows(two, "r-xp", 0, fd, "/tmp/b\\012file (deleted)", "it says so");
	munmap(at, 3 * PAGE);
	ok(line_of(at) == NULL, "what is unmapped is not shown");

	works(ftruncate(memfd, PAGE), "a memfd");
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, memfd, 0);
	shows(at, "r--s", 0, memfd, "/memfd:mem (deleted)", "is shown by its name");
	at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	at[0] = 1;
	ok(strstr(line_of(at), "rw-s 00000000 00:01 ") && strstr(line_of(at), " /dev/zero (deleted)"),
	   "anonymous shared memory");
	at = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(at, PAGE, PROT_READ | PROT_WRITE);
	shows(at, "rw-p", 0, -1, "", "anonymous memory has no name");
	shows(at + PAGE, "---p", 0, -1, "", "nor rights, where there are none");
	heap = sbrk(PAGE);
	shows(heap, "rw-p", 0, -1, "[heap]", "the heap");
	shows(__builtin_frame_address(0), "rw-p", 0, -1, "[stack]", "the stack");
	works(readlink("/proc/self/exe", self, sizeof(self) - 1), "the program");
	ok(strstr(line_of((void *)main), "r-xp") && strstr(line_of((void *)main), self), "its text");
	ok(strstr(line_of(&global), "rw-p") && strstr(line_of(&global), self), "its data");
	other = open("/proc/self/exe", O_RDONLY);
	is(exe >= 0 && other >= 0 ? 0 : -1, 0, "it can be opened");
	return done();
}
