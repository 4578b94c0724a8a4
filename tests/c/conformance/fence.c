/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Sync files and software timelines: making fences, signalling them, merging, asking, polling, and every other call.
 */
#include "fences.h"
#include <sys/epoll.h>

static char name_of[200];

/* A name of a check about something. */
static const char *of(const char *what, const char *about)
{
	snprintf(name_of, sizeof(name_of), "%s, %s", what, about);
	return name_of;
}

/* A fence's own name has the number of its timeline in it, which depends on what ran before: left out. */
static void check_name(const char *about, const char *name)
{
	char text[32];
	const char *digits = strpbrk(name, "0123456789"), *dash = strrchr(name, '-');

	if (digits && dash > digits)
		snprintf(text, sizeof(text), "%.*sN%s", (int)(digits - name), name, dash);
	else
		snprintf(text, sizeof(text), "%s", name);
	check_text(of("name", about), "%s", text);
}

/* All that FILE_INFO says, but for the time. */
static void show(const char *about, int fence)
{
	struct fence_info fences[8] = { 0 };
	struct file_info info = { .num_fences = 8, .sync_fence_info = (uintptr_t)fences };
	char text[48];

	check(of("FILE_INFO", about), ioctl(fence, SYNC_FILE_INFO, &info));
	check_name(about, info.name);
	check(of("status", about), info.status);
	check(of("number of fences", about), info.num_fences);
	for (unsigned int i = 0; i < info.num_fences && i < COUNT(fences); i++) {
		snprintf(text, sizeof(text), "fence %u of %s", i, about);
		check_text(of("names", text), "%s %s", fences[i].driver_name, fences[i].obj_name);
		check(of("status", text), fences[i].status);
		check_true(of("has a time", text), fences[i].timestamp_ns != 0);
		check(of("flags", text), fences[i].flags);
	}
	check(of("status without fences", about), status_of(fence));
	check(of("poll", about), ready(fence));
}

static void counting(void)
{
	int timeline = open_timeline(), two = fence_at(timeline, 2), zero = fence_at(timeline, 0), same = fence_at(timeline, 2);
	int far = fence_at(timeline, 0x7fffffff), past = fence_at(timeline, 0x80000000), last = fence_at(timeline, -1);

	show("a fence", two);
	show("a fence at 0", zero);
	show("a fence at 2^31-1", far);
	check("status at 2^31", status_of(past));
	check("status at -1", status_of(last));
	check("INC 1", count_on(timeline, 1));
	check("status after 1", status_of(two));
	check("INC 0", count_on(timeline, 0));
	check("status after 0", status_of(two));
	check("INC 1 again", count_on(timeline, 1));
	show("a signalled fence", two);
	check("status of the same", status_of(same));
	check("status of the far one", status_of(far));
	check("INC 2^32-1", count_on(timeline, -1));
	check("status of the far one then", status_of(far));
	/* The count is at 1 now. */
	check("status of a new one at 1", status_of(fence_at(timeline, 1)));
	check("status of a new one at 2", status_of(fence_at(timeline, 2)));
	check("closing the timeline", close(timeline));
	close_range(3, ~0u, 0);
}

static void ending(void)
{
	int timeline = open_timeline(), one = fence_at(timeline, 1), two = fence_at(timeline, 2);
	int other = open_timeline(), of_other = fence_at(other, 1), both = merge("both", one, of_other);
	int copy = dup(timeline);

	count_on(timeline, 1);
	close(timeline);
	check("status with a duplicate of the timeline", status_of(two));
	close(copy);
	show("a fence that was signalled", one);
	show("a fence whose timeline ended", two);
	count_on(other, 1);
	check("status of both", status_of(both));
	close_range(3, ~0u, 0);
}

static void merging(void)
{
	int one = open_timeline(), two = open_timeline();
	int a = fence_at(one, 1), b = fence_at(one, 5), c = fence_at(two, 1), merged, all, error;

	show("two of one timeline", merge("one", a, b));
	show("two of one timeline, the other way", merge("eno", b, a));
	show("itself", merge("twice", a, a));
	merged = merge("a name that is longer than thirty-two bytes are", a, c);
	show("two of two timelines", merged);
	show("without a name", merge("", a, c));
	all = merge("all", merged, b);
	show("three, two of one timeline", all);
	count_on(one, 1);
	show("half of it signalled", merged);
	show("half of it later", all);
	show("merged with a signalled one", merge("later", a, c));
	count_on(two, 1);
	show("all of it signalled", merged);
	show("half of it earlier", all);
	show("merged when signalled", merge("done", a, c));
	show("merged when signalled, without a name", merge("", a, c));
	error = fence_at(two, 9);
	merged = merge("an error", b, error);
	all = merge("an error, polled", b, error);
	check("poll before the error", ready(all));
	close(two);
	count_on(one, 9);
	show("with an error", merged);
	show("with an error, polled before", all);
	close_range(3, ~0u, 0);
}

/* Every field of every argument, one wrong at a time. */
static void refusals(void)
{
	int timeline = open_timeline(), fence = fence_at(timeline, 1), null = open("/dev/null", O_RDWR), other = open_timeline();
	int both = merge("both", fence, fence_at(other, 1));
	struct merge_data data = { .fd2 = fence };
	struct fence_info infos[2];
	struct file_info info = { 0 };
	struct create_fence create = { .value = 1 };

	check("MERGE null", ioctl(fence, SYNC_MERGE, NULL));
	check("MERGE kernel pointer", ioctl(fence, SYNC_MERGE, KERNEL_ADDRESS));
	data.flags = 1;
	check("MERGE flags", ioctl(fence, SYNC_MERGE, &data));
	data.flags = 0;
	data.pad = 1;
	check("MERGE pad", ioctl(fence, SYNC_MERGE, &data));
	data.pad = 0;
	data.fd2 = -1;
	check("MERGE with -1", ioctl(fence, SYNC_MERGE, &data));
	data.fd2 = 1000;
	check("MERGE with nothing open", ioctl(fence, SYNC_MERGE, &data));
	data.fd2 = null;
	check("MERGE with another file", ioctl(fence, SYNC_MERGE, &data));
	data.fd2 = timeline;
	check("MERGE with a timeline", ioctl(fence, SYNC_MERGE, &data));
	check("MERGE of a timeline", ioctl(timeline, SYNC_MERGE, &data));
	check("MERGE of 44 bytes", ioctl(fence, 0xc02c3e03u, &data));
	check("MERGE as read", ioctl(fence, 0x80303e03u, &data));

	check("FILE_INFO null", ioctl(fence, SYNC_FILE_INFO, NULL));
	check("FILE_INFO bad pointer", ioctl(fence, SYNC_FILE_INFO, BAD_ADDRESS));
	info.flags = 1;
	check("FILE_INFO flags", ioctl(fence, SYNC_FILE_INFO, &info));
	info.flags = 0;
	info.pad = 1;
	check("FILE_INFO pad", ioctl(fence, SYNC_FILE_INFO, &info));
	info.pad = 0;
	info.num_fences = 1;
	check("FILE_INFO, fences at null", ioctl(fence, SYNC_FILE_INFO, &info));
	info.sync_fence_info = (uintptr_t)KERNEL_ADDRESS;
	check("FILE_INFO, fences in the kernel", ioctl(fence, SYNC_FILE_INFO, &info));
	info.num_fences = 0;
	check("FILE_INFO, fences in the kernel and none asked for", ioctl(fence, SYNC_FILE_INFO, &info));
	info.num_fences = 1;
	info.sync_fence_info = (uintptr_t)infos;
	check("FILE_INFO, too little room", ioctl(both, SYNC_FILE_INFO, &info));
	info.num_fences = 2;
	check("FILE_INFO, room enough", ioctl(both, SYNC_FILE_INFO, &info));
	info.num_fences = -1;
	check("FILE_INFO, all the room there is", ioctl(both, SYNC_FILE_INFO, &info));
	info.status = 77;
	check("FILE_INFO, a status on the way in", ioctl(fence, SYNC_FILE_INFO, &info));
	check("its status on the way out", info.status);
	check("FILE_INFO of a timeline", ioctl(timeline, SYNC_FILE_INFO, &info));
	check("FILE_INFO of 52 bytes", ioctl(fence, 0xc0343e04u, &info));

	check("CREATE null", ioctl(timeline, SW_CREATE, NULL));
	check("CREATE bad pointer", ioctl(timeline, SW_CREATE, BAD_ADDRESS));
	create.fence = 77;
	check("CREATE, a descriptor on the way in", ioctl(timeline, SW_CREATE, &create));
	check("its F_GETFD", fcntl(create.fence, F_GETFD));
	check("CREATE of 36 bytes", ioctl(timeline, 0xc0245700u, &create));
	check("CREATE of a fence", ioctl(fence, SW_CREATE, &create));
	check("INC null", ioctl(timeline, SW_INC, NULL));
	check("INC as read", ioctl(timeline, 0x80045701u, &(int){ 1 }));
	check("timeline, ioctl 2", ioctl(timeline, 0x40045702u, &(int){ 1 }));
	check("timeline, TCGETS", ioctl(timeline, 0x5401, &data));
	check("fence, TCGETS", ioctl(fence, 0x5401, &data));
	check("fence, ioctl 0", ioctl(fence, 0xc0303e00u, &data));
	check("status after all that", status_of(fence));
	close_range(3, ~0u, 0);
}

/* A page that can be read and not written. */
static void read_only_arguments(void)
{
	int timeline = open_timeline(), fence = fence_at(timeline, 1), next = dup(fence);
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	close(next);
	((struct merge_data *)page)->fd2 = fence;
	mprotect(page, PAGE, PROT_READ);
	check("MERGE, read-only", ioctl(fence, SYNC_MERGE, page));
	check("FILE_INFO, read-only", ioctl(fence, SYNC_FILE_INFO, page + 64));
	check("CREATE, read-only", ioctl(timeline, SW_CREATE, page + 64));
	check("INC, read-only", ioctl(timeline, SW_INC, page + 64));
	check_true("no descriptor was lost", dup(fence) == next);
	munmap(page, PAGE);
	close_range(3, ~0u, 0);
}

static void full_table(void)
{
	int timeline = open_timeline(), fence = fence_at(timeline, 1), buffer = allocate(open_system_heap(), PAGE, O_RDWR);

	while (dup(fence) >= 0)
		continue;
	check_ok("CREATE, table full", fence_at(timeline, 2));
	check_ok("MERGE, table full", merge("", fence, fence));
	check("MERGE null, table full", ioctl(fence, SYNC_MERGE, NULL));
	check("CREATE null, table full", ioctl(timeline, SW_CREATE, NULL));
	check_ok("EXPORT, table full", export_fence(buffer, SYNC_READ));
	check_ok("EXPORT without flags, table full", export_fence(buffer, 0));
	check("IMPORT, table full", import_fence(buffer, SYNC_READ, fence));
	close_range(3, ~0u, 0);
}

static void other_calls(int fd, const char *about)
{
	char byte = 0, path[64], text[64] = "";
	struct stat stat;
	int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };

	check(of("read", about), read(fd, &byte, 1));
	check(of("write", about), write(fd, &byte, 1));
	check(of("pread", about), pread(fd, &byte, 1, 0));
	check(of("lseek", about), lseek(fd, 0, SEEK_SET));
	check_map(of("mmap", about), mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
	check(of("F_GETFL", about), fcntl(fd, F_GETFL) & ~O_LARGEFILE);
	check(of("F_GETFD", about), fcntl(fd, F_GETFD));
	check(of("fstat", about), fstat(fd, &stat));
	check_text(of("mode", about), "%o", stat.st_mode);
	check(of("size", about), stat.st_size);
	check(of("fsync", about), fsync(fd));
	check(of("ftruncate", about), ftruncate(fd, 0));
	check(of("epoll_ctl", about), epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
	check(of("epoll_wait", about), epoll_wait(epoll, &event, 1, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (readlink(path, text, sizeof(text) - 1) < 0)
		strcpy(text, "?");
	check_text(of("link", about), "%s", text);
	close(epoll);
}

static int fence, begun[2];

static int waits(void)
{
	struct pollfd one = { fence, POLLIN, 0 };
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, fence, &event);
	if (write(begun[1], "x", 1) != 1 || poll(&one, 1, -1) != 1 || one.revents != POLLIN)
		return 1;
	return epoll_wait(epoll, &event, 1, -1) == 1 && event.events == EPOLLIN ? 7 : 2;
}

static void waiting(void)
{
	int timeline = open_timeline(), status;
	char byte;
	pid_t child;

	fence = fence_at(timeline, 1);
	if (pipe(begun) != 0)
		give_up("pipe");
	child = fork();
	if (child == 0)
		_exit(waits());
	check("the child is about to wait", read(begun[0], &byte, 1));
	usleep(20000);
	count_on(timeline, 1);
	if (waitpid(child, &status, 0) != child)
		give_up("waitpid");
	check_status("a child that waits for a fence", status);
	close_range(3, ~0u, 0);
}

int main(void)
{
	int timeline;

	begin();
	counting();
	ending();
	merging();
	refusals();
	read_only_arguments();
	full_table();
	timeline = open_timeline();
	fence = fence_at(timeline, 1);
	other_calls(fence, "a fence");
	count_on(timeline, 1);
	other_calls(fence, "a signalled fence");
	other_calls(timeline, "a timeline");
	close_range(3, ~0u, 0);
	waiting();
	return finish();
}
