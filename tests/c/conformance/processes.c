/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Processes: fork and its relatives, waiting in every way, groups and sessions, limits and identities, execve.
 */
#include "check.h"
#include <linux/sched.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>

static pid_t child_that(int (*run)(void))
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	if (pid < 0)
		give_up("fork");
	return pid;
}

static int exits_with_7(void)
{
	return 7;
}

static int kills_itself(void)
{
	raise(SIGKILL);
	return 1;
}

static int aborts(void)
{
	abort();
}

static int waits_for_ever(void)
{
	for (;;)
		pause();
	return 0;
}

static int divides(void)
{
	raise(SIGFPE);
	return 1;
}

static void waiting(void)
{
	int status = 0;
	siginfo_t info;
	struct rusage usage;
	pid_t pid, other;

	check("without children", wait(&status));
	check("waitpid 12345", waitpid(12345, &status, 0));
	check_child("exit 7", exits_with_7);
	check_child("killed", kills_itself);
	check_child("aborted", aborts);
	check_child("SIGFPE", divides);
	pid = child_that(exits_with_7);
	check_true("wait4 with rusage", wait4(pid, &status, 0, &usage) == pid);
	pid = child_that(waits_for_ever);
	check("WNOHANG", waitpid(pid, &status, WNOHANG));
	check("an unknown option", waitpid(pid, &status, 0x80));
	check("waitpid to a bad address", (kill(pid, SIGKILL), syscall(SYS_wait4, pid, BAD_ADDRESS, 0, NULL)));
	check("and again", waitpid(pid, &status, 0));
	pid = child_that(exits_with_7);
	check("waitid WNOWAIT", waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	check("its code", info.si_code);
	check("its status", info.si_status);
	check("its signal", info.si_signo);
	check_true("its process", info.si_pid == pid);
	check("its user", info.si_uid);
	check("waitid again", waitid(P_PID, pid, &info, WEXITED));
	check("waitid once more", waitid(P_PID, pid, &info, WEXITED));
	check("waitid without options", waitid(P_ALL, 0, &info, 0));
	check("waitid, an unknown type", waitid(9, 0, &info, WEXITED));
	check("waitid, process 0", waitid(P_PID, 0, &info, WEXITED));
	check("waitid, process -1", waitid(P_PID, -1, &info, WEXITED));
	check("waitid, nobody's group", waitid(P_PGID, 12345, &info, WEXITED));
	pid = child_that(kills_itself);
	waitid(P_PID, pid, &info, WEXITED);
	check("a killed one's code", info.si_code);
	check("a killed one's status", info.si_status);
	pid = child_that(waits_for_ever);
	memset(&info, 0x55, sizeof(info));
	check("waitid WNOHANG", waitid(P_PID, pid, &info, WEXITED | WNOHANG));
	check("its process then", info.si_pid);
	kill(pid, SIGSTOP);
	check_true("WUNTRACED", waitpid(pid, &status, WUNTRACED) == pid);
	check_status("stopped", status);
	check("WUNTRACED again", waitpid(pid, &status, WUNTRACED | WNOHANG));
	kill(pid, SIGCONT);
	check_true("WCONTINUED", waitpid(pid, &status, WCONTINUED) == pid);
	check_status("continued", status);
	kill(pid, SIGSTOP);
	check("waitid WSTOPPED", waitid(P_PID, pid, &info, WSTOPPED));
	check("a stopped one's code", info.si_code);
	check("a stopped one's status", info.si_status);
	kill(pid, SIGCONT);
	check("waitid WCONTINUED", waitid(P_PID, pid, &info, WCONTINUED));
	check("a continued one's code", info.si_code);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	check_status("killed then", status);
	pid = child_that(exits_with_7);
	other = child_that(exits_with_7);
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	waitid(P_PID, other, &info, WEXITED | WNOWAIT);
	check_true("any child, the first", waitpid(-1, &status, 0) == pid);
	check_true("any child of the group", waitpid(0, &status, 0) == other);
	check("__WCLONE", waitpid(-1, &status, __WCLONE));
	signal(SIGCHLD, SIG_IGN);
	pid = child_that(exits_with_7);
	check("with SIGCHLD ignored", waitpid(pid, &status, 0));
	signal(SIGCHLD, SIG_DFL);
}

static int grandchild_pipe[2];

static int leaves_an_orphan(void)
{
	if (fork() == 0) {
		char byte;

		/* Until the parent has gone. */
		read(grandchild_pipe[0], &byte, 1);
		_exit(0);
	}
	return 0;
}

static int vfork_child(void)
{
	static volatile int seen;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		seen = 5;
		_exit(3);
	}
	waitpid(pid, &status, 0);
	return seen + WEXITSTATUS(status);
}

static int thread(void *argument)
{
	*(int *)argument = 6;
	return 4;
}

static void cloning(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct clone_args args = { .exit_signal = SIGCHLD };
	int shared = 0, status = 0;
	pid_t pid;

	check_child("vfork", vfork_child);
	pid = clone(thread, stack + sizeof(stack), CLONE_VM | SIGCHLD, &shared);
	waitpid(pid, &status, 0);
	check("clone with CLONE_VM", shared);
	check_status("its status", status);
	shared = 0;
	pid = clone(thread, stack + sizeof(stack), SIGCHLD, &shared);
	waitpid(pid, &status, 0);
	check("clone without it", shared);
	pid = clone(thread, stack + sizeof(stack), CLONE_VM, &shared);
	check("waiting for a clone without a signal", waitpid(pid, &status, 0));
	check_true("with __WALL", waitpid(pid, &status, __WALL) == pid);
	check("CLONE_SIGHAND alone", syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0));
	check("CLONE_THREAD alone", syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
	check("CLONE_THREAD and CLONE_SIGHAND", syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0));
	check("CLONE_FS and CLONE_NEWNS", syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0));
	check("clone3, too small", syscall(SYS_clone3, &args, 8));
	check("clone3, too large", syscall(SYS_clone3, &args, 1 << 20));
	check("clone3, a bad address", syscall(SYS_clone3, BAD_ADDRESS, sizeof(args)));
	args.exit_signal = 65;
	check("clone3, an unknown signal", syscall(SYS_clone3, &args, sizeof(args)));
	args = (struct clone_args){ .exit_signal = SIGCHLD, .stack = 4096 };
	check("clone3, a stack without a size", syscall(SYS_clone3, &args, sizeof(args)));
	args = (struct clone_args){ .exit_signal = SIGCHLD, .flags = CLONE_DETACHED };
	check("clone3, CLONE_DETACHED", syscall(SYS_clone3, &args, sizeof(args)));
	args = (struct clone_args){ .exit_signal = SIGCHLD };
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(9);
	waitpid(pid, &status, 0);
	check_status("clone3", status);
	pipe(grandchild_pipe);
	check_child("leaving an orphan", leaves_an_orphan);
	close(grandchild_pipe[0]);
	close(grandchild_pipe[1]);
}

static int session_leader(void)
{
	pid_t self = getpid();

	if (setsid() != self || getsid(0) != self || getpgid(0) != self)
		return 1;
	if (setsid() != -1 || errno != EPERM)
		return 2;
	if (setpgid(0, 0) != -1 || errno != EPERM)
		return 3;
	return 0;
}

static int joins_another_session(void)
{
	pid_t other = child_that(waits_for_ever);
	int result;

	setsid();
	result = setpgid(other, 0) == -1 ? errno : 0;
	kill(other, SIGKILL);
	wait(NULL);
	return result == EPERM;
}

static int orphaned_group(void)
{
	/* A stop signal but SIGSTOP does not stop a member of an orphaned group. */
	setsid();
	raise(SIGTSTP);
	return 11;
}

static void groups(void)
{
	pid_t pid = child_that(waits_for_ever);

	check_true("getpgrp", getpgrp() > 0);
	check_true("getpgid of oneself", getpgid(0) == getpgrp());
	check("getpgid of nobody", getpgid(123456));
	check("getpgid of -1", getpgid(-1));
	check("getsid of nobody", getsid(123456));
	check("setpgid of a child", setpgid(pid, pid));
	check_true("its group", getpgid(pid) == pid);
	check("setpgid back", setpgid(pid, getpgrp()));
	check("setpgid to nobody's group", setpgid(pid, 123456));
	check("setpgid to -1", setpgid(pid, -1));
	check("setpgid of nobody", setpgid(123456, 0));
	check("setpgid of the parent", setpgid(getppid(), 0));
	setpgid(pid, pid);
	check("kill the group", kill(-pid, 0));
	check("kill the group, SIGKILL", kill(-pid, SIGKILL));
	waitpid(pid, NULL, 0);
	check("kill it again", kill(-pid, 0));
	check_child("a session", session_leader);
	check_child("another session's child", joins_another_session);
	check_child("SIGTSTP in an orphaned group", orphaned_group);
}

static void identities(void)
{
	gid_t list[8];
	uid_t real, effective, saved;

	check("getuid", getuid());
	check("getegid", getegid());
	check("getgroups", getgroups(8, list));
	check("getgroups 0", getgroups(0, NULL));
	check("getgroups -1", getgroups(-1, list));
	check("getresuid", getresuid(&real, &effective, &saved));
	check("getresuid to a bad address", syscall(SYS_getresuid, BAD_ADDRESS, BAD_ADDRESS, BAD_ADDRESS));
	check("setuid 0", setuid(0));
	check("setuid -1", setuid(-1));
	check("setresuid -1", setresuid(-1, -1, -1));
	check("setreuid 0", setreuid(0, 0));
	check("setgroups none", setgroups(0, NULL));
	check("setgroups too many", syscall(SYS_setgroups, 65537, list));
	check("setgroups, a bad address", syscall(SYS_setgroups, 1, BAD_ADDRESS));
}

static void limits(void)
{
	struct rlimit limit, other;

	check("getrlimit", getrlimit(RLIMIT_NOFILE, &limit));
	check("descriptors", (long)limit.rlim_cur);
	check("descriptors at most", (long)limit.rlim_max);
	getrlimit(RLIMIT_STACK, &limit);
	check("stack", (long)limit.rlim_cur);
	getrlimit(RLIMIT_CORE, &limit);
	check("core", (long)limit.rlim_cur);
	getrlimit(RLIMIT_AS, &limit);
	check_true("memory is unlimited", limit.rlim_cur == RLIM_INFINITY);
	check("limit 16", getrlimit(16, &limit));
	check("limit -1", getrlimit(-1, &limit));
	check("getrlimit to a bad address", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, BAD_ADDRESS));
	check("setrlimit from a bad address", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, BAD_ADDRESS, NULL));
	limit = (struct rlimit){ 20, 10 };
	check("more than at most", setrlimit(RLIMIT_NOFILE, &limit));
	limit = (struct rlimit){ 10, 1ul << 40 };
	check("more descriptors than any", setrlimit(RLIMIT_NOFILE, &limit));
	getrlimit(RLIMIT_CORE, &other);
	check("prlimit of a process that is not there", prlimit(123456, RLIMIT_CORE, NULL, &other));
	check("prlimit of oneself", prlimit(getpid(), RLIMIT_CORE, NULL, &other));
	getrlimit(RLIMIT_FSIZE, &other);
	limit = (struct rlimit){ 5, other.rlim_max };
	setrlimit(RLIMIT_FSIZE, &limit);
	signal(SIGXFSZ, SIG_IGN);
	check("write up to RLIMIT_FSIZE", write(open("size", O_RDWR | O_CREAT | O_TRUNC, 0600), "0123456789", 10));
	check("write past RLIMIT_FSIZE", write(open("size", O_WRONLY | O_APPEND), "x", 1));
	check("ftruncate past RLIMIT_FSIZE", ftruncate(open("size", O_RDWR), 6));
	setrlimit(RLIMIT_FSIZE, &other);
	signal(SIGXFSZ, SIG_DFL);
	close_range(3, ~0u, 0);
}

static void other_calls(void)
{
	struct utsname name;
	struct rusage usage;
	char comm[16] = "";
	struct tms times_used;
	cpu_set_t cpus;

	check("uname", uname(&name));
	check_text("system", "%s", name.sysname);
	check_text("machine", "%s", name.machine);
	check("uname to a bad address", syscall(SYS_uname, BAD_ADDRESS));
	check("getrusage", getrusage(RUSAGE_SELF, &usage));
	check("getrusage, an unknown kind", getrusage(7, &usage));
	check_true("times", times(&times_used) >= 0);
	check("PR_SET_NAME", prctl(PR_SET_NAME, "a-name-that-is-too-long"));
	check("PR_GET_NAME", prctl(PR_GET_NAME, comm));
	check_text("the name", "%s", comm);
	check("PR_SET_NAME, a bad address", prctl(PR_SET_NAME, BAD_ADDRESS));
	check("PR_SET_PDEATHSIG", prctl(PR_SET_PDEATHSIG, 65));
	check("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE));
	check("PR_SET_DUMPABLE 7", prctl(PR_SET_DUMPABLE, 7));
	check("PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	check("PR_SET_NO_NEW_PRIVS 0", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	check("an unknown prctl", prctl(99999));
	check("getpriority", getpriority(PRIO_PROCESS, 0));
	check("getpriority, an unknown kind", getpriority(9, 0));
	check("getpriority of nobody", getpriority(PRIO_PROCESS, 123456));
	check("setpriority 5", setpriority(PRIO_PROCESS, 0, 5));
	check("getpriority then", getpriority(PRIO_PROCESS, 0));
	check("setpriority 0", setpriority(PRIO_PROCESS, 0, 0));
	check("sched_yield", sched_yield());
	check("sched_getscheduler", sched_getscheduler(0));
	check("sched_getscheduler of nobody", sched_getscheduler(123456));
	check("sched_getscheduler of -1", sched_getscheduler(-1));
	check("sched_get_priority_max", sched_get_priority_max(SCHED_FIFO));
	check("sched_get_priority_min", sched_get_priority_min(SCHED_FIFO));
	check("sched_get_priority_max, unknown", sched_get_priority_max(99));
	check("sched_getparam to a bad address", syscall(SYS_sched_getparam, 0, NULL));
	CPU_ZERO(&cpus);
	check("sched_setaffinity to nothing", sched_setaffinity(0, sizeof(cpus), &cpus));
	check("sched_getaffinity, too small", syscall(SYS_sched_getaffinity, 0, 1, &cpus));
	check("getcpu to a bad address", syscall(SYS_getcpu, BAD_ADDRESS, NULL, NULL));
	check("personality", syscall(SYS_personality, 0xffffffff));
	check("getrandom, an unknown flag", syscall(SYS_getrandom, comm, 1, 8));
	check("getrandom to a bad address", syscall(SYS_getrandom, BAD_ADDRESS, 8, 0));
	check("getrandom of nothing", syscall(SYS_getrandom, comm, 0, 0));
	check("sysinfo to a bad address", syscall(SYS_sysinfo, BAD_ADDRESS));
	check("set_robust_list, a wrong size", syscall(SYS_set_robust_list, NULL, 8));
	check("membarrier, query", syscall(SYS_membarrier, 0, 0, 0) > 0);
	check("membarrier, unknown", syscall(SYS_membarrier, 1 << 20, 0, 0));
	check("a call that is not there", syscall(5000));
	check("call -1", syscall(-1));
}

int main(void)
{
	begin();
	subject = "wait";
	waiting();
	subject = "clone";
	cloning();
	subject = "groups";
	groups();
	subject = "identity";
	identities();
	subject = "limits";
	limits();
	subject = "other";
	other_calls();
	return finish();
}
