/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Locks on files: whole ones by flock, ranges by fcntl, owned by processes or by open files.
 */
#include "check.h"
#include <sys/file.h>

static int fd;

static int lock(int how, short type, off_t start, off_t length)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };

	return fcntl(fd, how, &range);
}

static int child_tries(void)
{
	return lock(F_SETLK, F_WRLCK, 5, 1) == -1 ? errno : 0;
}

static int child_looks(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0 };

	if (fcntl(fd, F_GETLK, &range) != 0)
		return 1;
	return range.l_type == F_WRLCK && range.l_pid == getppid() ? 10 + (int)range.l_start : 2;
}

static int child_flocks(void)
{
	int other = open("locked", O_RDWR);

	return flock(other, LOCK_EX | LOCK_NB) == -1 ? errno : 0;
}

static void whole(void)
{
	int other = open("locked", O_RDWR), same = dup(fd);

	check("exclusive", flock(fd, LOCK_EX));
	check("the same open file", flock(same, LOCK_EX | LOCK_NB));
	check("another open file", flock(other, LOCK_EX | LOCK_NB));
	check("another open file, shared", flock(other, LOCK_SH | LOCK_NB));
	check_child("another process", child_flocks);
	check("to shared", flock(fd, LOCK_SH));
	check("both shared", flock(other, LOCK_SH | LOCK_NB));
	check("back to exclusive", flock(fd, LOCK_EX | LOCK_NB));
	check("unlock", flock(other, LOCK_UN));
	check("unlock again", flock(other, LOCK_UN));
	close(same);
	check("an unknown operation", flock(fd, 77));
	check("O_PATH", flock(open("locked", O_PATH), LOCK_SH));
	check("a directory", flock(open(".", O_RDONLY), LOCK_EX));
	check("-1", flock(-1, LOCK_EX));
	flock(fd, LOCK_UN);
	close(other);
}

static void ranges(void)
{
	struct flock range = { .l_type = F_RDLCK, .l_whence = 9 };
	int other, read_only = open("locked", O_RDONLY);

	check("write lock", lock(F_SETLK, F_WRLCK, 4, 4));
	check_child("another process tries", child_tries);
	check_child("another process looks", child_looks);
	check("unlock the middle", lock(F_SETLK, F_UNLCK, 5, 1));
	check_child("another process tries then", child_tries);
	check_child("another process looks then", child_looks);
	lock(F_SETLK, F_WRLCK, 4, 4);
	other = open("locked", O_RDWR);
	close(other);
	check_child("any close of the file unlocks", child_tries);
	check("a negative length", lock(F_SETLK, F_RDLCK, 8, -4));
	check("before the start", lock(F_SETLK, F_RDLCK, 2, -4));
	check("a negative start", lock(F_SETLK, F_RDLCK, -1, 1));
	check("an unknown type", lock(F_SETLK, 7, 0, 1));
	check("an unknown whence", fcntl(fd, F_SETLK, &range));
	check("F_GETLK of unlocking", lock(F_GETLK, F_UNLCK, 0, 1));
	check("a bad address", fcntl(fd, F_SETLK, BAD_ADDRESS));
	range.l_whence = SEEK_SET;
	range.l_type = F_WRLCK;
	check("write lock on a read-only file", fcntl(read_only, F_SETLK, &range));
	range.l_type = F_RDLCK;
	check("read lock on a write-only file", fcntl(open("locked", O_WRONLY), F_SETLK, &range));
	check("a pipe", ({
		int ends[2];

		pipe(ends);
		fcntl(ends[0], F_SETLK, &range);
	}));
	range = (struct flock){ .l_type = F_WRLCK, .l_len = 4 };
	check("owned by the open file", fcntl(fd, F_OFD_SETLK, &range));
	other = open("locked", O_RDWR);
	check("another open file", fcntl(other, F_OFD_SETLK, &range));
	check("a process's, against it", fcntl(other, F_SETLK, &range));
	range.l_pid = 1;
	check("with a process", fcntl(other, F_OFD_SETLK, &range));
	close_range((unsigned int)fd + 1, ~0u, 0);
}

int main(void)
{
	begin();
	fd = file_with("locked", "0123456789");
	subject = "flock";
	whole();
	subject = "range";
	ranges();
	return finish();
}
