/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What the conformance programs share. A program makes calls and prints one line for each check:
 *
 *	NAME: RESULT
 *
 * where RESULT is a number, a word, or -1 and the error's name; `at most N` or `at least N` where another kernel may do
 * better, but no worse; and at its end, how many checks there were. The same program prints the same lines each time it
 * is run: no addresses, no times, no numbers that depend on what ran before. What stands in NAME.expected is what it
 * printed on Linux.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Calls are made wrongly on purpose here. */
#pragma GCC diagnostic ignored "-Wnonnull"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#pragma GCC diagnostic ignored "-Wunused-result"

#define UNUSED __attribute__((unused))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE 4096ul

/* An address that no program can have, and one that nothing is mapped at. */
#define KERNEL_ADDRESS ((void *)0xffff000000000000ul)
#define BAD_ADDRESS ((void *)8)

static int checks;

/* What the checks that follow are about: it stands before their names, and a slash. */
static const char *subject;

/* The program must end where its checks cannot be made: what it prints then is no transcript. */
static UNUSED _Noreturn void give_up(const char *what)
{
	printf("%s: cannot go on: %s\n", what, strerrorname_np(errno) ?: "?");
	fflush(stdout);
	_exit(2);
}

/* A check whose result is some text. */
static UNUSED __attribute__((format(printf, 2, 3))) void check_text(const char *name, const char *format, ...)
{
	va_list arguments;

	checks++;
	if (subject)
		printf("%s/", subject);
	printf("%s: ", name);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	/* So that a child of fork has nothing left to print. */
	fflush(stdout);
}

/* A check whose result is a call's: the number, or the error. Gives the result back. */
static UNUSED long check(const char *name, long result)
{
	int error = errno;

	if (result == -1)
		check_text(name, "-1 %s", strerrorname_np(error) ?: "?");
	else
		check_text(name, "%ld", result);
	errno = error;
	return result;
}

/* The same where the number is nobody's business: a descriptor, a process, an address. */
static UNUSED long check_ok(const char *name, long result)
{
	int error = errno;

	if (result == -1)
		check_text(name, "-1 %s", strerrorname_np(error) ?: "?");
	else
		check_text(name, "ok");
	errno = error;
	return result;
}

/* A mapping's address. */
static UNUSED void *check_map(const char *name, void *address)
{
	check_ok(name, address == MAP_FAILED ? -1 : 0);
	return address;
}

/* Something that was measured: the less, the better. */
static UNUSED void check_at_most(const char *name, unsigned long figure)
{
	check_text(name, "at most %lu", figure);
}

/* The more, the better. */
static UNUSED void check_at_least(const char *name, unsigned long figure)
{
	check_text(name, "at least %lu", figure);
}

/* Whether something holds. */
static UNUSED void check_true(const char *name, int holds)
{
	check_text(name, "%s", holds ? "yes" : "no");
}

/* How a process ended, from wait's status. */
static UNUSED void check_status(const char *name, int status)
{
	if (WIFEXITED(status))
		check_text(name, "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		check_text(name, "signal %s", sigabbrev_np(WTERMSIG(status)) ?: "?");
	else if (WIFSTOPPED(status))
		check_text(name, "stopped by %s", sigabbrev_np(WSTOPSIG(status)) ?: "?");
	else
		check_text(name, "%s", WIFCONTINUED(status) ? "continued" : "?");
}

/* How a child that runs the function ends; it exits with what the function returns. */
static UNUSED void check_child(const char *name, int (*run)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		give_up(name);
	check_status(name, status);
}

/* A file with this content; its descriptor, for reading and writing, at the start. */
static UNUSED int file_with(const char *path, const char *content)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content) || lseek(fd, 0, SEEK_SET) != 0)
		give_up(path);
	return fd;
}

/* The descriptor that comes next. */
static UNUSED int lowest_free(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* The same start for every program, whatever started it: no input, nothing open, an empty directory to work in. */
static UNUSED void begin(void)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) != 0)
		give_up("/dev/null");
	close_range(3, ~0u, 0);
	umask(022);
	if ((mkdir("/tmp/conformance", 0755) != 0 && errno != EEXIST) || chdir("/tmp/conformance") != 0)
		give_up("/tmp/conformance");
}

/* The same end. */
static UNUSED int finish(void)
{
	printf("%d checks\n", checks);
	fflush(stdout);
	return 0;
}

#endif
