/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Processes: many of them, their ends, groups and sessions, programs and scripts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tap.h"

static const char *self;

static void crowd(void)
{
	long sum = 0, waited = 0;
	int status;

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 100; i++)
			if (fork() == 0)
				_exit(i);
		while (wait(&status) > 0) {
			waited++;
			sum += WEXITSTATUS(status);
		}
	}
	ok(waited == 400 && sum == 4 * 4950, "400 children, each waited for");
	fails(wait(NULL), ECHILD, "then there is none");
}

/* A chain: each child forks the next, and adds one to what that says. */
static int chain(int left)
{
	return left == 0 ? 0 : IN_CHILD(_exit(chain(left - 1))) + 1;
}

static void memory(void)
{
	long *copied = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int bad = 0;

	for (int i = 0; i < 1 << 17; i += 512)
		copied[i] = i;
	for (int child = 0; child < 8; child++)
		bad += IN_CHILD(for (int i = 0; i < 1 << 17; i += 512) {
			if (copied[i] != i)
				_exit(1);
			copied[i] = -child;
		} shared[child] = child);
	for (int i = 0; i < 1 << 17; i += 512)
		bad += copied[i] != i;
	is(bad, 0, "children have copies, and parents do not see what they write there");
	is(shared[7], 7, "but for what is shared");
	is(chain(20), 20, "a chain of twenty");
}

static void waiting(void)
{
	siginfo_t info = { 0 };
	int status, ends[2];
	char byte = 0;

	if (pipe(ends))
		return;
	pid_t child = fork();

	if (child == 0) {
		raise(SIGSTOP);
		_exit(read(ends[0], &byte, 1) == 1 ? 4 : 5);
	}
	is(waitid(P_PID, child, &info, WSTOPPED | WEXITED), 0, "waitid sees a child stop");
	ok(info.si_code == CLD_STOPPED && info.si_pid == child && info.si_status == SIGSTOP, "and says how");
	is(waitpid(child, &status, WNOHANG | WUNTRACED), 0, "once");
	kill(child, SIGCONT);
	is(waitpid(child, &status, WCONTINUED), child, "waitpid sees it go on");
	ok(WIFCONTINUED(status), "and says so");
	ok(write(ends[1], &byte, 1) == 1 && !close(ends[0]) && !close(ends[1]), "then it is let end");
	is(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0, "it is left with WNOWAIT");
	ok(info.si_code == CLD_EXITED && info.si_status == 4 && info.si_signo == SIGCHLD, "to be seen again");
	is(waitid(P_PGID, getpgrp(), &info, WEXITED), 0, "by its group, too");
	fails(waitid(P_PID, child, &info, WEXITED), ECHILD, "and then it is gone");
	fails(waitid(P_ALL, 0, &info, 0), EINVAL, "waitid has to wait for something");
	fails(waitpid(-1, NULL, 0x40), EINVAL, "options there are none of");
	memset(&info, 1, sizeof(info));
	child = fork();
	if (child == 0)
		for (;;)
			pause();
	ok(waitid(P_PID, child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0 && info.si_signo == 0,
	   "WNOHANG says nothing of nobody");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	struct rusage usage = { .ru_maxrss = -1 };
	child = fork();
	if (child == 0)
		_exit(0);
	ok(wait4(child, NULL, 0, &usage) == child && usage.ru_maxrss >= 0, "wait4 tells what was used");
	/* Children whose end is told by no SIGCHLD are waited for only by who asks. */
	child = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (child == 0)
		_exit(3);
	fails(waitpid(child, &status, 0), ECHILD, "a child of clone is not wait's");
	ok(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 3, "but with __WALL it is");
}

static void groups(void)
{
	is(IN_CHILD(_exit(setsid() == getpid() && getsid(0) == getpid() && getpgrp() == getpid() ? 1 : 0)), 1,
	   "a child starts a session");
	is(IN_CHILD(setsid(); _exit(setsid() == -1 && errno == EPERM)), 1, "once");
	is(IN_CHILD(_exit(setpgid(0, 0) == 0 && getpgrp() == getpid())), 1, "or a group");
	is(IN_CHILD(setsid(); _exit(setpgid(0, 0) == -1 && errno == EPERM)), 1, "a session's leader stays where it is");
	fails(setpgid(0x3fffffff, 0), ESRCH, "nobody's group");
	fails(setpgid(0, -1), EINVAL, "no group of that number");
	fails(setpgid(0, 0x3ffffff), EPERM, "nor of that");
	is(IN_CHILD(kill(0, SIGURG); setpgid(0, 0); kill(0, SIGTERM)), 128 + SIGTERM, "a signal to one's own group");
	/* An orphan goes to whoever said it would take it. */
	is(IN_CHILD(prctl(PR_SET_CHILD_SUBREAPER, 1); int status; if (fork() == 0) {
		if (fork() == 0) {
			usleep(20000);
			_exit(8);
		}
		_exit(0);
	} wait(&status); wait(&status); _exit(WEXITSTATUS(status))), 8, "a subreaper inherits");
	is(IN_CHILD(int ends[2]; char byte; pipe(ends); if (fork() == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			signal(SIGUSR1, SIG_DFL);
			write(ends[1], "x", 1);
			for (;;)
				pause();
		}
		read(ends[0], &byte, 1);
		_exit(0);
	} close(ends[1]); wait(NULL); _exit(read(ends[0], &byte, 1) == 0 ? 5 : 6)), 5, "PR_SET_PDEATHSIG");
}

/* Stopped processes whose group loses all who could let them go on hear SIGHUP, then SIGCONT. */
static volatile sig_atomic_t hung_up;

static void note_hup(int signal)
{
	hung_up = signal == SIGHUP;
}

static void orphaned_group(void)
{
	int ends[2], status;
	char byte = 0;

	if (pipe(ends))
		return;
	pid_t middle = fork();
	if (middle == 0) {
		pid_t stopped = fork();
		if (stopped == 0) {
			setpgid(0, 0);
			signal(SIGHUP, note_hup);
			raise(SIGSTOP);
			while (!hung_up)
				pause();
			byte = 'h';
			_exit(write(ends[1], &byte, 1) != 1);
		}
		waitpid(stopped, &status, WUNTRACED);
		_exit(0);
	}
	close(ends[1]);
	waitpid(middle, NULL, 0);
	ok(read(ends[0], &byte, 1) == 1 && byte == 'h', "a stopped group that is orphaned hangs up and goes on");
	close(ends[0]);
}

static void vfork_and_exec(void)
{
	char *argv[] = { (char *)self, "--exit", "11", NULL };
	int status = 0, fd;
	pid_t child = vfork();

	if (child == 0) {
		execv(self, argv);
		_exit(99);
	}
	waitpid(child, &status, 0);
	is(WEXITSTATUS(status), 11, "vfork and execv");
	fd = open(self, O_RDONLY | O_CLOEXEC);
	argv[2] = "12";
	is(IN_CHILD(syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH); _exit(99)), 12, "execveat of a descriptor");
	argv[2] = "11";
	close(fd);
	/* execve leaves the table it shared. */
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	child = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		execv(self, argv);
		_exit(99);
	}
	waitpid(child, &status, 0);
	ok(WEXITSTATUS(status) == 11 && fcntl(fd, F_GETFD) == FD_CLOEXEC, "execve closes nothing of others'");
	child = syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		unshare(CLONE_FILES | CLONE_FS);
		close(fd);
		_exit(chdir("/proc"));
	}
	waitpid(child, &status, 0);
	char path[64];
	ok(fcntl(fd, F_GETFD) == FD_CLOEXEC && getcwd(path, sizeof(path)) && strcmp(path, "/proc") != 0,
	   "nor does who unshared");
	child = syscall(SYS_clone, CLONE_FILES | CLONE_FS | SIGCHLD, 0, 0, 0, 0);
	if (child == 0) {
		close(fd);
		umask(077);
		_exit(0);
	}
	waitpid(child, &status, 0);
	fails(fcntl(fd, F_GETFD), EBADF, "who shares does");
	is(umask(022), 077, "and changes the umask of all");
	fails(unshare(0x40), EINVAL, "unshare of what there is none of");
}

static void put(const char *path, const char *text, int mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd == -1 || write(fd, text, strlen(text)) == -1)
		perror(path);
	close(fd);
	chmod(path, mode);
}

/* The status of a script's interpreter, or the error it could not be run by. */
static int script(const char *text)
{
	char *argv[] = { "zero", "one two", NULL };

	put("/tmp/script", text, 0755);
	int status = IN_CHILD(execv("/tmp/script", argv); _exit(errno));
	unlink("/tmp/script");
	return status;
}

static void scripts(void)
{
	char line[300];

	snprintf(line, sizeof(line), "#!%s --args x\nnever read\n", self);
	is(script(line), 104, "a script: its interpreter, one argument, its own name, the rest");
	snprintf(line, sizeof(line), "#! \t%s \t\n", self);
	is(script(line), 103, "blanks count for nothing");
	is(script("#!/no/such/interpreter\n"), ENOENT, "an interpreter that is not there");
	is(script("#!/tmp\n"), EACCES, "or is a directory");
	is(script("#!\n"), ENOEXEC, "or is not named");
	is(script("#!   \t \n"), ENOEXEC, "at all");
	is(script("no script\n"), ENOEXEC, "a text without one");
	is(script(""), ENOEXEC, "nothing");
	memset(line, 'x', sizeof(line));
	memcpy(line, "#!/", 3);
	line[299] = 0;
	is(script(line), ENOEXEC, "a name that is cut off");
	is(script("#!/tmp/script\n"), ELOOP, "a script that is its own interpreter");
	for (int n = 5; n >= 0; n--) {
		char name[32];

		snprintf(name, sizeof(name), "/tmp/script%d", n);
		if (n == 5)
			snprintf(line, sizeof(line), "#!%s --args\n", self);
		else
			snprintf(line, sizeof(line), "#!/tmp/script%d\n", n + 1);
		put(name, line, 0755);
	}
	char *argv[] = { "zero", NULL };
	is(IN_CHILD(execv("/tmp/script1", argv); _exit(errno)), 107, "scripts run scripts, five deep");
	is(IN_CHILD(execv("/tmp/script0", argv); _exit(errno)), ELOOP, "but no deeper");
	for (int n = 0; n < 6; n++) {
		snprintf(line, sizeof(line), "/tmp/script%d", n);
		unlink(line);
	}
	put("/tmp/script", "#!/bin/sh\n", 0644);
	is(IN_CHILD(execv("/tmp/script", argv); _exit(errno)), EACCES, "a file that may not be executed");
	unlink("/tmp/script");
}

int main(int argc, char **argv)
{
	self = "/proc/self/exe";
	if (argc > 2 && strcmp(argv[1], "--exit") == 0)
		return atoi(argv[2]);
	if (argc > 1 && (strncmp(argv[1], "--args", 6) == 0 || strncmp(argv[1], "/tmp/script", 11) == 0))
		return 100 + argc;
	static char path[256];
	ssize_t len = readlink(self, path, sizeof(path) - 1);
	if (len > 0)
		self = path;
	crowd();
	memory();
	waiting();
	groups();
	orphaned_group();
	vfork_and_exec();
	scripts();
	return done();
}
