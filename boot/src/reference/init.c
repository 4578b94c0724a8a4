/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Process 1 on the reference kernel: mounts what Lastref's kernel mounts by itself, runs the program its arguments
 * name, writes what it prints on the serial line in the launcher's framing (boot/src/console.rs), and ends the
 * machine with the program's status, 128 + N where signal N killed it.
 *
 * The machine is ended by a semihosting call, which QEMU takes from user space when told to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ESCAPE 0x1e
#define CANNOT_RUN 126

static int console = -1;

static void write_all(const char *bytes, size_t count)
{
	while (count > 0) {
		ssize_t written = write(console, bytes, count);

		if (written <= 0)
			return;
		bytes += written;
		count -= written;
	}
}

/* Writes bytes to a channel, and leaves the line to the kernel's log. */
static void say(char channel, const char *bytes, size_t count)
{
	char frame[2] = { ESCAPE, channel };

	write_all(frame, sizeof(frame));
	for (size_t i = 0; i < count; i++) {
		size_t run = 0;

		while (i + run < count && bytes[i + run] != ESCAPE)
			run++;
		write_all(bytes + i, run);
		i += run;
		if (i < count)
			write_all((char[]){ ESCAPE, ESCAPE }, 2);
	}
	frame[1] = 'k';
	write_all(frame, sizeof(frame));
}

/* SYS_EXIT_EXTENDED of Arm's semihosting, with ADP_Stopped_ApplicationExit. */
static _Noreturn void power_off(int status)
{
	uint64_t block[2] = { 0x20026, (uint64_t)status };

	tcdrain(console);
	for (;;) {
		register uint64_t operation asm("x0") = 0x20;
		register uint64_t argument asm("x1") = (uint64_t)(uintptr_t)block;

		asm volatile("hlt #0xf000" : "+r"(operation) : "r"(argument) : "memory");
	}
}

static _Noreturn void fail(const char *what)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "init: %s: %s\n", what, strerror(errno));

	say('e', line, (size_t)length);
	power_off(CANNOT_RUN);
}

static void mount_on(const char *kind, const char *at)
{
	if (mount(kind, at, kind, 0, NULL) != 0)
		fail(at);
}

static void open_console(void)
{
	struct termios termios;

	console = open("/dev/ttyAMA0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (console < 0 || tcgetattr(console, &termios) != 0)
		fail("/dev/ttyAMA0");
	cfmakeraw(&termios);
	if (tcsetattr(console, TCSANOW, &termios) != 0)
		fail("/dev/ttyAMA0");
}

static pid_t start(char **argv, int out, int err)
{
	static char *const environment[] = { "PATH=/bin:/sbin", "HOME=/", "TERM=linux", NULL };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	setsid();
	if (dup2(open("/dev/null", O_RDONLY), 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(CANNOT_RUN);
	close_range(3, ~0u, 0);
	execve(argv[0], argv, environment);
	dprintf(2, "init: %s: %s\n", argv[0], strerror(errno));
	_exit(CANNOT_RUN);
}

/* Passes on what there is; 0 when nobody can write there any more, or nothing is there now. */
static int pass_on(int pipe, char channel)
{
	char bytes[4096];
	ssize_t count = read(pipe, bytes, sizeof(bytes));

	if (count > 0)
		say(channel, bytes, (size_t)count);
	return count > 0;
}

/* When this was reached, as Lastref's kernel says it in its log. */
static void say_since_reset(void)
{
	uint64_t ticks, frequency;
	char line[96];
	int length;

	asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	length = snprintf(line, sizeof(line), "lastref: first EL0 instruction at %llu ns since reset\n",
			  (unsigned long long)(ticks * (1000000000 / frequency)));
	mount_on("devtmpfs", "/dev");
	open_console();
	say('k', line, (size_t)length);
}

/* Reaps whoever has ended; the program's own status, or -1 while it runs. */
static int reap(pid_t program)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == program)
			return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return -1;
}

static void noted(int signal)
{
	(void)signal;
}

int main(int argc, char **argv)
{
	int out[2], err[2], status;
	sigset_t blocked, before;
	pid_t program;

	say_since_reset();
	mount_on("proc", "/proc");
	mount_on("sysfs", "/sys");
	mount_on("debugfs", "/sys/kernel/debug");
	umask(0);
	mkdir("/tmp", 01777);
	mkdir("/run", 01777);
	umask(022);
	if (argc < 2) {
		errno = EINVAL;
		fail("no program to run");
	}
	if (pipe2(out, O_CLOEXEC | O_NONBLOCK) != 0 || pipe2(err, O_CLOEXEC | O_NONBLOCK) != 0)
		fail("pipe");
	/* The ends that the program gets block, as anybody's do. */
	fcntl(out[1], F_SETFL, 0);
	fcntl(err[1], F_SETFL, 0);
	signal(SIGCHLD, noted);
	program = start(argv + 1, out[1], err[1]);
	if (program < 0)
		fail("fork");
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while ((status = reap(program)) < 0) {
		struct pollfd pipes[2] = { { out[0], POLLIN, 0 }, { err[0], POLLIN, 0 } };

		ppoll(pipes, 2, NULL, &before);
		if (pipes[0].revents)
			pass_on(out[0], 'o');
		if (pipes[1].revents)
			pass_on(err[0], 'e');
	}
	while (pass_on(out[0], 'o') || pass_on(err[0], 'e'))
		;
	power_off(status);
}
