/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * flock, record locks, and those of open files. TAP.
 * A plain Linux program: aarch64-linux-gnu-gcc -O2 -static -o locks locks.c
 */
#define _GNU_SOURCE
#include "tap.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <time.h>

#define NAME "/tmp/locked"

static int again(int flags)
{
	return open(NAME, flags);
}

static int lock(int fd, int cmd, int type, long start, long len)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &lock);
}

/* What a child would find in its way: the type. */
static int seen(long start, long len, int type)
{
	return IN_CHILD(
		struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
		_exit(fcntl(again(O_RDWR), F_GETLK, &lock) == 0 ? lock.l_type : 99));
}

static void whole(void)
{
	int one = again(O_RDWR), two = again(O_RDONLY), copy = dup(one);

	works(flock(one, LOCK_SH), "flock shared");
	works(flock(two, LOCK_SH | LOCK_NB), "twice");
	fails(flock(two, LOCK_EX | LOCK_NB), EWOULDBLOCK, "not exclusive");
	works(flock(one, LOCK_EX | LOCK_NB), "the attempt gave up what it had");
	fails(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK, "so nobody else has");
	works(flock(copy, LOCK_SH), "a duplicate is the same lock");
	works(flock(two, LOCK_SH | LOCK_NB), "now shared");
	flock(two, LOCK_UN);
	flock(one, LOCK_EX);
	is(IN_CHILD(_exit(flock(one, LOCK_EX | LOCK_NB))), 0, "a child has its parent's lock");
	is(IN_CHILD(_exit(flock(again(O_RDWR), LOCK_EX | LOCK_NB) == -1)), 1, "if it does not open anew");
	close(one);
	fails(flock(two, LOCK_SH | LOCK_NB), EWOULDBLOCK, "a duplicate keeps the lock");
	is(lock(two, F_SETLK, F_RDLCK, 0, 0), 0, "locks on bytes are another thing");
	close(copy);
	works(flock(two, LOCK_SH | LOCK_NB), "the last close gives it up");
	fails(flock(two, 3), EINVAL, "both");
	fails(flock(two, 0), EINVAL, "neither");
	fails(flock(-1, LOCK_SH), EBADF, "of nothing");
	fails(flock(open(NAME, O_PATH), LOCK_SH), EBADF, "of O_PATH");
	close(two);
}

static void ranges(void)
{
	int fd = again(O_RDWR), other = again(O_RDWR), reader = again(O_RDONLY), writer = again(O_WRONLY);
	struct flock got = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0 };
	pid_t me = getpid();

	works(lock(fd, F_SETLK, F_WRLCK, 10, 20), "bytes 10 to 29");
	is(seen(0, 10, F_WRLCK), F_UNLCK, "what is before is free");
	is(seen(30, 0, F_WRLCK), F_UNLCK, "what is behind, too");
	is(seen(29, 1, F_RDLCK), F_WRLCK, "what is in it is not");
	is(fcntl(other, F_GETLK, &got) == 0 ? got.l_type : -1, F_UNLCK, "nobody is in one's own way");
	works(lock(other, F_SETLK, F_RDLCK, 15, 5), "part of it becomes shared");
	is(seen(15, 5, F_RDLCK), F_UNLCK, "for others as well");
	is(seen(15, 5, F_WRLCK), F_RDLCK, "but not exclusive");
	is(seen(10, 5, F_RDLCK), F_WRLCK, "the rest stays");
	is(IN_CHILD(struct flock l = { .l_type = F_WRLCK, .l_start = 12, .l_len = 50 };
		    fcntl(again(O_RDWR), F_GETLK, &l);
		    _exit(!(l.l_pid == me && l.l_start == 10 && l.l_len == 5 && l.l_whence == SEEK_SET))),
	   0, "F_GETLK says whose, and where");
	is(IN_CHILD(_exit(lock(again(O_RDWR), F_SETLK, F_RDLCK, 0, 0) == -1 ? errno : 0)), EAGAIN, "F_SETLK does not wait");
	is(IN_CHILD(lock(again(O_RDWR), F_SETLK, F_WRLCK, 0, 5); lock(fd, F_SETLK, F_UNLCK, 0, 0)), 0,
	   "a child has locks of its own, and unlocks its own");
	is(seen(10, 5, F_RDLCK), F_WRLCK, "not its parent's");
	works(lock(fd, F_SETLK, F_UNLCK, 12, 2), "the middle is given up");
	ok(seen(12, 2, F_WRLCK) == F_UNLCK && seen(11, 1, F_RDLCK) == F_WRLCK && seen(14, 1, F_RDLCK) == F_WRLCK,
	   "and a lock becomes two");
	fails(lock(reader, F_SETLK, F_WRLCK, 0, 0), EBADF, "exclusive by a reader");
	fails(lock(writer, F_SETLK, F_RDLCK, 0, 0), EBADF, "shared by a writer");
	fails(lock(fd, F_SETLK, 3, 0, 0), EINVAL, "of an unknown type");
	fails(lock(fd, F_GETLK, F_UNLCK, 0, 0), EINVAL, "F_GETLK of none");
	fails(lock(fd, F_SETLK, F_RDLCK, -1, 5), EINVAL, "before the start");
	fails(lock(fd, F_SETLK, F_RDLCK, 5, -6), EINVAL, "backwards over it");
	works(lock(fd, F_SETLK, F_RDLCK, 5, -5), "backwards");
	fails(lock(fd, F_SETLK, F_RDLCK, INT64_MAX, 2), EOVERFLOW, "past the end of all");
	fails(fcntl(fd, F_SETLK, nowhere), EFAULT, "described nowhere");
	fails(lock(-1, F_SETLK, F_RDLCK, 0, 0), EBADF, "of nothing");
	got = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_END, .l_start = -3, .l_len = 3 };
	works(fcntl(fd, F_SETLK, &got), "from the end");
	is(seen(997, 1, F_WRLCK), F_RDLCK, "of a file of 1000 bytes");
	close(reader);
	is(seen(11, 1, F_RDLCK), F_UNLCK, "the close of any descriptor of the file gives all up");
	close(fd);
	close(other);
	close(writer);
}

static void open_files(void)
{
	int one = again(O_RDWR), two = again(O_RDWR);
	struct flock got = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	works(lock(one, F_OFD_SETLK, F_WRLCK, 0, 10), "F_OFD_SETLK");
	fails(lock(two, F_OFD_SETLK, F_WRLCK, 5, 1), EAGAIN, "another open file of the same process is another owner");
	fails(lock(two, F_SETLK, F_WRLCK, 5, 1), EAGAIN, "so is the process itself");
	is(fcntl(two, F_OFD_GETLK, &got) == 0 ? got.l_pid : 0, -1, "which no process has");
	got.l_type = F_WRLCK;
	got.l_pid = 5;
	fails(fcntl(two, F_OFD_SETLK, &got), EINVAL, "a process is named");
	close(again(O_RDWR));
	is(seen(0, 1, F_RDLCK), F_WRLCK, "a close of another leaves it");
	is(IN_CHILD(_exit(lock(one, F_OFD_SETLK, F_WRLCK, 0, 20))), 0, "a child shares it");
	is(seen(15, 1, F_RDLCK), F_WRLCK, "and what it does to it stays");
	close(one);
	works(lock(two, F_OFD_SETLK, F_WRLCK, 0, 0), "its own last close gives it up");
	close(two);
}

static void caught(int signal)
{
	(void)signal;
}

/* Until the child is very likely to wait: it needs no luck to be right, only to be hard. */
static void pause_a_little(void)
{
	nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
}

static void waiting(void)
{
	int fd = again(O_RDWR), status, go[2];
	struct sigaction action = { .sa_handler = caught };
	pid_t child;
	char byte;

	if (pipe(go) != 0)
		return;
	lock(fd, F_SETLK, F_WRLCK, 0, 10);
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(lock(again(O_RDWR), F_SETLKW, F_WRLCK, 5, 10) == 0 ? 3 : 1);
	pause_a_little();
	is(waitpid(child, &status, WNOHANG), 0, "F_SETLKW waits");
	lock(fd, F_SETLK, F_UNLCK, 0, 0);
	waitpid(child, &status, 0);
	is(WEXITSTATUS(status), 3, "until it can be had");

	flock(fd, LOCK_EX);
	child = fork();
	if (child == 0) {
		sigaction(SIGUSR1, &action, NULL);
		if (write(go[1], "", 1) != 1)
			_exit(9);
		_exit(flock(again(O_RDWR), LOCK_SH) == -1 ? errno : 0);
	}
	is(read(go[0], &byte, 1), 1, "a child is about to wait");
	while (waitpid(child, &status, WNOHANG) == 0) {
		pause_a_little();
		kill(child, SIGUSR1);
	}
	is(WEXITSTATUS(status), EINTR, "flock waits until a signal comes");
	flock(fd, LOCK_UN);

	/* The child locks the second byte and waits for the first; then its parent asks for the second. */
	lock(fd, F_SETLK, F_WRLCK, 0, 1);
	child = fork();
	if (child == 0) {
		int mine = again(O_RDWR);

		lock(mine, F_SETLK, F_WRLCK, 1, 1);
		if (write(go[1], "", 1) != 1)
			_exit(9);
		_exit(lock(mine, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 4 : 1);
	}
	is(read(go[0], &byte, 1), 1, "a child has what we want");
	pause_a_little();
	fails(lock(fd, F_SETLKW, F_WRLCK, 1, 1), EDEADLK, "and wants what we have");
	lock(fd, F_SETLK, F_UNLCK, 0, 1);
	waitpid(child, &status, 0);
	is(WEXITSTATUS(status), 4, "it gets it");
	works(lock(fd, F_SETLK, F_WRLCK, 0, 0), "and its exit gives it up");
	close(fd);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, 1000) != 0)
		return 1;
	close(fd);
	whole();
	ranges();
	open_files();
	waiting();
	unlink(NAME);
	return done();
}
