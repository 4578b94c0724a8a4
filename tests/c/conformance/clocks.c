/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Clocks and sleeping: what there is, that it moves, and every wrong argument.
 */
#include "check.h"
#include <sys/time.h>
#include <time.h>

static const struct {
	const char *name;
	clockid_t id;
} clocks[] = {
	{ "CLOCK_REALTIME", 0 }, { "CLOCK_MONOTONIC", 1 }, { "CLOCK_PROCESS_CPUTIME_ID", 2 },
	{ "CLOCK_THREAD_CPUTIME_ID", 3 }, { "CLOCK_MONOTONIC_RAW", 4 }, { "CLOCK_REALTIME_COARSE", 5 },
	{ "CLOCK_MONOTONIC_COARSE", 6 }, { "CLOCK_BOOTTIME", 7 }, { "clock 10", 10 }, { "CLOCK_TAI", 11 },
	{ "clock 12", 12 }, { "clock -1", -1 },
};

static int64_t nanoseconds(struct timespec time)
{
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

static void reading(void)
{
	struct timespec time, later;
	struct timeval day;
	char name[64];

	for (size_t i = 0; i < COUNT(clocks); i++) {
		snprintf(name, sizeof(name), "read %s", clocks[i].name);
		check(name, syscall(SYS_clock_gettime, clocks[i].id, &time));
		snprintf(name, sizeof(name), "resolution of %s", clocks[i].name);
		check(name, syscall(SYS_clock_getres, clocks[i].id, NULL));
	}
	check("read to a bad address", syscall(SYS_clock_gettime, CLOCK_MONOTONIC, BAD_ADDRESS));
	check("resolution to a bad address", syscall(SYS_clock_getres, CLOCK_MONOTONIC, BAD_ADDRESS));
	syscall(SYS_clock_getres, CLOCK_MONOTONIC, &time);
	check("nanoseconds of resolution", nanoseconds(time));
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &later);
	check_true("time does not go back", nanoseconds(later) >= nanoseconds(time));
	check_true("nanoseconds are below a second", later.tv_nsec >= 0 && later.tv_nsec < 1000000000);
	check("gettimeofday", syscall(SYS_gettimeofday, &day, NULL));
	check_true("microseconds are below a second", day.tv_usec >= 0 && day.tv_usec < 1000000);
	check("gettimeofday to a bad address", syscall(SYS_gettimeofday, BAD_ADDRESS, NULL));
	check("gettimeofday to nowhere", syscall(SYS_gettimeofday, NULL, NULL));
	time.tv_nsec = 1000000000;
	check("set to a wrong time", clock_settime(CLOCK_REALTIME, &time));
	time.tv_nsec = 0;
	check("set CLOCK_MONOTONIC", clock_settime(CLOCK_MONOTONIC, &time));
	check("set from a bad address", syscall(SYS_clock_settime, CLOCK_REALTIME, BAD_ADDRESS));
	check("settimeofday, a wrong time", settimeofday(&(struct timeval){ 0, 2000000 }, NULL));
	time = (struct timespec){ 1000000000, 5 };
	check("set CLOCK_REALTIME", clock_settime(CLOCK_REALTIME, &time));
	clock_gettime(CLOCK_REALTIME, &later);
	check_true("it is what was set", later.tv_sec - time.tv_sec < 5);
}

static void sleeping(void)
{
	struct timespec zero = { 0, 0 }, short_time = { 0, 2000000 }, wrong = { 0, 1000000000 }, negative = { -1, 0 };
	struct timespec before, after;

	check("nothing", nanosleep(&zero, NULL));
	clock_gettime(CLOCK_MONOTONIC, &before);
	check("two milliseconds", nanosleep(&short_time, NULL));
	clock_gettime(CLOCK_MONOTONIC, &after);
	check_true("no less than that", nanoseconds(after) - nanoseconds(before) >= 2000000);
	check("a wrong time", nanosleep(&wrong, NULL));
	check("a negative time", nanosleep(&negative, NULL));
	check("a bad address", syscall(SYS_nanosleep, BAD_ADDRESS, NULL));
	check("the past", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &zero, NULL));
	after = before;
	check("until a time that has been", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &after, NULL));
	check("CLOCK_REALTIME", syscall(SYS_clock_nanosleep, CLOCK_REALTIME, 0, &short_time, NULL));
	check("CLOCK_BOOTTIME", syscall(SYS_clock_nanosleep, CLOCK_BOOTTIME, 0, &short_time, NULL));
	check("CLOCK_TAI", syscall(SYS_clock_nanosleep, CLOCK_TAI, 0, &zero, NULL));
	check("CLOCK_MONOTONIC_RAW", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_RAW, 0, &zero, NULL));
	check("CLOCK_MONOTONIC_COARSE", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC_COARSE, 0, &zero, NULL));
	check("CLOCK_THREAD_CPUTIME_ID", syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL));
	check("an unknown clock", syscall(SYS_clock_nanosleep, 12, 0, &zero, NULL));
	check("a wrong time by clock", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &wrong, NULL));
	check("an unknown flag", syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 2, &zero, NULL));
}

int main(void)
{
	begin();
	subject = "clock";
	reading();
	subject = "sleep";
	sleeping();
	return finish();
}
