/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What processes say of themselves and may have: users, limits, names, priorities, the kernel's log.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "tap.h"

/* linux/capability.h, which not every C library brings. */
#define CAPABILITY_VERSION 0x20080522

struct cap_header {
	unsigned version;
	int pid;
};

struct cap_data {
	unsigned effective, permitted, inheritable;
};

static int users_are(uid_t real, uid_t effective, uid_t saved)
{
	uid_t r, e, s;

	return getresuid(&r, &e, &s) == 0 && r == real && e == effective && s == saved;
}

static int caps(unsigned *effective)
{
	struct cap_header header = { CAPABILITY_VERSION, 0 };
	struct cap_data data[2];
	int result = syscall(SYS_capget, &header, data);

	*effective = data[0].effective;
	return result;
}

static void users(void)
{
	unsigned set;
	gid_t groups[4] = { 30, 10, 20 };

	ok(getuid() == 0 && geteuid() == 0 && getgid() == 0, "root to begin with");
	ok(caps(&set) == 0 && set == ~0u, "with all capabilities");
	is(IN_CHILD(_exit(setresuid(1000, 1000, 0) == 0 && users_are(1000, 1000, 0) && caps(&set) == 0 && set == 0)), 1,
	   "who acts for another has none");
	is(IN_CHILD(setresuid(1000, 1000, 0);
		    _exit(seteuid(0) == 0 && users_are(1000, 0, 0) && caps(&set) == 0 && set == ~0u)),
	   1, "but can come back");
	is(IN_CHILD(_exit(setuid(1000) == 0 && users_are(1000, 1000, 1000) && setuid(0) == -1 && errno == EPERM)), 1,
	   "who left for good cannot");
	is(IN_CHILD(setuid(1000); _exit(setgid(5) == -1 && errno == EPERM && setgid(0) == 0)), 1, "nor change groups");
	is(IN_CHILD(_exit(setreuid(5, 6) == 0 && users_are(5, 6, 6))), 1, "setreuid saves the effective one");
	fails(setuid(-1), EINVAL, "-1 is nobody");
	is(IN_CHILD(_exit(setgroups(3, groups) == 0 && getgroups(4, groups) == 3 && groups[0] == 10 && groups[2] == 30)),
	   1, "groups come sorted");
	is(IN_CHILD(setgroups(3, groups); _exit(getgroups(0, NULL) == 3 && getgroups(2, groups) == -1 && errno == EINVAL)),
	   1, "and need room");
	is(IN_CHILD(setuid(7); _exit(setgroups(0, NULL) == -1 && errno == EPERM)), 1, "only root sets them");
	struct cap_header header = { 1, 0 };
	fails(syscall(SYS_capget, &header, &set), EINVAL, "capget of an unknown version");
	is(header.version, CAPABILITY_VERSION, "which says the one it knows");
}

static void limits(void)
{
	struct rlimit limit, set;

	ok(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur == 8 << 20 && limit.rlim_max == RLIM_INFINITY,
	   "stacks may grow to 8 MiB");
	set = (struct rlimit){ 64, 128 };
	is(IN_CHILD(setrlimit(RLIMIT_NOFILE, &set); getrlimit(RLIMIT_NOFILE, &limit);
		    _exit(limit.rlim_cur == 64 && limit.rlim_max == 128)),
	   1, "a limit is set");
	is(IN_CHILD(setrlimit(RLIMIT_NOFILE, &set); int fd; while ((fd = dup(0)) >= 0) {
		if (fd > 63)
			_exit(2);
	} _exit(errno == EMFILE)), 1, "and counts");
	is(IN_CHILD(setrlimit(RLIMIT_NOFILE, &set);
		    _exit(IN_CHILD(getrlimit(RLIMIT_NOFILE, &limit); _exit(limit.rlim_cur == 64)))),
	   1, "and is inherited");
	set = (struct rlimit){ 2, 1 };
	fails(setrlimit(RLIMIT_CORE, &set), EINVAL, "not above what may be at most");
	fails(getrlimit(16, &limit), EINVAL, "there are sixteen");
	fails(prlimit(0x3fffffff, RLIMIT_CPU, NULL, &limit), ESRCH, "nobody's limits");
	set = (struct rlimit){ 1 << 24, RLIM_INFINITY };
	is(IN_CHILD(setrlimit(RLIMIT_AS, &set);
		    _exit(mmap(NULL, 1 << 25, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM)),
	   1, "RLIMIT_AS");
	is(IN_CHILD(set.rlim_cur = 1 << 20; setrlimit(RLIMIT_DATA, &set);
		    _exit(mmap(NULL, 1 << 23, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)),
	   1, "RLIMIT_DATA counts what can be written");
	is(IN_CHILD(setrlimit(RLIMIT_DATA, &set);
		    _exit(mmap(NULL, 1 << 26, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)),
	   1, "and nothing else");
	is(IN_CHILD(set.rlim_cur = 128 << 10; setrlimit(RLIMIT_STACK, &set); volatile char *far = __builtin_alloca(1 << 20);
		    far[0] = 1),
	   128 + SIGSEGV, "RLIMIT_STACK");
	set = (struct rlimit){ 10, RLIM_INFINITY };
	is(IN_CHILD(signal(SIGXFSZ, SIG_IGN); setrlimit(RLIMIT_FSIZE, &set); int fd = open("/tmp/limit", O_RDWR | O_CREAT, 0600);
		    unlink("/tmp/limit");
		    _exit(write(fd, "0123456789abc", 13) == 10 && write(fd, "d", 1) == -1 && errno == EFBIG &&
			  ftruncate(fd, 11) == -1 && errno == EFBIG)),
	   1, "RLIMIT_FSIZE");
	is(IN_CHILD(setrlimit(RLIMIT_FSIZE, &set); int fd = open("/tmp/limit", O_RDWR | O_CREAT, 0600);
		    unlink("/tmp/limit"); pwrite(fd, "d", 1, 10)),
	   128 + SIGXFSZ, "and its signal");
}

static void names(void)
{
	static const char long_name[65];
	char name[16] = { 0 };
	struct utsname uts, changed;
	int value = -1;

	uname(&uts);
	ok(strcmp(uts.sysname, "Linux") == 0 && strcmp(uts.machine, "aarch64") == 0 && strncmp(uts.release, "6.1", 3) == 0,
	   "uname");
	is(sethostname("elsewhere", 9), 0, "sethostname");
	uname(&changed);
	ok(strcmp(changed.nodename, "elsewhere") == 0, "changes it");
	sethostname(uts.nodename, strlen(uts.nodename));
	fails(sethostname(long_name, 65), EINVAL, "a name that is too long");
	ok(prctl(PR_SET_NAME, "a name that is too long") == 0 && prctl(PR_GET_NAME, name) == 0 &&
		   strcmp(name, "a name that is ") == 0,
	   "PR_SET_NAME cuts");
	ok(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0 && prctl(PR_GET_PDEATHSIG, &value) == 0 && value == SIGUSR1,
	   "PR_SET_PDEATHSIG is kept");
	is(IN_CHILD(prctl(PR_GET_PDEATHSIG, &value); _exit(value)), 0, "but not by children");
	fails(prctl(PR_SET_PDEATHSIG, 65), EINVAL, "no such signal");
	prctl(PR_SET_PDEATHSIG, 0);
	is(prctl(PR_GET_DUMPABLE), 1, "PR_GET_DUMPABLE");
	fails(prctl(PR_SET_DUMPABLE, 2), EINVAL, "which is 0 or 1");
	is(IN_CHILD(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		    _exit(IN_CHILD(_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))))),
	   1, "PR_SET_NO_NEW_PRIVS is kept by children");
	fails(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL, "and never taken back");
	fails(prctl(12345), EINVAL, "no such option");
	is(IN_CHILD(personality(ADDR_NO_RANDOMIZE); _exit(personality(0xffffffff) == ADDR_NO_RANDOMIZE)), 1,
	   "personality is kept");
}

static void scheduling(void)
{
	struct sched_param param = { 0 };
	unsigned cpu = 99, node = 99;
	cpu_set_t set;

	is(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER, "sched_getscheduler");
	is(sched_get_priority_max(SCHED_FIFO), 99, "sched_get_priority_max");
	fails(sched_get_priority_min(99), EINVAL, "no such policy");
	is(IN_CHILD(param.sched_priority = 5; _exit(syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param) == 0 &&
		    syscall(SYS_sched_getscheduler, 0) == SCHED_FIFO)), 1, "real time is granted to root");
	param.sched_priority = 5;
	fails(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &param), EINVAL, "others have no priority");
	fails(syscall(SYS_sched_getparam, 0, NULL), EINVAL, "nor a null pointer");
	fails(syscall(SYS_sched_getscheduler, -1), EINVAL, "nor -1");
	is(IN_CHILD(setpriority(PRIO_PROCESS, 0, 30); _exit(getpriority(PRIO_PROCESS, 0))), 19, "19 is the nicest");
	is(IN_CHILD(setpriority(PRIO_PROCESS, 0, 7); _exit(IN_CHILD(_exit(getpriority(PRIO_PROCESS, 0))))), 7,
	   "children are as nice");
	errno = 0;
	fails(getpriority(3, 0), EINVAL, "no such kind");
	fails(getpriority(PRIO_PROCESS, 0x3fffffff), ESRCH, "nobody");
	ok(syscall(SYS_getcpu, &cpu, &node, NULL) == 0 && cpu < 8 && node == 0, "getcpu");
	ok(sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) >= 1, "sched_getaffinity");
}

/* One record of /dev/kmsg that says `wanted`; null when there is none. */
static const char *record(int fd, const char *wanted)
{
	static char line[8192];

	for (;;) {
		ssize_t len = read(fd, line, sizeof(line) - 1);

		if (len == -1 && errno == EPIPE)
			continue;
		if (len <= 0)
			return NULL;
		line[len] = 0;
		if (strstr(line, wanted))
			return line;
	}
}

static void kernel_log(void)
{
	static char text[1 << 18];
	int fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK);
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	char *at;

	ok(fd >= 0, "/dev/kmsg");
	is(write(fd, "<3>rights: first\n", 17), 17, "is written");
	const char *found = record(fd, "rights: first");
	ok(found && strncmp(found, "11,", 3) == 0 && strstr(found, ",-;rights: first\n"), "and read a record at a time");
	is(write(fd, "rights: a\tb\n", 12), 12, "without a priority");
	found = record(fd, "rights: a");
	ok(found && strncmp(found, "12,", 3) == 0 && strstr(found, "a\\x09b\n"), "it is a user's warning");
	fails(read(fd, text, 100), EAGAIN, "until there is no more");
	is(poll(&ready, 1, 0), 0, "and poll says so");
	write(fd, "rights: second\n", 15);
	ok(poll(&ready, 1, 1000) == 1 && (ready.revents & POLLIN), "or that there is");
	fails(read(fd, text, 4), EINVAL, "a record needs room");
	fails(lseek(fd, 3, SEEK_SET), ESPIPE, "nobody knows where a byte is");
	is(lseek(fd, 0, SEEK_SET), 0, "but the beginning is known");
	ok(record(fd, "rights: second") != NULL, "and all is read again");
	is(lseek(fd, 0, SEEK_END), 0, "as is the end");
	fails(read(fd, text, sizeof(text)), EAGAIN, "where nothing is");

	is(klogctl(10, NULL, 0), 1 << 17, "the log's size");
	int len = klogctl(3, text, sizeof(text) - 1);
	ok(len > 0, "syslog reads all");
	text[len > 0 ? len : 0] = 0;
	at = strstr(text, "rights: first\n");
	while (at && at > text && at[-1] != '\n')
		at--;
	ok(at && strncmp(at, "<11>", 4) == 0, "with its priority");
	is(klogctl(5, NULL, 0), 0, "it is cleared");
	is(klogctl(3, text, sizeof(text)), 0, "and empty then");
	ok(klogctl(9, NULL, 0) > 0, "for dmesg alone");
	fails(klogctl(8, NULL, 9), EINVAL, "levels go up to 8");
	fails(klogctl(3, NULL, 10), EINVAL, "a null pointer");
	fails(klogctl(3, text, -1), EINVAL, "less than nothing");
	fails(klogctl(11, NULL, 0), EINVAL, "there is no eleventh");
	close(fd);
}

int main(void)
{
	users();
	limits();
	names();
	scheduling();
	kernel_log();
	return done();
}
