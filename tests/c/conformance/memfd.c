/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Anonymous files and their seals, and files that mappings share.
 */
#include "check.h"

static int sealed(size_t size, int seals)
{
	int fd = memfd_create("m", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || (seals && fcntl(fd, F_ADD_SEALS, seals) != 0))
		give_up("memfd");
	return fd;
}

static void creating(void)
{
	char name[300], path[64], text[64] = "";
	struct stat stat;
	int fd = memfd_create("a name", 0);

	check_ok("create", fd);
	check_text("F_GETFL", "%o", fcntl(fd, F_GETFL));
	check("F_GETFD", fcntl(fd, F_GETFD));
	check("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
	check("F_ADD_SEALS", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	fstat(fd, &stat);
	check_text("mode", "%o", stat.st_mode);
	check("links", (long)stat.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readlink(path, text, sizeof(text) - 1);
	check_text("link text", "%s", text);
	check_ok("open through /proc", open(path, O_RDWR));
	check("MFD_CLOEXEC", fcntl(memfd_create("", MFD_CLOEXEC), F_GETFD));
	check("MFD_ALLOW_SEALING", fcntl(memfd_create("", MFD_ALLOW_SEALING), F_GET_SEALS));
	check_ok("an unknown flag", memfd_create("", 0x100));
	check_ok("MFD_NOEXEC_SEAL", memfd_create("", 8));
	check_ok("a bad name", memfd_create(BAD_ADDRESS, 0));
	memset(name, 'n', sizeof(name));
	name[249] = '\0';
	check_ok("a name of 249", memfd_create(name, 0));
	name[249] = 'n';
	name[250] = '\0';
	check_ok("a name of 250", memfd_create(name, 0));
	close_range(3, ~0u, 0);
}

static void sealing(void)
{
	int fd = sealed(2 * PAGE, 0);
	char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	check("an unknown seal", fcntl(fd, F_ADD_SEALS, 0x100));
	check("write with a writable mapping", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(at, PAGE);
	check("shrink", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	check("smaller", ftruncate(fd, PAGE));
	check("larger", ftruncate(fd, 3 * PAGE));
	check("grow", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	check("larger then", ftruncate(fd, 4 * PAGE));
	check("the same size", ftruncate(fd, 3 * PAGE));
	check("write past the end", pwrite(fd, "x", 1, 3 * PAGE));
	check("write across the end", pwrite(fd, "xy", 2, 3 * PAGE - 1));
	check("fallocate past the end", fallocate(fd, 0, 0, 4 * PAGE));
	check("F_SEAL_FUTURE_WRITE", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	check("write then", pwrite(fd, "x", 1, 0));
	check_map("map for writing then", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	check_map("map for reading then", at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	check("make that writable", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	check_map("map privately then", mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	check("punch a hole", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	check("F_SEAL_SEAL", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	check("any more", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	check("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
	fd = sealed(PAGE, F_SEAL_WRITE);
	check("sealed, write", write(fd, "x", 1));
	check_map("sealed, map for writing", mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0));
	check("sealed, read", read(fd, &fd, 1));
	close_range(3, ~0u, 0);
}

static int child_writes(void)
{
	int fd = open("shared", O_RDWR);
	char *at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return 1;
	at[1] = 'c';
	return 0;
}

static int touches_past_the_end(void)
{
	int fd = open("shared", O_RDWR);
	volatile char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	at[PAGE] = 1;
	return 0;
}

static void shared_files(void)
{
	int fd = file_with("shared", "content"), read_only = open("shared", O_RDONLY);
	char *at, *private, bytes[8] = "";

	check_map("shared", at = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	if (at == MAP_FAILED)
		return;
	private = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	at[0] = 'C';
	pread(fd, bytes, 7, 0);
	check_text("the file after writing to memory", "%s", bytes);
	pwrite(fd, "X", 1, 3);
	check_text("memory after writing to the file", "%.7s", at);
	check_text("a private mapping not yet copied", "%.7s", private);
	private[0] = 'p';
	check("a private mapping's write is its own", at[0]);
	check_child("a child writes", child_writes);
	check("what it wrote", at[1]);
	check_child("past the end", touches_past_the_end);
	check_map("a read-only file, for reading", at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, read_only, 0));
	check("making that writable", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	check("cutting a mapped file", ftruncate(fd, 0));
	check_child("touching what was cut", touches_past_the_end);
	check("msync", msync(at, PAGE, MS_SYNC));
	check("MADV_REMOVE", madvise(private, PAGE, MADV_REMOVE));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "memfd";
	creating();
	subject = "seals";
	sealing();
	subject = "shared";
	shared_files();
	return finish();
}
