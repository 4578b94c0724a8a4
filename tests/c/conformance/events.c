/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Descriptors that wait: epoll, eventfd, timerfd, signalfd, and process descriptors.
 */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

static void link_text(const char *name, int fd)
{
	char path[64], text[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readlink(path, text, sizeof(text) - 1);
	check_text(name, "%s", text);
}

static unsigned int ready(int fd)
{
	struct pollfd one = { fd, POLLIN | POLLOUT, 0 };

	poll(&one, 1, 0);
	return (unsigned int)one.revents;
}

static void event_counters(void)
{
	uint64_t value = 0;
	int fd = eventfd(3, EFD_NONBLOCK);

	check_ok("create", fd);
	link_text("link text", fd);
	check_text("F_GETFL", "%o", fcntl(fd, F_GETFL));
	check_text("poll", "%x", ready(fd));
	check("read", read(fd, &value, 8));
	check("value", (long)value);
	check("read again", read(fd, &value, 8));
	check_text("poll, zero", "%x", ready(fd));
	check("read too little", read(fd, &value, 4));
	check("write too little", write(fd, &value, 4));
	value = 5;
	check("write", write(fd, &value, 8));
	check("write more than 8", write(fd, (uint64_t[]){ 1, 1 }, 16));
	value = ~0ull;
	check("write the highest", write(fd, &value, 8));
	value = ~0ull - 1;
	check("write what does not fit", write(fd, &value, 8));
	check("read to a bad address", read(fd, BAD_ADDRESS, 8));
	check("read then", read(fd, &value, 8));
	check("value then", (long)value);
	value = ~0ull - 1;
	write(fd, &value, 8);
	check_text("poll, full", "%x", ready(fd));
	check("lseek", lseek(fd, 0, SEEK_SET));
	check("pread", pread(fd, &value, 8, 0));
	fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	check("a semaphore", read(fd, &value, 8));
	check("one at a time", (long)value);
	read(fd, &value, 8);
	check("and then none", read(fd, &value, 8));
	check_ok("an unknown flag", eventfd(0, 8));
	check("EFD_CLOEXEC", fcntl(eventfd(0, EFD_CLOEXEC), F_GETFD));
	close_range(3, ~0u, 0);
}

static void timers(void)
{
	struct itimerspec once = { { 0, 0 }, { 0, 1 } }, off = { { 0, 0 }, { 0, 0 } }, now;
	struct itimerspec wrong = { { 0, 0 }, { 0, 1000000000 } }, far = { { 5, 0 }, { 1000, 0 } };
	uint64_t value = 0;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	check_ok("create", fd);
	link_text("link text", fd);
	check("read, not set", read(fd, &value, 8));
	check("set", timerfd_settime(fd, 0, &far, NULL));
	check("look", timerfd_gettime(fd, &now));
	check_true("what is left", now.it_value.tv_sec > 900 && now.it_interval.tv_sec == 5);
	check("set again", timerfd_settime(fd, 0, &once, &now));
	check_true("what was left", now.it_value.tv_sec > 900);
	fcntl(fd, F_SETFL, 0);
	check("wait for it", read(fd, &value, 8));
	check("how often", (long)value);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	check("read again", read(fd, &value, 8));
	check("until the past", timerfd_settime(fd, TFD_TIMER_ABSTIME, &once, NULL));
	check("read too little", read(fd, &value, 4));
	fcntl(fd, F_SETFL, 0);
	check("wait for the past", read(fd, &value, 8));
	check("off", timerfd_settime(fd, 0, &off, NULL));
	check("a wrong time", timerfd_settime(fd, 0, &wrong, NULL));
	check("an unknown flag", timerfd_settime(fd, 8, &once, NULL));
	check("a bad address", timerfd_settime(fd, 0, BAD_ADDRESS, NULL));
	check("of a file", timerfd_settime(0, 0, &once, NULL));
	check("of -1", timerfd_settime(-1, 0, &once, NULL));
	check("write", write(fd, &value, 8));
	check_ok("an unknown clock", timerfd_create(77, 0));
	check_ok("a process's clock", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	check_ok("an unknown creation flag", timerfd_create(CLOCK_MONOTONIC, 1));
	check_ok("CLOCK_BOOTTIME", timerfd_create(CLOCK_BOOTTIME, 0));
	check_ok("CLOCK_REALTIME", timerfd_create(CLOCK_REALTIME, 0));
	close_range(3, ~0u, 0);
}

static void signals(void)
{
	struct signalfd_siginfo info;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGKILL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	check_ok("create", fd);
	link_text("link text", fd);
	check("read, none", read(fd, &info, sizeof(info)));
	check_text("poll, none", "%x", ready(fd));
	kill(getpid(), SIGUSR1);
	check_text("poll", "%x", ready(fd));
	check("read too little", read(fd, &info, 100));
	check("read", read(fd, &info, sizeof(info)));
	check("signal", info.ssi_signo);
	check("code", info.ssi_code);
	check_true("sender", info.ssi_pid == (uint32_t)getpid());
	check("write", write(fd, &info, sizeof(info)));
	check("change of a file", signalfd(0, &set, 0));
	check("change of a closed one", signalfd(99, &set, 0));
	check("an unknown flag", signalfd(-1, &set, 1));
	check("a wrong size", syscall(SYS_signalfd4, -1, &set, 4, 0));
	close_range(3, ~0u, 0);
}

static void polls(void)
{
	struct epoll_event event = { EPOLLIN, { .u64 = 77 } }, got[4];
	int epoll = epoll_create1(0), other = epoll_create1(EPOLL_CLOEXEC), ends[2], counter = eventfd(0, 0), last;
	uint64_t one = 1;

	check_ok("create", epoll);
	link_text("link text", epoll);
	check("EPOLL_CLOEXEC", fcntl(other, F_GETFD));
	check("an unknown flag", epoll_create1(1));
	check("epoll_create 0", epoll_create(0));
	pipe(ends);
	check("add", epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	check("add again", epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event));
	check("modify what is not there", epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event));
	check("remove what is not there", epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL));
	check("an unknown operation", epoll_ctl(epoll, 9, ends[1], &event));
	check("a file", epoll_ctl(epoll, EPOLL_CTL_ADD, file_with("file", "x"), &event));
	check("a directory", epoll_ctl(epoll, EPOLL_CTL_ADD, open(".", O_RDONLY), &event));
	check("/dev/null", epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event));
	check("itself", epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event));
	check("-1", epoll_ctl(epoll, EPOLL_CTL_ADD, -1, &event));
	check("to a file", epoll_ctl(0, EPOLL_CTL_ADD, ends[0], &event));
	check("to -1", epoll_ctl(-1, EPOLL_CTL_ADD, ends[0], &event));
	check("a bad address", epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], BAD_ADDRESS));
	check("wait, none", epoll_wait(epoll, got, 4, 0));
	write(ends[1], "xy", 2);
	check("wait", epoll_wait(epoll, got, 4, 0));
	check_text("its events", "%x", got[0].events);
	check("its data", (long)got[0].data.u64);
	check("wait again, by level", epoll_wait(epoll, got, 4, 0));
	check("wait for 0", epoll_wait(epoll, got, 0, 0));
	check("wait for -1", epoll_wait(epoll, got, -1, 0));
	check("wait at a bad address", epoll_wait(epoll, BAD_ADDRESS, 4, 0));
	check("wait at a file", epoll_wait(0, got, 4, 0));
	event.events = EPOLLIN | EPOLLET;
	check("modify to edges", epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
	check("wait, the first edge", epoll_wait(epoll, got, 4, 0));
	check("wait, no further edge", epoll_wait(epoll, got, 4, 0));
	write(ends[1], "z", 1);
	check("wait, another edge", epoll_wait(epoll, got, 4, 0));
	event.events = EPOLLIN | EPOLLONESHOT;
	check("modify to once", epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
	check("wait, once", epoll_wait(epoll, got, 4, 0));
	check("wait, no more", epoll_wait(epoll, got, 4, 0));
	check("arm again", epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
	check("wait, once more", epoll_wait(epoll, got, 4, 0));
	event.events = EPOLLIN | EPOLLEXCLUSIVE;
	check("modify to exclusive", epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event));
	event.events = EPOLLIN;
	check("nested", epoll_ctl(other, EPOLL_CTL_ADD, epoll, &event));
	check("a loop", epoll_ctl(epoll, EPOLL_CTL_ADD, other, &event));
	check("nested, nothing", epoll_wait(other, got, 4, 0));
	epoll_ctl(epoll, EPOLL_CTL_ADD, counter, &event);
	write(counter, &one, 8);
	check("nested, something", epoll_wait(other, got, 4, 0));
	check_text("poll of it", "%x", ready(epoll));
	last = dup(ends[0]);
	event.events = EPOLLIN;
	epoll_ctl(epoll, EPOLL_CTL_DEL, counter, NULL);
	epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], &event);
	close(ends[0]);
	check("closed, but not its duplicate", epoll_wait(epoll, got, 4, 0));
	close(last);
	check("closed for good", epoll_wait(epoll, got, 4, 0));
	check("read", read(epoll, got, 8));
	check("lseek", lseek(epoll, 0, SEEK_SET));
	check("epoll_pwait, a wrong size", syscall(SYS_epoll_pwait, epoll, got, 4, 0, got, 4));
	close_range(3, ~0u, 0);
}

static void process_descriptors(void)
{
	siginfo_t info;
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	check_ok("open", fd);
	link_text("link text", fd);
	check("FD_CLOEXEC", fcntl(fd, F_GETFD));
	check_text("poll", "%x", ready(fd));
	check("send 0", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	check("send SIGKILL", syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0));
	check("waitid P_PIDFD", waitid(P_PIDFD, (id_t)fd, &info, WEXITED));
	check("its status", info.si_status);
	check_text("poll then", "%x", ready(fd));
	check("send then", syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	check("open nobody", syscall(SYS_pidfd_open, 123456, 0));
	check("open -1", syscall(SYS_pidfd_open, -1, 0));
	check("an unknown flag", syscall(SYS_pidfd_open, getpid(), 1));
	check("send through a file", syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0));
	check("read", read(fd, &info, 1));
	close_range(3, ~0u, 0);
}

int main(void)
{
	begin();
	subject = "eventfd";
	event_counters();
	subject = "timerfd";
	timers();
	subject = "signalfd";
	signals();
	subject = "epoll";
	polls();
	subject = "pidfd";
	process_descriptors();
	return finish();
}
