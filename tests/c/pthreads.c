/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Threads: mutexes of all kinds, condition variables, thread-local storage, cancellation, robustness.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tap.h"

#define THREADS 16
#define ROUNDS 2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter, turn;
static __thread long own = 5;
static __thread char name[32] = "initial";
static pthread_key_t key;
static _Atomic int destroyed, ran_once;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct timespec soon(long ms)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_nsec += ms * 1000000;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	return at;
}

static void *count(void *rounds)
{
	for (long i = 0; i < (long)rounds; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	return rounds;
}

static void mutexes(void)
{
	pthread_t threads[THREADS];
	long joined = 0;
	void *result;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, count, (void *)ROUNDS);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		joined += (long)result;
	}
	is(joined, THREADS * ROUNDS, "every thread is joined, with its result");
	is(counter, THREADS * ROUNDS, "and counted alone");

	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&mutex, &attr);
	is(pthread_mutex_unlock(&mutex), EPERM, "who has no lock cannot give it back");
	pthread_mutex_lock(&mutex);
	is(pthread_mutex_lock(&mutex), EDEADLK, "and who has it does not wait for himself");
	is(pthread_mutex_trylock(&mutex), EBUSY, "a lock that is taken is busy");
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&mutex, &attr);
	is(pthread_mutex_lock(&mutex) | pthread_mutex_lock(&mutex) | pthread_mutex_unlock(&mutex), 0,
	   "a recursive one is taken twice");
}

static void *hold(void *mutex)
{
	pthread_mutex_lock(mutex);
	return NULL;
}

static void robust(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;
	pthread_t thread;

	void *head;
	size_t size = 0;

	is(syscall(SYS_get_robust_list, 0, &head, &size), 0, "the kernel knows where the list of locks is");
	is(size, 3 * sizeof(void *), "and how long its head");
	is(syscall(SYS_get_robust_list, 99999, &head, &size) == -1 ? errno : 0, ESRCH, "not for a thread that is none");
	is(syscall(SYS_get_robust_list, 0, NULL, &size) == -1 ? errno : 0, EFAULT, "nor to nowhere");
	pthread_mutexattr_init(&attr);
	is(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0, "locks can be robust");
	pthread_mutex_init(&mutex, &attr);
	pthread_create(&thread, NULL, hold, &mutex);
	pthread_join(thread, NULL);
	is(pthread_mutex_lock(&mutex), EOWNERDEAD, "a lock whose owner died says so");
	is(pthread_mutex_consistent(&mutex), 0, "and can be made good");
	is(pthread_mutex_unlock(&mutex) | pthread_mutex_lock(&mutex), 0, "then it is like any other");

	pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(shared, &attr);
	is(IN_CHILD(pthread_mutex_lock(shared)), 0, "a child dies with a lock that is shared");
	is(pthread_mutex_lock(shared), EOWNERDEAD, "and its parent is told");
}

static void *take_turns(void *me)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&lock);
		while (turn % 4 != (long)me)
			pthread_cond_wait(&changed, &lock);
		turn++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static void conditions(void)
{
	pthread_t threads[4];
	struct timespec at = soon(20);

	for (long i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, take_turns, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	is(turn, 800, "four threads take turns");
	pthread_mutex_lock(&lock);
	is(pthread_cond_timedwait(&changed, &lock, &at), ETIMEDOUT, "a wait for nothing ends in time");
	pthread_mutex_unlock(&lock);
}

static void destroy(void *value)
{
	destroyed += *(int *)value;
}

static void init_once(void)
{
	ran_once++;
}

static void *storage(void *n)
{
	static int one = 1;

	long before = own;

	own += (long)n;
	snprintf(name, sizeof(name), "thread %ld", (long)n);
	pthread_setspecific(key, &one);
	pthread_once(&once, init_once);
	sched_yield();
	return (void *)(before == 5 && own == 5 + (long)n && atoi(name + 7) == (long)n ? 1L : 0L);
}

static void local_storage(void)
{
	pthread_t threads[THREADS];
	long good = 0;
	void *result;

	pthread_key_create(&key, destroy);
	for (long i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, storage, (void *)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &result);
		good += (long)result;
	}
	is(good, THREADS, "each thread has variables of its own");
	ok(own == 5 && strcmp(name, "initial") == 0, "and so has the first");
	is(destroyed, THREADS, "destructors ran");
	is(ran_once, 1, "and what runs once ran once");
}

static _Atomic int cleaned;

static void clean(void *n)
{
	cleaned += (long)n;
}

static void *sleep_for_ever(void *at)
{
	pthread_cleanup_push(clean, (void *)3);
	sem_post(at);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static void *wait_at(void *barrier)
{
	return (void *)(long)(pthread_barrier_wait(barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void *number(void *to)
{
	*(long *)to = syscall(SYS_gettid);
	return NULL;
}

static void others(void)
{
	pthread_t thread, four[4];
	pthread_barrier_t barrier;
	pthread_rwlock_t rwlock;
	struct timespec at = soon(20);
	long serial = 0, tid = 0;
	void *result;
	sem_t at_work;

	sem_init(&at_work, 0, 0);
	pthread_create(&thread, NULL, sleep_for_ever, &at_work);
	sem_wait(&at_work);
	is(pthread_cancel(thread), 0, "a thread is cancelled");
	pthread_join(thread, &result);
	ok(result == PTHREAD_CANCELED && cleaned == 3, "and cleans up");
	is(sem_timedwait(&at_work, &at) == -1 ? errno : 0, ETIMEDOUT, "a semaphore at zero");

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&four[i], NULL, wait_at, &barrier);
	for (int i = 0; i < 4; i++) {
		pthread_join(four[i], &result);
		serial += (long)result;
	}
	is(serial, 1, "a barrier lets four through, one of them as the last");

	pthread_rwlock_init(&rwlock, NULL);
	ok(!pthread_rwlock_rdlock(&rwlock) && !pthread_rwlock_rdlock(&rwlock), "two may read");
	is(pthread_rwlock_trywrlock(&rwlock), EBUSY, "and none write then");

	pthread_create(&thread, NULL, number, &tid);
	pthread_join(thread, NULL);
	ok(tid > 0 && tid != getpid() && syscall(SYS_gettid) == getpid(), "threads have numbers of their own");
	is(IN_CHILD(pthread_create(&thread, NULL, count, (void *)1); pthread_join(thread, NULL); _exit(own)), 5,
	   "a child has threads too");
	is(IN_CHILD(pthread_create(&thread, NULL, sleep_for_ever, &at_work); sem_wait(&at_work); exit(9)), 9,
	   "exit takes all threads with it");
}

int main(void)
{
	mutexes();
	robust();
	conditions();
	local_storage();
	others();
	return done();
}
