/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Descriptors and pipes: duplicating, fcntl, closing, what pipes do at their limits, poll and select.
 */
#include "check.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>

static void duplicating(void)
{
	check("dup", dup(0));
	check("dup -1", dup(-1));
	check("dup 999", dup(999));
	check("dup2", dup2(0, 20));
	check("dup2 to itself", dup2(20, 20));
	check("dup2 a closed one to itself", dup2(21, 21));
	check("dup2 to -1", dup2(0, -1));
	check("dup2 past the limit", dup2(0, 1 << 20));
	check("dup3", dup3(0, 22, O_CLOEXEC));
	check("its FD_CLOEXEC", fcntl(22, F_GETFD));
	check("dup3 to itself", dup3(0, 0, 0));
	check("dup3, an unknown flag", dup3(0, 23, O_NONBLOCK));
	check("dup3 a closed one", dup3(99, 23, 0));
	check("dup2 clears FD_CLOEXEC", (dup2(0, 22), fcntl(22, F_GETFD)));
	check("F_DUPFD 10", fcntl(0, F_DUPFD, 10));
	check("F_DUPFD 10 again", fcntl(0, F_DUPFD, 10));
	check("F_DUPFD -1", fcntl(0, F_DUPFD, -1));
	check("F_DUPFD past the limit", fcntl(0, F_DUPFD, 1 << 20));
	check("F_DUPFD_CLOEXEC", fcntl(0, F_DUPFD_CLOEXEC, 30));
	check("F_DUPFD_CLOEXEC's flag", fcntl(30, F_GETFD));
	check("close", close(30));
	check("close again", close(30));
	check("close -1", close(-1));
	check("close_range backwards", close_range(10, 5, 0));
	check("close_range, an unknown flag", close_range(10, 20, 1));
	check("close_range, CLOSE_RANGE_CLOEXEC", close_range(10, 20, 4));
	check("flags after it", fcntl(20, F_GETFD));
	check("close_range", close_range(3, ~0u, 0));
	check("what is left of it", fcntl(20, F_GETFD));
}

static void flags(void)
{
	int fd = file_with("file", "x");

	check("F_SETFD 1", fcntl(fd, F_SETFD, 1));
	check("F_GETFD", fcntl(fd, F_GETFD));
	check("F_SETFD 3", fcntl(fd, F_SETFD, 3));
	check("F_GETFD then", fcntl(fd, F_GETFD));
	check("F_SETFD 2", fcntl(fd, F_SETFD, 2));
	check("F_GETFD at last", fcntl(fd, F_GETFD));
	check("F_SETFL everything", fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_NOATIME));
	check_text("F_GETFL", "%o", fcntl(fd, F_GETFL));
	check("F_SETFL the access mode", fcntl(fd, F_SETFL, O_WRONLY));
	check_text("F_GETFL then", "%o", fcntl(fd, F_GETFL));
	check("F_SETFL O_DIRECT", fcntl(fd, F_SETFL, O_DIRECT));
	check("F_SETFL O_ASYNC", fcntl(fd, F_SETFL, O_ASYNC));
	check_text("F_GETFL with O_ASYNC", "%o", fcntl(fd, F_GETFL));
	check("F_GETOWN", fcntl(fd, F_GETOWN));
	check("F_SETOWN", fcntl(fd, F_SETOWN, 0));
	check("F_GETSIG", fcntl(fd, F_GETSIG));
	check("F_SETSIG", fcntl(fd, F_SETSIG, 100));
	check("F_GETLEASE", fcntl(fd, F_GETLEASE));
	check("F_GETPIPE_SZ", fcntl(fd, F_GETPIPE_SZ));
	check("F_GET_SEALS", fcntl(fd, F_GET_SEALS));
	check("an unknown command", fcntl(fd, 9999, 0));
	check("-1", fcntl(-1, F_GETFD));
	check("-1, an unknown command", fcntl(-1, 9999, 0));
	close(fd);
}

static void table(void)
{
	struct rlimit before, few;
	int ends[2] = { -1, -1 };

	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 5, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	check("dup below the limit", dup(0));
	check("pipe with one place left", pipe(ends));
	check("the ends then", ends[0]);
	check("dup, the last place", dup(0));
	check("dup at the limit", dup(0));
	check_ok("open at the limit", open("/dev/null", O_RDONLY));
	check_ok("open what is not there, at the limit", open("/none", O_RDONLY));
	check_ok("create at the limit", open("at-limit", O_RDWR | O_CREAT, 0600));
	check("was it made", access("at-limit", F_OK));
	check("dup2 at the limit", dup2(0, 5));
	check("dup2 below the limit", dup2(0, 4));
	check("F_DUPFD at the limit", fcntl(0, F_DUPFD, 5));
	check("F_DUPFD below the limit", fcntl(0, F_DUPFD, 3));
	setrlimit(RLIMIT_NOFILE, &before);
	close_range(3, ~0u, 0);
}

static void pipes(void)
{
	static char bytes[1 << 17];
	int ends[2], count;
	struct stat stat;

	check("pipe", pipe(ends));
	check("read end", ends[0]);
	check("write end", ends[1]);
	check_text("read end's flags", "%o", fcntl(ends[0], F_GETFL));
	check_text("write end's flags", "%o", fcntl(ends[1], F_GETFL));
	check("pipe to a bad address", syscall(SYS_pipe2, BAD_ADDRESS, 0));
	check("pipe2, an unknown flag", pipe2(ends, 1));
	check("descriptors after those", lowest_free());
	check("fstat", fstat(ends[0], &stat));
	check_text("its mode", "%o", stat.st_mode);
	check("its links", (long)stat.st_nlink);
	check("its block size", stat.st_blksize);
	check("write", write(ends[1], "hello", 5));
	check("FIONREAD", ioctl(ends[0], FIONREAD, &count));
	check("how much there is", count);
	check("read", read(ends[0], bytes, 3));
	check("read the rest", read(ends[0], bytes, 100));
	check("write to the read end", write(ends[0], "x", 1));
	check("read from the write end", read(ends[1], bytes, 1));
	check("lseek", lseek(ends[0], 0, SEEK_SET));
	check("pread", pread(ends[0], bytes, 1, 0));
	check("pwrite", pwrite(ends[1], bytes, 1, 0));
	check_map("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ends[0], 0));
	check("ftruncate", ftruncate(ends[1], 0));
	check("F_GETPIPE_SZ", fcntl(ends[0], F_GETPIPE_SZ));
	check("F_SETPIPE_SZ", fcntl(ends[0], F_SETPIPE_SZ, 5000));
	check("F_SETPIPE_SZ 0", fcntl(ends[0], F_SETPIPE_SZ, 0));
	check("F_SETPIPE_SZ back", fcntl(ends[0], F_SETPIPE_SZ, 65536));
	check("F_SETFL O_NONBLOCK", fcntl(ends[0], F_SETFL, O_NONBLOCK));
	check("F_SETFL O_DIRECT", fcntl(ends[1], F_SETFL, O_DIRECT | O_NONBLOCK));
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	check("read nothing", read(ends[0], bytes, 1));
	check("read no bytes", read(ends[0], bytes, 0));
	check("write more than fits", write(ends[1], bytes, sizeof(bytes)));
	check("write again", write(ends[1], bytes, 1));
	check("read a page", read(ends[0], bytes, 4096));
	check("write a page", write(ends[1], bytes, 4096));
	check("write from a bad address", (read(ends[0], bytes, 4096), write(ends[1], BAD_ADDRESS, 1)));
	check("read to a bad address", read(ends[0], BAD_ADDRESS, 1));
	check("open the read end through /proc", ({
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
		count = open(path, O_RDONLY | O_NONBLOCK);
		count < 0 ? -1 : 0;
	}));
	check_true("reading there", read(count, bytes, 1) == 1);
	close(count);
	close(ends[1]);
	while (read(ends[0], bytes, sizeof(bytes)) > 0)
		;
	check("read after the writer has gone", read(ends[0], bytes, 1));
	close(ends[0]);
	pipe(ends);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	check("write after the reader has gone", write(ends[1], "x", 1));
	check("write nothing after the reader has gone", write(ends[1], "x", 0));
	signal(SIGPIPE, SIG_DFL);
	close_range(3, ~0u, 0);
}

static int writes_to_nobody(void)
{
	int ends[2];

	pipe(ends);
	close(ends[0]);
	return (int)write(ends[1], "x", 1);
}

static void named_pipes(void)
{
	int reader, writer;
	char byte;

	unlink("fifo");
	check("mkfifo", mkfifo("fifo", 0600));
	check_ok("open for writing without a reader", open("fifo", O_WRONLY | O_NONBLOCK));
	reader = (int)check_ok("open for reading without a writer", open("fifo", O_RDONLY | O_NONBLOCK));
	check("read without a writer", read(reader, &byte, 1));
	writer = (int)check_ok("open for writing", open("fifo", O_WRONLY | O_NONBLOCK));
	check("read an empty one", read(reader, &byte, 1));
	check("write", write(writer, "x", 1));
	check("read", read(reader, &byte, 1));
	check_ok("open for both", open("fifo", O_RDWR | O_NONBLOCK));
	close_range(3, ~0u, 0);
}

static void polling(void)
{
	int ends[2], file = file_with("file", "x");
	struct pollfd fds[3];
	struct timespec wrong = { 0, 2000000000 }, zero = { 0, 0 };
	fd_set set;

	pipe(ends);
	fds[0] = (struct pollfd){ ends[0], POLLIN, 0 };
	check("an empty pipe", poll(fds, 1, 0));
	fds[0] = (struct pollfd){ ends[1], POLLOUT, 0 };
	check("its write end", poll(fds, 1, 0));
	write(ends[1], "x", 1);
	fds[0] = (struct pollfd){ ends[0], POLLIN | POLLOUT | POLLPRI | POLLRDNORM, 0 };
	check("a pipe with a byte", poll(fds, 1, 0));
	check_text("its events", "%x", fds[0].revents);
	fds[0] = (struct pollfd){ file, POLLIN | POLLOUT | POLLPRI, 0 };
	check("a file", poll(fds, 1, 0));
	check_text("a file's events", "%x", fds[0].revents);
	fds[0] = (struct pollfd){ 0, POLLIN | POLLOUT, 0 };
	check("/dev/null", poll(fds, 1, 0));
	check_text("/dev/null's events", "%x", fds[0].revents);
	fds[0] = (struct pollfd){ open(".", O_RDONLY), POLLIN, 0 };
	check("a directory", poll(fds, 1, 0));
	fds[0] = (struct pollfd){ open(".", O_PATH), POLLIN, 0 };
	check("O_PATH", poll(fds, 1, 0));
	check_text("O_PATH's events", "%x", fds[0].revents);
	fds[0] = (struct pollfd){ 99, POLLIN, 0 };
	check("a closed descriptor", poll(fds, 1, 0));
	check_text("a closed descriptor's events", "%x", fds[0].revents);
	fds[0] = (struct pollfd){ -1, POLLIN, 7 };
	check("descriptor -1", poll(fds, 1, 0));
	check_text("descriptor -1's events", "%x", fds[0].revents);
	check("nothing", poll(NULL, 0, 0));
	check("a bad address", poll(BAD_ADDRESS, 1, 0));
	check("too many", poll(fds, 1 << 21, 0));
	check("ppoll, a wrong time", ppoll(fds, 0, &wrong, NULL));
	check("ppoll, a wrong mask size", syscall(SYS_ppoll, fds, 0, &zero, fds, 3));
	check("ppoll, a bad time", syscall(SYS_ppoll, fds, 0, BAD_ADDRESS, NULL, 8));
	close(ends[1]);
	fds[0] = (struct pollfd){ ends[0], POLLIN, 0 };
	poll(fds, 1, 0);
	check_text("a pipe without a writer", "%x", fds[0].revents);
	read(ends[0], &set, 1);
	poll(fds, 1, 0);
	check_text("an empty pipe without a writer", "%x", fds[0].revents);
	close_range(3, ~0u, 0);
	pipe(ends);
	close(ends[0]);
	fds[0] = (struct pollfd){ ends[1], POLLOUT, 0 };
	poll(fds, 1, 0);
	check_text("a pipe without a reader", "%x", fds[0].revents);
	FD_ZERO(&set);
	FD_SET(0, &set);
	check("select", select(1, &set, NULL, NULL, &(struct timeval){ 0, 0 }));
	FD_ZERO(&set);
	FD_SET(20, &set);
	check("select of a closed descriptor", select(21, &set, NULL, NULL, &(struct timeval){ 0, 0 }));
	FD_ZERO(&set);
	FD_SET(999, &set);
	check("select of one past the table", select(1000, &set, NULL, NULL, &(struct timeval){ 0, 0 }));
	check("select of -1", select(-1, NULL, NULL, NULL, &(struct timeval){ 0, 0 }));
	check("select of nothing", select(0, NULL, NULL, NULL, &(struct timeval){ 0, 0 }));
	check("select, a bad address", select(1, BAD_ADDRESS, NULL, NULL, &(struct timeval){ 0, 0 }));
	check("pselect, a wrong time", pselect(0, NULL, NULL, NULL, &wrong, NULL));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "duplicating";
	duplicating();
	subject = "flags";
	flags();
	subject = "table";
	table();
	subject = "pipes";
	pipes();
	check_child("writing to nobody", writes_to_nobody);
	subject = "named pipes";
	named_pipes();
	subject = "polling";
	polling();
	return finish();
}
