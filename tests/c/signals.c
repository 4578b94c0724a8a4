/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Signals: actions, masks, restarted calls, alternate stacks, and what siginfo says.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>

#include "tap.h"

static volatile sig_atomic_t count, last;
static siginfo_t info;
static char *volatile where;

static void note(int signal)
{
	count++;
	last = signal;
}

static void note_info(int signal, siginfo_t *got, void *context)
{
	(void)context;
	note(signal);
	info = *got;
	where = __builtin_frame_address(0);
}

static void catch(int signal, int flags)
{
	struct sigaction action = { .sa_flags = flags };

	if (flags & SA_SIGINFO)
		action.sa_sigaction = note_info;
	else
		action.sa_handler = note;
	sigaction(signal, &action, NULL);
	count = last = 0;
	memset(&info, 0, sizeof(info));
}

static sigset_t set_of(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	return set;
}

static void actions(void)
{
	struct sigaction action = { .sa_handler = note, .sa_flags = SA_RESTART }, before;

	sigaddset(&action.sa_mask, SIGUSR2);
	is(sigaction(SIGUSR1, &action, &before), 0, "sigaction");
	ok(before.sa_handler == SIG_DFL, "it was the default");
	sigaction(SIGUSR1, NULL, &before);
	ok(before.sa_handler == note && (before.sa_flags & SA_RESTART) && sigismember(&before.sa_mask, SIGUSR2) == 1,
	   "it is what was set");
	raise(SIGUSR1);
	ok(count == 1 && last == SIGUSR1, "raise is handled at once");
	fails(sigaction(SIGKILL, &action, NULL), EINVAL, "nobody catches SIGKILL");
	fails(sigaction(SIGSTOP, &action, NULL), EINVAL, "or SIGSTOP");
	fails(kill(getpid(), 65), EINVAL, "there is no signal 65");
	fails(kill(0x3fffffff, 0), ESRCH, "nor such a process");
	catch(SIGUSR1, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &before);
	ok(before.sa_handler == SIG_DFL, "SA_RESETHAND handles once");
	is(IN_CHILD(raise(SIGUSR1)), 128 + SIGUSR1, "and the default kills");
	is(IN_CHILD(raise(SIGCHLD); raise(SIGCONT); raise(SIGURG); raise(SIGWINCH)), 0, "unless it is nothing");
	signal(SIGTERM, SIG_IGN);
	is(IN_CHILD(raise(SIGTERM)), 0, "what is ignored stays so in a child");
	signal(SIGTERM, SIG_DFL);
}

static void masks(void)
{
	sigset_t usr1 = set_of(SIGUSR1), before, pending;
	struct timespec soon = { .tv_nsec = 20000000 };
	siginfo_t got;
	int signal;

	catch(SIGUSR1, 0);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	raise(SIGUSR1);
	raise(SIGUSR1);
	sigpending(&pending);
	ok(count == 0 && sigismember(&pending, SIGUSR1) == 1, "what is blocked waits");
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	is(count, 1, "and comes once");
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	sigset_t all_but;
	sigfillset(&all_but);
	sigdelset(&all_but, SIGUSR1);
	fails(sigsuspend(&all_but), EINTR, "sigsuspend lets it through");
	sigprocmask(SIG_SETMASK, NULL, &pending);
	ok(count == 2 && sigismember(&pending, SIGUSR1) == 1, "and blocks it again");
	raise(SIGUSR1);
	is(sigwait(&usr1, &signal) | (signal != SIGUSR1), 0, "sigwait takes it");
	fails(sigtimedwait(&usr1, &got, &soon), EAGAIN, "and then there is none");
	is(count, 2, "without its handler");
	sigset_t none;
	sigfillset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	is(IN_CHILD(raise(SIGKILL)), 128 + SIGKILL, "SIGKILL cannot be blocked");
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int order[8], seen;

static void in_order(int signal, siginfo_t *got, void *context)
{
	(void)context;
	order[seen++ % 8] = signal * 100 + got->si_value.sival_int;
}

static void queued(void)
{
	struct sigaction action = { .sa_sigaction = in_order, .sa_flags = SA_SIGINFO };
	sigset_t set = set_of(SIGRTMIN), before;
	int first = SIGRTMIN * 100, second = (SIGRTMIN + 1) * 100;

	sigaddset(&set, SIGRTMIN + 1);
	sigfillset(&action.sa_mask);
	sigaction(SIGRTMIN, &action, NULL);
	sigaction(SIGRTMIN + 1, &action, NULL);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (int i = 1; i <= 2; i++) {
		sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = i });
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	ok(seen == 4 && order[0] == first + 1 && order[1] == first + 2 && order[2] == second + 1 &&
		   order[3] == second + 2,
	   "real-time signals are queued, lowest first");
}

static void senders(void)
{
	catch(SIGUSR1, SA_SIGINFO);
	kill(getpid(), SIGUSR1);
	ok(info.si_signo == SIGUSR1 && info.si_code == SI_USER && info.si_pid == getpid() && info.si_uid == getuid(),
	   "kill says who sent it");
	raise(SIGUSR1);
	ok(info.si_code == SI_TKILL && info.si_pid == getpid(), "so does raise");
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 77 });
	ok(info.si_code == SI_QUEUE && info.si_value.sival_int == 77, "sigqueue brings a value");
	catch(SIGCHLD, SA_SIGINFO);
	pid_t child = fork();
	if (child == 0)
		_exit(6);
	while (count == 0)
		usleep(1000);
	ok(info.si_code == CLD_EXITED && info.si_pid == child && info.si_status == 6, "SIGCHLD says how a child ended");
	waitpid(child, NULL, 0);
	count = 0;
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	kill(child, SIGTERM);
	while (count == 0)
		usleep(1000);
	ok(info.si_code == CLD_KILLED && info.si_status == SIGTERM, "or was killed");
	waitpid(child, NULL, 0);
	signal(SIGCHLD, SIG_DFL);
	int ends[2];
	catch(SIGPIPE, SA_SIGINFO);
	is(pipe(ends) | close(ends[0]), 0, "a pipe nobody reads");
	fails(write(ends[1], "x", 1), EPIPE, "cannot be written");
	ok(count == 1 && last == SIGPIPE, "and SIGPIPE says so");
	close(ends[1]);
	signal(SIGPIPE, SIG_DFL);
}

/* A child that sends its parent a signal, then writes to the pipe. */
static void restarted(int flags, long want, int error, const char *what)
{
	char byte;
	int ends[2];

	is(pipe(ends), 0, "pipe");
	catch(SIGUSR1, flags);
	pid_t child = fork();
	if (child == 0) {
		usleep(50000);
		kill(getppid(), SIGUSR1);
		usleep(50000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	long got = read(ends[0], &byte, 1);
	int failed = errno;
	ok(got == want && (got != -1 || failed == error) && count == 1, "%s", what);
	waitpid(child, NULL, 0);
	close(ends[0]);
	close(ends[1]);
}

static sigjmp_buf back;
static ucontext_t seen_context;

static void jump_back(int signal, siginfo_t *got, void *context)
{
	note_info(signal, got, context);
	seen_context = *(ucontext_t *)context;
	siglongjmp(back, 1);
}

static void fault_at(int signal, int code, volatile char *at, int write, const char *what)
{
	struct sigaction action = { .sa_sigaction = jump_back, .sa_flags = SA_SIGINFO }, before;

	sigaction(signal, &action, &before);
	count = 0;
	if (sigsetjmp(back, 1) == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
	}
	ok(count == 1 && last == signal && info.si_code == code && info.si_addr == at &&
		   seen_context.uc_mcontext.fault_address == (unsigned long)at,
	   "%s", what);
	sigaction(signal, &before, NULL);
}

static void faults(void)
{
	char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int file = open("/tmp/signals", O_RDWR | O_CREAT | O_TRUNC, 0600);

	fault_at(SIGSEGV, SEGV_MAPERR, nowhere, 0, "SIGSEGV, nothing is there");
	fault_at(SIGSEGV, SEGV_ACCERR, page, 1, "SIGSEGV, it may not be written");
	mprotect(page, 4096, PROT_NONE);
	fault_at(SIGSEGV, SEGV_ACCERR, page, 0, "or not even read");
	munmap(page, 8192);
	is(ftruncate(file, 4096), 0, "a file of a page");
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	fault_at(SIGBUS, BUS_ADRERR, page + 4096 + 8, 0, "SIGBUS behind its end");
	munmap(page, 8192);
	close(file);
	unlink("/tmp/signals");
	is(IN_CHILD(*(volatile char *)nowhere = 1), 128 + SIGSEGV, "a fault nobody handles kills");
	is(IN_CHILD(signal(SIGSEGV, SIG_IGN); *(volatile char *)nowhere = 1), 128 + SIGSEGV, "ignored or not");
	is(IN_CHILD(sigset_t set = set_of(SIGSEGV); sigprocmask(SIG_BLOCK, &set, NULL); *(volatile char *)nowhere = 1),
	   128 + SIGSEGV, "blocked or not");
	is(IN_CHILD(__asm__ volatile(".inst 0")), 128 + SIGILL, "an instruction that is none: SIGILL");
	is(IN_CHILD(__asm__ volatile("brk #1")), 128 + SIGTRAP, "a breakpoint: SIGTRAP");
}

static int deeper(int n)
{
	volatile char room[4096];

	room[0] = n;
	return n > 0 ? deeper(n + 1) + room[0] : 0;
}

static void stacks(void)
{
	static char space[65536];
	stack_t stack = { .ss_sp = space, .ss_size = sizeof(space) }, before;
	struct sigaction action = { .sa_sigaction = jump_back, .sa_flags = SA_SIGINFO | SA_ONSTACK };

	is(sigaltstack(&stack, &before), 0, "sigaltstack");
	ok(before.ss_flags & SS_DISABLE, "there was none");
	catch(SIGUSR1, SA_SIGINFO | SA_ONSTACK);
	raise(SIGUSR1);
	ok(where >= space && where < space + sizeof(space), "a handler runs there");
	catch(SIGUSR1, SA_SIGINFO);
	raise(SIGUSR1);
	ok(where < space || where >= space + sizeof(space), "only if it asked for it");
	sigaction(SIGSEGV, &action, NULL);
	count = 0;
	if (sigsetjmp(back, 1) == 0)
		deeper(1);
	ok(count == 1 && where >= space && where < space + sizeof(space), "a stack that ran over is survived");
	signal(SIGSEGV, SIG_DFL);
	stack.ss_size = 1;
	fails(sigaltstack(&stack, NULL), ENOMEM, "a stack that is too small");
	stack.ss_flags = SS_DISABLE;
	is(sigaltstack(&stack, NULL), 0, "and none again");
}

int main(void)
{
	actions();
	masks();
	queued();
	senders();
	restarted(SA_RESTART, 1, 0, "SA_RESTART reads on");
	restarted(0, -1, EINTR, "without it the read is interrupted");
	faults();
	stacks();
	return done();
}
