/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Signals: actions and masks, sending to whom and what, what a handler is told, alternate stacks, waiting.
 */
#include "check.h"
#include <sched.h>
#include <setjmp.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t count, last, code, value;
static volatile pid_t sender;

static void counted(int signal)
{
	count++;
	last = signal;
}

static void told(int signal, siginfo_t *info, void *context)
{
	(void)context;
	count++;
	last = signal;
	code = info->si_code;
	sender = info->si_pid;
	value = info->si_value.sival_int;
}

static void actions(void)
{
	struct sigaction action = { .sa_handler = counted }, old;

	check("sigaction", sigaction(SIGUSR1, &action, &old));
	check_true("the default before", old.sa_handler == SIG_DFL);
	sigaction(SIGUSR1, NULL, &old);
	check_true("the handler afterwards", old.sa_handler == counted);
	check("SIGKILL", sigaction(SIGKILL, &action, NULL));
	check("SIGSTOP", sigaction(SIGSTOP, &action, NULL));
	check("SIGKILL, looked at", sigaction(SIGKILL, NULL, &old));
	check("signal 0", syscall(SYS_rt_sigaction, 0, NULL, NULL, 8));
	check("signal 65", syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
	check("signal 64", syscall(SYS_rt_sigaction, 64, NULL, NULL, 8));
	check("a wrong size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4));
	check("from a bad address", syscall(SYS_rt_sigaction, SIGUSR1, BAD_ADDRESS, NULL, 8));
	check("to a bad address", syscall(SYS_rt_sigaction, SIGUSR1, NULL, BAD_ADDRESS, 8));
	check("raise", raise(SIGUSR1));
	check("how often it ran", count);
	action.sa_flags = (int)SA_RESETHAND;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &old);
	check_true("SA_RESETHAND", old.sa_handler == SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	count = 0;
	raise(SIGUSR1);
	check("ignored", count);
	check_text("an unknown flag", "%x", ({
		action.sa_flags = 1 << 12 | SA_NODEFER;
		sigaction(SIGUSR1, &action, NULL);
		sigaction(SIGUSR1, NULL, &old);
		old.sa_flags & ~0x04000000;
	}));
}

static void sending(void)
{
	union sigval with = { .sival_int = 77 };
	struct sigaction action = { .sa_sigaction = told, .sa_flags = SA_SIGINFO };
	siginfo_t info = { .si_code = SI_QUEUE };

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	check("kill oneself", kill(getpid(), SIGUSR1));
	check_text("code of kill", "%d", code);
	check_true("its sender", sender == getpid());
	check("tgkill", syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	check_text("code of tgkill", "%d", code);
	check("tkill", syscall(SYS_tkill, getpid(), SIGUSR1));
	check("sigqueue", sigqueue(getpid(), SIGRTMIN, with));
	check_text("code of sigqueue", "%d", code);
	check("its value", value);
	check("kill 0", kill(getpid(), 0));
	check("kill 65", kill(getpid(), 65));
	check("kill -1 signal", kill(getpid(), -1));
	check("kill nobody", kill(123456, 0));
	check("kill nobody, 65", kill(123456, 65));
	check("kill nobody's group", kill(-123456, 0));
	check("kill the smallest number", kill((pid_t)0x80000000, 0));
	check("kill init, 0", kill(1, 0));
	check("tkill nobody", syscall(SYS_tkill, 123456, 0));
	check("tkill 0", syscall(SYS_tkill, 0, 0));
	check("tkill -1", syscall(SYS_tkill, -1, 0));
	check("tgkill another's thread", syscall(SYS_tgkill, 1, getpid(), 0));
	check("tgkill 0", syscall(SYS_tgkill, 0, getpid(), 0));
	check("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
	check("rt_sigqueueinfo, a bad address", syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, BAD_ADDRESS));
	info.si_code = SI_USER;
	check("rt_sigqueueinfo to init as the kernel", syscall(SYS_rt_sigqueueinfo, 1, 0, &info));
}

static void masking(void)
{
	sigset_t set, old, pending;
	struct sigaction action = { .sa_handler = counted };
	struct timespec zero = { 0, 0 }, wrong = { 0, -1 };
	siginfo_t info;

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGKILL);
	check("block", sigprocmask(SIG_BLOCK, &set, &old));
	check("SIGUSR1 was blocked", sigismember(&old, SIGUSR1));
	sigprocmask(SIG_BLOCK, NULL, &old);
	check("SIGUSR1 is blocked", sigismember(&old, SIGUSR1));
	check("SIGKILL is blocked", sigismember(&old, SIGKILL));
	count = 0;
	for (int i = 0; i < 3; i++)
		raise(SIGUSR1), raise(SIGRTMIN);
	check("handled while blocked", count);
	check("sigpending", sigpending(&pending));
	check("SIGUSR1 is pending", sigismember(&pending, SIGUSR1));
	check("SIGUSR2 is pending", sigismember(&pending, SIGUSR2));
	check("unblock", sigprocmask(SIG_UNBLOCK, &set, NULL));
	check("handled then, one ordinary and three queued", count);
	check("an unknown way", sigprocmask(9, &set, NULL));
	check("an unknown way without a set", sigprocmask(9, NULL, NULL));
	check("a wrong size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4));
	check("from a bad address", syscall(SYS_rt_sigprocmask, SIG_BLOCK, BAD_ADDRESS, NULL, 8));
	check("to a bad address", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, BAD_ADDRESS, 8));
	check("sigpending, too large", syscall(SYS_rt_sigpending, &pending, 16));
	check("sigpending, smaller", syscall(SYS_rt_sigpending, &pending, 4));
	sigprocmask(SIG_BLOCK, &set, NULL);
	check("sigtimedwait, none", sigtimedwait(&set, &info, &zero));
	raise(SIGUSR1);
	check("sigtimedwait", sigtimedwait(&set, &info, &zero));
	check("its code", info.si_code);
	check("sigtimedwait, a wrong time", sigtimedwait(&set, &info, &wrong));
	check("sigtimedwait, a wrong size", syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 4));
	kill(getpid(), SIGUSR1);
	raise(SIGRTMIN);
	check_true("the thread's own first", sigtimedwait(&set, NULL, &zero) == SIGRTMIN);
	check("then the process's", sigtimedwait(&set, NULL, &zero));
	kill(getpid(), SIGRTMIN);
	kill(getpid(), SIGUSR1);
	check("the lower first", sigtimedwait(&set, NULL, &zero));
	check_true("then the higher", sigtimedwait(&set, NULL, &zero) == SIGRTMIN);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	sigpending(&pending);
	check("pending after it is ignored", sigismember(&pending, SIGUSR1));
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	sigemptyset(&old);
	count = 0;
	check("sigsuspend", sigsuspend(&old));
	check("handled in it", count);
	sigprocmask(SIG_BLOCK, NULL, &old);
	check("the mask afterwards", sigismember(&old, SIGUSR1));
	check("sigsuspend, a wrong size", syscall(SYS_rt_sigsuspend, &set, 4));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static sigjmp_buf back;
static volatile uintptr_t fault_address;

static void fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	code = info->si_code;
	fault_address = (uintptr_t)info->si_addr;
	siglongjmp(back, signal);
}

static void faults(void)
{
	struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO };
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGTRAP, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	if ((last = sigsetjmp(back, 1)) == 0)
		*(volatile char *)0x1234 = 1;
	check_text("unmapped", "%s, code %d, at %lx", sigabbrev_np(last), code, (long)fault_address);
	if ((last = sigsetjmp(back, 1)) == 0)
		*(volatile char *)(page + 5) = 1;
	check_text("read-only", "%s, code %d, at %ld", sigabbrev_np(last), code, (long)(fault_address - (uintptr_t)page));
	if ((last = sigsetjmp(back, 1)) == 0)
		asm volatile("udf #0");
	check_text("an undefined instruction", "%s, code %d", sigabbrev_np(last), code);
	if ((last = sigsetjmp(back, 1)) == 0)
		asm volatile("brk #1");
	check_text("a breakpoint", "%s, code %d", sigabbrev_np(last), code);
	if ((last = sigsetjmp(back, 1)) == 0)
		asm volatile("msr vbar_el1, xzr");
	check_text("a privileged instruction", "%s, code %d", sigabbrev_np(last), code);
	if ((last = sigsetjmp(back, 1)) == 0)
		((void (*)(void))page)();
	check_text("executing data", "%s, code %d", sigabbrev_np(last), code);
	if ((last = sigsetjmp(back, 1)) == 0)
		((void (*)(void))(page + 2))();
	check_text("executing at an odd address", "%s, code %d", sigabbrev_np(last), code);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
}

static int faults_with_the_signal_blocked(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGSEGV, counted);
	*(volatile char *)0x1234 = 1;
	return 0;
}

static int faults_with_the_signal_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	*(volatile char *)0x1234 = 1;
	return 0;
}

static char stack[65536];
static volatile int on_it;

static void looks_at_its_stack(int signal)
{
	char here;
	stack_t now;

	(void)signal;
	sigaltstack(NULL, &now);
	on_it = &here >= stack && &here < stack + sizeof(stack) && now.ss_flags == SS_ONSTACK;
	code = sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL) == -1 ? errno : 0;
}

static void stacks(void)
{
	stack_t set = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;
	struct sigaction action = { .sa_handler = looks_at_its_stack, .sa_flags = SA_ONSTACK };

	check("sigaltstack", sigaltstack(&set, &old));
	check("disabled before", old.ss_flags);
	check("sigaltstack, looked at", sigaltstack(NULL, &old));
	check("its size", (long)old.ss_size);
	check("its flags", old.ss_flags);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	check_true("a handler on it", on_it);
	check_text("changing it while on it", "%s", strerrorname_np(code));
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	check_true("a handler that does not ask for it", on_it);
	set.ss_size = 100;
	check("too small", sigaltstack(&set, NULL));
	set = (stack_t){ .ss_sp = stack, .ss_size = sizeof(stack), .ss_flags = 8 };
	check("an unknown flag", sigaltstack(&set, NULL));
	check("from a bad address", syscall(SYS_sigaltstack, BAD_ADDRESS, NULL));
	set = (stack_t){ .ss_flags = SS_DISABLE };
	check("disable", sigaltstack(&set, NULL));
	sigaltstack(NULL, &old);
	check("disabled", old.ss_flags);
}

/* Waits until a process sleeps, as its state in /proc says. */
static void until_asleep(pid_t pid)
{
	char path[64], text[256], *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		int fd = open(path, O_RDONLY);
		ssize_t length = read(fd, text, sizeof(text) - 1);

		close(fd);
		text[length < 0 ? 0 : length] = '\0';
		end = strrchr(text, ')');
		sched_yield();
	} while (!end || end[2] != 'S');
}

static int interrupted_read(int flags)
{
	struct sigaction action = { .sa_handler = counted, .sa_flags = flags };
	int ends[2], result;
	pid_t parent = getpid(), pid;
	char byte = 0;

	pipe(ends);
	sigaction(SIGUSR1, &action, NULL);
	count = 0;
	pid = fork();
	if (pid == 0) {
		/* First while it sleeps in the read; where that is restarted, a byte ends it. */
		until_asleep(parent);
		kill(parent, SIGUSR1);
		until_asleep(parent);
		_exit(write(ends[1], "x", 1) != 1);
	}
	result = (int)read(ends[0], &byte, 1);
	result = result == 1 ? byte : -errno;
	waitpid(pid, NULL, 0);
	close(ends[0]);
	close(ends[1]);
	return result;
}

static int interrupted_sleep(void)
{
	struct sigaction action = { .sa_handler = counted, .sa_flags = SA_RESTART };
	struct timespec long_time = { 100, 0 }, left = { 0, 0 };
	pid_t parent = getpid(), pid;
	int result;

	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	if (pid == 0) {
		until_asleep(parent);
		_exit(kill(parent, SIGUSR1));
	}
	result = nanosleep(&long_time, &left) == -1 ? errno : 0;
	waitpid(pid, NULL, 0);
	return result == EINTR && left.tv_sec > 90;
}

static void interrupting(void)
{
	check_text("a read without SA_RESTART", "%s", strerrorname_np(-interrupted_read(0)) ?: "read");
	check("its handler", count);
	check_text("a read with SA_RESTART", "%s", strerrorname_np(-interrupted_read(SA_RESTART)) ?: "read");
	check("its handler then", count);
	check_true("a sleep, with what is left", interrupted_sleep());
}

static volatile int depth, deepest, more;

static void nests(int signal)
{
	if (++depth > deepest)
		deepest = depth;
	if (more-- > 0)
		raise(signal);
	depth--;
}

static int nested(int flags)
{
	struct sigaction action = { .sa_handler = nests, .sa_flags = flags };

	sigaction(SIGUSR1, &action, NULL);
	deepest = 0;
	more = 2;
	raise(SIGUSR1);
	return deepest;
}

static int child_keeps(void)
{
	struct sigaction action;
	sigset_t mask, pending;

	sigaction(SIGUSR2, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigpending(&pending);
	return (action.sa_handler == counted) | sigismember(&mask, SIGUSR2) << 1 | sigismember(&pending, SIGUSR2) << 2;
}

static void inheriting(void)
{
	sigset_t set;

	signal(SIGUSR2, counted);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	check_child("a child has handler and mask, nothing pending", child_keeps);
	signal(SIGUSR2, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int dies_of(int signal)
{
	raise(signal);
	return 0;
}

static void defaults(void)
{
	char name[32];

	for (int signal = 1; signal < 32; signal++) {
		int status;
		pid_t pid;

		snprintf(name, sizeof(name), "%s", sigabbrev_np(signal) ?: "?");
		pid = fork();
		if (pid == 0)
			_exit(dies_of(signal));
		waitpid(pid, &status, WUNTRACED);
		check_status(name, status & ~0x80);
		if (WIFSTOPPED(status)) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
	}
}

static void timers(void)
{
	struct itimerval timer = { { 0, 0 }, { 0, 1000 } }, wrong = { { 0, 0 }, { 0, 2000000 } }, old;
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	check("alarm", alarm(100));
	check("alarm off", alarm(0));
	check("setitimer", setitimer(ITIMER_REAL, &timer, NULL));
	check("its signal", sigwaitinfo(&set, &info));
	check("its code", info.si_code);
	check("getitimer", getitimer(ITIMER_REAL, &old));
	check("what is left", old.it_value.tv_usec);
	check("setitimer, a wrong time", setitimer(ITIMER_REAL, &wrong, NULL));
	check("setitimer, an unknown timer", setitimer(9, &timer, NULL));
}

int main(void)
{
	begin();
	subject = "sigaction";
	actions();
	subject = "kill";
	sending();
	subject = "mask";
	masking();
	subject = "fault";
	faults();
	check_child("with the signal blocked", faults_with_the_signal_blocked);
	check_child("with the signal ignored", faults_with_the_signal_ignored);
	subject = "stack";
	stacks();
	subject = "interrupted";
	interrupting();
	subject = "nested";
	check("by default", nested(0));
	check("SA_NODEFER", nested(SA_NODEFER));
	subject = "fork";
	inheriting();
	subject = "default";
	signal(SIGUSR1, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	defaults();
	subject = "timer";
	timers();
	return finish();
}
