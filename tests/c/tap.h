/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Test Anything Protocol for programs that run on this kernel and on Linux alike: one line a check, the plan last.
 */
#ifndef TAP_H
#define TAP_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Only glibc knows the names of errors; these are those that the programs expect. */
#ifndef __GLIBC__
static inline const char *strerrorname_np(int error)
{
	switch (error) {
#define TAP_NAME(name) case name: return #name;
		TAP_NAME(EPERM) TAP_NAME(ENOENT) TAP_NAME(ESRCH) TAP_NAME(EINTR) TAP_NAME(E2BIG) TAP_NAME(ENOEXEC)
		TAP_NAME(EBADF) TAP_NAME(ECHILD) TAP_NAME(EAGAIN) TAP_NAME(ENOMEM) TAP_NAME(EACCES) TAP_NAME(EFAULT)
		TAP_NAME(EBUSY) TAP_NAME(EINVAL) TAP_NAME(EMFILE) TAP_NAME(EFBIG) TAP_NAME(ESPIPE) TAP_NAME(EPIPE)
		TAP_NAME(ELOOP) TAP_NAME(ETIMEDOUT)
#undef TAP_NAME
	}
	return "?";
}
#endif

static int tap_run, tap_failed;

/* An address at which nothing is. The compiler must not know it. */
static void *volatile nowhere = (void *)8;

/* One check. */
__attribute__((format(printf, 2, 3))) static inline int ok(int held, const char *what, ...)
{
	va_list args;

	if (tap_run++ == 0)
		printf("TAP version 13\n");
	tap_failed += !held;
	printf("%sok %d - ", held ? "" : "not ", tap_run);
	va_start(args, what);
	vprintf(what, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	return held;
}

/* A number that has to be this one. */
static inline int is(long got, long want, const char *what)
{
	int held = ok(got == want, "%s", what);

	if (!held)
		printf("# got %ld, want %ld\n", got, want);
	return held;
}

/* A call that has to fail with this error: -1 and errno. */
static inline int fails(long result, int want, const char *what)
{
	int error = errno, held = ok(result == -1 && error == want, "%s: %s", what, strerrorname_np(want));

	if (!held)
		printf("# got %ld, %s\n", result, result == -1 ? strerrorname_np(error) : "no error");
	return held;
}

/* A call that has to succeed. */
static inline int works(long result, const char *what)
{
	int error = errno, held = ok(result != -1, "%s", what);

	if (!held)
		printf("# %s\n", strerrorname_np(error));
	return held;
}

static sigjmp_buf tap_back;

static void tap_caught(int signal)
{
	siglongjmp(tap_back, signal);
}

/* The signal that touching a byte raises, 0 for none; what is written is added to what is there. */
static inline int touch(volatile char *at, int add)
{
	struct sigaction action = { .sa_handler = tap_caught }, segv, bus;
	int signal;

	sigaction(SIGSEGV, &action, &segv);
	sigaction(SIGBUS, &action, &bus);
	signal = sigsetjmp(tap_back, 1);
	if (signal == 0) {
		if (add)
			*at += add;
		else
			(void)*at;
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return signal;
}

/* Runs `body` in a child, and gives its exit status, or 128 and the signal that killed it. */
#define IN_CHILD(...)                                                       \
	({                                                                  \
		int tap_status;                                             \
		fflush(stdout);                                             \
		pid_t tap_child = fork();                                   \
		if (tap_child == 0) {                                       \
			__VA_ARGS__;                                             \
			_exit(0);                                           \
		}                                                           \
		waitpid(tap_child, &tap_status, 0);                         \
		WIFEXITED(tap_status) ? WEXITSTATUS(tap_status)             \
				      : 128 + WTERMSIG(tap_status);         \
	})

static inline int done(void)
{
	printf("1..%d\n", tap_run);
	return tap_failed != 0 || tap_run == 0;
}

#endif
