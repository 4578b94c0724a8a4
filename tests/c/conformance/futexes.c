/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Futexes: waiting and waking, private and shared, times, requeueing, robust lists; and threads on top of them.
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <time.h>

static long futex(void *at, int operation, unsigned int value, const void *time, void *other, unsigned int third)
{
	return syscall(SYS_futex, at, operation, value, time, other, third);
}

static void waiting(void)
{
	static uint32_t word = 5;
	struct timespec zero = { 0, 0 }, soon = { 0, 1000000 }, wrong = { 0, 1000000000 }, negative = { -1, 0 };
	struct timespec past = { 1, 0 };
	char *read_only = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *gone = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(gone, PAGE);
	check("another value", futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0));
	check("no time", futex(&word, FUTEX_WAIT, 5, &zero, NULL, 0));
	check("a short time", futex(&word, FUTEX_WAIT, 5, &soon, NULL, 0));
	check("private, a short time", futex(&word, FUTEX_WAIT_PRIVATE, 5, &soon, NULL, 0));
	check("a wrong time", futex(&word, FUTEX_WAIT, 5, &wrong, NULL, 0));
	check("a negative time", futex(&word, FUTEX_WAIT, 5, &negative, NULL, 0));
	check("a bad time", futex(&word, FUTEX_WAIT, 5, BAD_ADDRESS, NULL, 0));
	check("an unaligned word", futex((char *)&word + 1, FUTEX_WAIT, 5, &zero, NULL, 0));
	check("a bad word", futex(gone, FUTEX_WAIT, 5, &zero, NULL, 0));
	check("a null word", futex(NULL, FUTEX_WAIT, 5, &zero, NULL, 0));
	check("a kernel word", futex(KERNEL_ADDRESS, FUTEX_WAIT, 5, &zero, NULL, 0));
	check("a read-only word", futex(read_only, FUTEX_WAIT, 0, &zero, NULL, 0));
	check("a read-only word, private", futex(read_only, FUTEX_WAIT_PRIVATE, 0, &zero, NULL, 0));
	check("bitset", futex(&word, FUTEX_WAIT_BITSET, 5, &past, NULL, 1));
	check("bitset 0", futex(&word, FUTEX_WAIT_BITSET, 5, &past, NULL, 0));
	check("bitset, the wall clock", futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &past, NULL, 1));
	check("wait, the wall clock", futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 4, &past, NULL, 1));
	check("wake nobody", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake at a bad word", futex(gone, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake at a bad word, private", futex(gone, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	check("wake at an unaligned word", futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
	check("wake, bitset 0", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	check("wake, the wall clock", futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0));
	check("an unknown operation", futex(&word, 77, 1, NULL, NULL, 0));
	check("FUTEX_FD", futex(&word, 2, 1, NULL, NULL, 0));
	check("requeue nobody", futex(&word, FUTEX_REQUEUE, 1, (void *)1, &word, 0));
	check("requeue, another value", futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 4));
	check("requeue, a negative number", futex(&word, FUTEX_REQUEUE, 1, (void *)-1, &word, 0));
	check("wake-op", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5)));
	check("what it made of the word", word);
	check("wake-op, an unknown one", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word, 7u << 28));
	word = 0;
	check("lock", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	check_true("who has it", word == (uint32_t)getpid());
	check("lock again", futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	check("try to", futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	check("unlock", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	check("unlock again", futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
}

static uint32_t *shared;

/* Waits until the word is no longer 0, and says how that ended. */
static int waits(void)
{
	while (__atomic_load_n(shared, __ATOMIC_SEQ_CST) == 0)
		if (futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0) == -1 && errno != EAGAIN)
			return 1;
	return 0;
}

static void between_processes(void)
{
	int status;
	pid_t pid;

	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = fork();
	if (pid == 0)
		_exit(waits());
	while (futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
		usleep(1000);
	__atomic_store_n(shared, 1, __ATOMIC_SEQ_CST);
	futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
	waitpid(pid, &status, 0);
	check_status("woken by another process", status);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turns;
static __thread int own = 3;

static void *takes_turns(void *which)
{
	int odd = which != NULL;

	own += odd;
	for (int i = 0; i < 50; i++) {
		pthread_mutex_lock(&mutex);
		while (turns % 2 != odd)
			pthread_cond_wait(&condition, &mutex);
		turns++;
		pthread_cond_broadcast(&condition);
		pthread_mutex_unlock(&mutex);
	}
	return (void *)(long)own;
}

static void *dies_with(void *robust)
{
	pthread_mutex_lock(robust);
	return NULL;
}

static void *never_ends(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static void threads(void)
{
	pthread_t first, second;
	pthread_mutex_t robust;
	pthread_mutexattr_t attributes;
	void *ended[2];
	struct timespec past = { 1, 0 };

	check("create", pthread_create(&first, NULL, takes_turns, NULL));
	check("create another", pthread_create(&second, NULL, takes_turns, &turns));
	check("join", pthread_join(first, &ended[0]));
	check("join the other", pthread_join(second, &ended[1]));
	check("turns taken", turns);
	check("its own variable", (long)ended[0]);
	check("the other's", (long)ended[1]);
	check("ours", own);
	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attributes);
	pthread_create(&first, NULL, dies_with, &robust);
	pthread_join(first, NULL);
	check_text("a mutex whose owner has gone", "%s", strerrorname_np(pthread_mutex_lock(&robust)));
	check("made good", pthread_mutex_consistent(&robust));
	check("unlock", pthread_mutex_unlock(&robust));
	pthread_mutex_lock(&mutex);
	check_text("trylock", "%s", strerrorname_np(pthread_mutex_trylock(&mutex)));
	check_text("timedlock", "%s", strerrorname_np(pthread_mutex_timedlock(&mutex, &past)));
	check_text("timedwait", "%s", strerrorname_np(pthread_cond_timedwait(&condition, &mutex, &past)));
	pthread_mutex_unlock(&mutex);
	pthread_create(&first, NULL, never_ends, NULL);
	check("cancel", pthread_cancel(first));
	pthread_join(first, ended);
	check_true("cancelled", ended[0] == PTHREAD_CANCELED);
}

static int exits_from_a_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, never_ends, NULL);
	exit(6);
}

static void *exits(void *unused)
{
	(void)unused;
	exit(7);
}

static int exits_by_another_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, exits, NULL);
	never_ends(NULL);
	return 0;
}

int main(void)
{
	begin();
	subject = "futex";
	waiting();
	between_processes();
	subject = "threads";
	threads();
	check_child("exit with another thread", exits_from_a_thread);
	check_child("exit by another thread", exits_by_another_thread);
	return finish();
}
