/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Fences on buffers: put there, taken out, polled for, waited for by SYNC, and shown in bufinfo.
 */
#include "fences.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/time.h>

/* A size that no other buffer has. */
#define SIZE (37 * PAGE)

static int heap, buffer, timeline;

static void fresh(void)
{
	close_range(3, ~0u, 0);
	heap = open_system_heap();
	buffer = allocate(heap, SIZE, O_RDWR | O_CLOEXEC);
	timeline = open_timeline();
	if (buffer < 0)
		give_up("the buffer");
}

static int fences_in(int fence)
{
	return (int)info_of(fence).num_fences;
}

/* What each kind of user would have to wait for. */
static void show(const char *about)
{
	char name[80];
	int reader = export_fence(buffer, SYNC_READ), writer = export_fence(buffer, SYNC_WRITE);
	int both = export_fence(buffer, SYNC_RW);

	snprintf(name, sizeof(name), "poll, %s", about);
	check(name, ready(buffer));
	snprintf(name, sizeof(name), "status for a reader, %s", about);
	check(name, status_of(reader));
	snprintf(name, sizeof(name), "status for a writer, %s", about);
	check(name, status_of(writer));
	snprintf(name, sizeof(name), "status for both, %s", about);
	check(name, status_of(both));
	snprintf(name, sizeof(name), "fences for a reader, writer and both, %s", about);
	check_text(name, "%d %d %d", fences_in(reader), fences_in(writer), fences_in(both));
	close(reader);
	close(writer);
	close(both);
}

static void usages(void)
{
	fresh();
	show("nothing");
	check("IMPORT a reader's", import_fence(buffer, SYNC_READ, fence_at(timeline, 2)));
	show("a reader");
	check("IMPORT a writer's", import_fence(buffer, SYNC_WRITE, fence_at(timeline, 1)));
	show("a reader and a writer");
	count_on(timeline, 1);
	show("the writer done");
	count_on(timeline, 1);
	show("both done");
	fresh();
	check("IMPORT for both", import_fence(buffer, SYNC_RW, fence_at(timeline, 1)));
	show("one that reads and writes");
	check("IMPORT a later reader's", import_fence(buffer, SYNC_READ, fence_at(timeline, 2)));
	show("and a later reader");
	check("IMPORT a later writer's", import_fence(buffer, SYNC_WRITE, fence_at(timeline, 3)));
	show("and a later writer");
	check("IMPORT an earlier writer's", import_fence(buffer, SYNC_WRITE, fence_at(timeline, 2)));
	show("and an earlier writer");
	count_on(timeline, 3);
	show("all done");
	check("IMPORT a signalled one", import_fence(buffer, SYNC_WRITE, fence_at(timeline, 1)));
	show("a signalled one");
}

static void merged(void)
{
	int others[3], all;

	fresh();
	all = fence_at(timeline, 1);
	for (int i = 0; i < 3; i++) {
		others[i] = open_timeline();
		all = merge("all", all, fence_at(others[i], 1));
	}
	check("IMPORT a merge of four", import_fence(buffer, SYNC_WRITE, all));
	show("four");
	check("IMPORT the same again", import_fence(buffer, SYNC_WRITE, all));
	show("the same again");
	count_on(timeline, 1);
	count_on(others[1], 1);
	show("two of them done");
	close(others[0]);
	show("three, one of them failed");
	close(others[2]);
	show("all, two failed");
}

static void kept(void)
{
	int fence;

	fresh();
	fence = fence_at(timeline, 1);
	import_fence(buffer, SYNC_WRITE, fence);
	close(fence);
	show("its descriptor closed");
	fence = export_fence(buffer, SYNC_READ);
	close(buffer);
	check("status with the buffer closed", status_of(fence));
	close(timeline);
	check("status with the timeline closed", status_of(fence));
}

static void refusals(void)
{
	struct sync_file_flags arg = { 0 };
	char name[64];
	int fence;
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int next;

	fresh();
	fence = fence_at(timeline, 1);
	for (int bit = 0; bit < 32; bit++) {
		snprintf(name, sizeof(name), "EXPORT flag %d", bit);
		arg = (struct sync_file_flags){ 1u << bit, -1 };
		check(name, ioctl(buffer, BUF_EXPORT_SYNC_FILE, &arg));
		snprintf(name, sizeof(name), "IMPORT flag %d", bit);
		check(name, import_fence(buffer, 1u << bit, fence));
	}
	check_ok("EXPORT no flag", export_fence(buffer, 0));
	check("IMPORT no flag", import_fence(buffer, 0, fence));
	check("IMPORT -1", import_fence(buffer, SYNC_READ, -1));
	check("IMPORT nothing open", import_fence(buffer, SYNC_READ, 1000));
	check("IMPORT the buffer", import_fence(buffer, SYNC_READ, buffer));
	check("IMPORT a timeline", import_fence(buffer, SYNC_READ, timeline));
	check("IMPORT a heap", import_fence(buffer, SYNC_READ, heap));
	check("EXPORT null", ioctl(buffer, BUF_EXPORT_SYNC_FILE, NULL));
	check("EXPORT kernel pointer", ioctl(buffer, BUF_EXPORT_SYNC_FILE, KERNEL_ADDRESS));
	check("IMPORT null", ioctl(buffer, BUF_IMPORT_SYNC_FILE, NULL));
	check("EXPORT of 4 bytes", ioctl(buffer, 0xc0046202u, &arg));
	check("EXPORT as read", ioctl(buffer, 0x80086202u, &arg));
	check("IMPORT of 12 bytes", ioctl(buffer, 0x400c6203u, &arg));
	check("IMPORT both ways", ioctl(buffer, 0xc0086203u, &arg));
	next = lowest_free();
	*(struct sync_file_flags *)page = (struct sync_file_flags){ SYNC_RW, fence };
	mprotect(page, PAGE, PROT_READ);
	check("EXPORT, read-only", ioctl(buffer, BUF_EXPORT_SYNC_FILE, page));
	check("IMPORT, read-only", ioctl(buffer, BUF_IMPORT_SYNC_FILE, page));
	check_true("no descriptor was lost", dup(fence) == next);
	check("EXPORT's descriptor, F_GETFD", fcntl(export_fence(buffer, SYNC_READ), F_GETFD));
	munmap(page, PAGE);
}

static void nothing(int signal UNUSED)
{
}

static int sync_interrupted(uint64_t flags, int restart)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = restart };
	struct itimerval soon = { .it_value = { 0, 50000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	return sync_buffer(buffer, flags);
}

static uint64_t to_sync;

static void *syncs(void *result)
{
	*(int *)result = sync_buffer(buffer, to_sync);
	return NULL;
}

/* SYNC in a thread, which the timeline lets go on. */
static void sync_released(const char *name, uint64_t flags)
{
	pthread_t thread;
	int result = -7;
	char then[80];

	to_sync = flags;
	pthread_create(&thread, NULL, syncs, &result);
	usleep(20000);
	check_true(name, result == -7);
	count_on(timeline, 1);
	pthread_join(thread, NULL);
	snprintf(then, sizeof(then), "%s, then", name);
	check(then, result);
}

static void syncing(void)
{
	fresh();
	import_fence(buffer, SYNC_READ, fence_at(timeline, 1));
	check("SYNC to read with a reader", sync_buffer(buffer, SYNC_READ));
	check("SYNC to write with a reader, interrupted", sync_interrupted(SYNC_WRITE, 0));
	check("SYNC for both with a reader, interrupted", sync_interrupted(SYNC_RW, 0));
	check("SYNC end with a reader", sync_buffer(buffer, SYNC_RW | SYNC_END));
	sync_released("SYNC to write waits for a reader", SYNC_WRITE);
	import_fence(buffer, SYNC_WRITE, fence_at(timeline, 2));
	check("SYNC to read with a writer, interrupted", sync_interrupted(SYNC_READ, 0));
	check("SYNC end with a writer", sync_buffer(buffer, SYNC_WRITE | SYNC_END));
	sync_released("SYNC to read waits for a writer", SYNC_READ);
	check("SYNC for both when all is done", sync_buffer(buffer, SYNC_RW));
	import_fence(buffer, SYNC_WRITE, fence_at(timeline, 9));
	close(timeline);
	check("SYNC when the fence has failed", sync_buffer(buffer, SYNC_RW));
}

/* One SYNC that a signal interrupts and that goes on after it, and ends with the fence. */
static int sync_goes_on(void)
{
	pid_t child = fork();

	if (child == 0) {
		usleep(200000);
		_exit(count_on(timeline, 1));
	}
	return sync_interrupted(SYNC_RW, SA_RESTART);
}

static void watching(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int epoll = epoll_create1(0);

	fresh();
	epoll = epoll_create1(0);
	import_fence(buffer, SYNC_WRITE, fence_at(timeline, 1));
	import_fence(buffer, SYNC_READ, fence_at(timeline, 2));
	check("epoll_ctl", epoll_ctl(epoll, EPOLL_CTL_ADD, buffer, &event));
	check("epoll_wait with both", epoll_wait(epoll, &event, 1, 0));
	count_on(timeline, 1);
	check("epoll_wait with the reader", epoll_wait(epoll, &event, 1, -1));
	check("its events", event.events);
	count_on(timeline, 1);
	check("epoll_wait with none", epoll_wait(epoll, &event, 1, -1));
	check("its events then", event.events);
	import_fence(buffer, SYNC_READ, fence_at(timeline, 3));
	check("epoll_wait with another reader", epoll_wait(epoll, &event, 1, -1));
	check("its events there", event.events);
	check("poll for nothing", poll(&(struct pollfd){ buffer, 0, 0 }, 1, 0));
	check("poll for priority", poll(&(struct pollfd){ buffer, POLLPRI, 0 }, 1, 0));
}

/* The lines of bufinfo that are about the buffer; the inode's number is nobody's business. */
static void show_bufinfo(const char *about)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256], size[16], name[64];
	int mine = 0, number = 0;

	if (!file)
		give_up("bufinfo");
	snprintf(size, sizeof(size), "%08lu\t", SIZE);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(name, sizeof(name), "bufinfo line %d, %s", number, about);
		if (strncmp(line, size, strlen(size)) == 0) {
			char *ino = line;

			for (int tabs = 0; tabs < 5 && ino; tabs++)
				ino = strchr(ino, '\t') + 1;
			check_text(name, "%.*sINO%s", (int)(ino - line), line, strchr(ino, '\t'));
			mine = 1;
			number++;
		} else if (mine) {
			check_text(name, "%s", line);
			number++;
			mine = line[0] != '\0';
		}
	}
	fclose(file);
}

static void information(void)
{
	FILE *file = fopen("/sys/kernel/debug/dma_buf/bufinfo", "r");
	char line[256], name[32];

	for (int i = 0; file && i < 3 && fgets(line, sizeof(line), file); i++) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(name, sizeof(name), "head of bufinfo, line %d", i);
		check_text(name, "%s", line);
	}
	if (file)
		fclose(file);
	fresh();
	show_bufinfo("new");
	ioctl(buffer, BUF_SET_NAME_B, "a name");
	dup(buffer);
	import_fence(buffer, SYNC_WRITE, fence_at(timeline, 1));
	import_fence(buffer, SYNC_READ, fence_at(timeline, 2));
	show_bufinfo("with two fences");
	count_on(timeline, 1);
	show_bufinfo("with one signalled");
	import_fence(buffer, SYNC_READ, fence_at(timeline, 3));
	show_bufinfo("with a third");
	close(buffer);
	buffer = allocate(heap, SIZE, O_RDONLY);
	ioctl(buffer, BUF_SET_NAME_B, "");
	fcntl(buffer, F_SETFL, O_NONBLOCK);
	show_bufinfo("read-only");
	close_range(3, ~0u, 0);
	show_bufinfo("closed");
}

/* More than a page's list of them. */
static void many(void)
{
	int spare;

	fresh();
	for (int i = 0; i < 40; i++) {
		spare = open_timeline();
		if (import_fence(buffer, SYNC_READ, fence_at(spare, 1)) != 0)
			give_up("IMPORT");
		if (i % 3 == 0)
			count_on(spare, 1);
	}
	show("forty, a third of them done");
	show_bufinfo("with forty fences");
}

int main(void)
{
	begin();
	usages();
	merged();
	kept();
	refusals();
	syncing();
	fresh();
	import_fence(buffer, SYNC_WRITE, fence_at(timeline, 1));
	check("SYNC goes on after a signal", sync_goes_on());
	wait(NULL);
	watching();
	information();
	many();
	return finish();
}
