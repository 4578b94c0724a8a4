/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * /dev/udmabuf: buffers made of the pages of a sealed memfd, and everything that is refused.
 */
#include "heaps.h"

struct udmabuf_create {
	uint32_t memfd;
	uint32_t flags;
	uint64_t offset;
	uint64_t size;
};

struct udmabuf_item {
	uint32_t memfd;
	uint32_t pad;
	uint64_t offset;
	uint64_t size;
};

struct udmabuf_list {
	uint32_t flags;
	uint32_t count;
	struct udmabuf_item items[];
};

#define UDMABUF_CREATE 0x40187542u
#define UDMABUF_CREATE_LIST 0x40087543u
#define UDMABUF_FLAGS_CLOEXEC 1u

#define LIMIT_MB 64ul
#define LIST_LIMIT 1024u

static int device;

/* A memfd of so many pages with these seals. */
static int memfd(unsigned int pages, int seals)
{
	int fd = memfd_create("source", MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, pages * PAGE) != 0 || (seals && fcntl(fd, F_ADD_SEALS, seals) != 0))
		give_up("a memfd");
	return fd;
}

static int create(int fd, uint32_t flags, uint64_t offset, uint64_t size)
{
	struct udmabuf_create arg = { (uint32_t)fd, flags, offset, size };

	return ioctl(device, UDMABUF_CREATE, &arg);
}

static void try_create(const char *name, int fd, uint64_t offset, uint64_t size)
{
	int buffer = create(fd, UDMABUF_FLAGS_CLOEXEC, offset, size);

	check_ok(name, buffer);
	if (buffer >= 0)
		close(buffer);
}

static void the_device(void)
{
	char byte = 0;

	check("read", read(device, &byte, 1));
	check("write", write(device, &byte, 1));
	check("lseek", lseek(device, 0, SEEK_END));
	check_map("mmap", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, 0));
	check("an unknown command", ioctl(device, 0x40187544u, &byte));
	check("another direction", ioctl(device, 0xc0187542u, &byte));
	check("another size", ioctl(device, 0x40107542u, &byte));
	check("no argument", ioctl(device, UDMABUF_CREATE, NULL));
	check("a bad argument", ioctl(device, UDMABUF_CREATE, BAD_ADDRESS));
	check("a kernel's argument", ioctl(device, UDMABUF_CREATE, KERNEL_ADDRESS));
	check("a bad list", ioctl(device, UDMABUF_CREATE_LIST, BAD_ADDRESS));
}

static void seals(void)
{
	static const struct {
		const char *name;
		int seals;
	} tries[] = {
		{ "no seals", 0 },
		{ "sealed against shrinking", F_SEAL_SHRINK },
		{ "sealed against growing", F_SEAL_GROW },
		{ "sealed against shrinking and growing", F_SEAL_SHRINK | F_SEAL_GROW },
		{ "sealed against shrinking and seals", F_SEAL_SHRINK | F_SEAL_SEAL },
		{ "sealed against shrinking and writing", F_SEAL_SHRINK | F_SEAL_WRITE },
		{ "sealed against shrinking and later writing", F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE },
		{ "sealed against writing", F_SEAL_WRITE },
	};

	for (size_t i = 0; i < COUNT(tries); i++) {
		int fd = memfd(1, tries[i].seals);

		try_create(tries[i].name, fd, 0, PAGE);
		close(fd);
	}
}

static void sources(void)
{
	int fd = memfd(1, F_SEAL_SHRINK), plain = memfd_create("plain", 0), ends[2];
	char name[64];

	try_create("a descriptor of -1", -1, 0, PAGE);
	try_create("a descriptor that is closed", 1000, 0, PAGE);
	try_create("the device itself", device, 0, PAGE);
	if (pipe(ends) != 0)
		give_up("pipe");
	try_create("a pipe", ends[0], 0, PAGE);
	if (ftruncate(plain, PAGE) != 0)
		give_up("a memfd");
	try_create("a memfd without sealing", plain, 0, PAGE);
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ends[0] = open(name, O_PATH);
	try_create("a memfd by its name only", ends[0], 0, PAGE);
	ends[0] = open(name, O_RDONLY);
	try_create("a memfd to read only", ends[0], 0, PAGE);
	ends[0] = create(fd, 0, 0, PAGE);
	try_create("a buffer of a memfd", ends[0], 0, PAGE);
	close_range(4, ~0u, 0);
}

static void ranges(void)
{
	int fd = memfd(4, F_SEAL_SHRINK), large = memfd(LIMIT_MB * 256 + 1, F_SEAL_SHRINK);
	int empty = memfd(0, F_SEAL_SHRINK), odd = memfd(0, 0);

	try_create("size 0", fd, 0, 0);
	try_create("size 1", fd, 0, 1);
	try_create("size 4095", fd, 0, PAGE - 1);
	try_create("size 4097", fd, 0, PAGE + 1);
	try_create("offset 1", fd, 1, PAGE);
	try_create("offset 4095", fd, PAGE - 1, PAGE);
	try_create("the last page", fd, 3 * PAGE, PAGE);
	try_create("one page past the end", fd, 4 * PAGE, PAGE);
	try_create("up to one page past the end", fd, 0, 5 * PAGE);
	try_create("offset 2^63", fd, 1ull << 63, PAGE);
	try_create("offset 2^63-4096", fd, (1ull << 63) - PAGE, PAGE);
	try_create("offset 2^64-4096", fd, 0 - PAGE, PAGE);
	try_create("size 2^63", fd, 0, 1ull << 63);
	try_create("size 2^64-4096", fd, 0, 0 - PAGE);
	try_create("as much as may be", large, 0, LIMIT_MB << 20);
	try_create("a page more", large, 0, (LIMIT_MB << 20) + PAGE);
	try_create("an empty memfd", empty, 0, PAGE);
	if (ftruncate(odd, 100) != 0 || fcntl(odd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
		give_up("a memfd");
	try_create("a page that the end is in", odd, 0, PAGE);
	/* What is wrong is found in this order. */
	try_create("bad size and bad descriptor", -1, 0, 1);
	try_create("size 0 and bad descriptor", -1, 0, 0);
	close_range(4, ~0u, 0);
}

static void flags(void)
{
	int fd = memfd(1, F_SEAL_SHRINK);
	char name[64];

	for (int bit = 0; bit < 32; bit++) {
		int buffer = create(fd, 1u << bit, 0, PAGE);

		snprintf(name, sizeof(name), "flags bit %d", bit);
		check_ok(name, buffer);
		snprintf(name, sizeof(name), "flags bit %d, FD_CLOEXEC", bit);
		check(name, fcntl(buffer, F_GETFD));
		close(buffer);
	}
	close(fd);
}

static struct udmabuf_list *list_of(uint32_t count, int fd, uint64_t size)
{
	struct udmabuf_list *list = calloc(1, sizeof(*list) + count * sizeof(list->items[0]));

	if (!list)
		give_up("calloc");
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = count;
	for (uint32_t i = 0; i < count; i++)
		list->items[i] = (struct udmabuf_item){ .memfd = (uint32_t)fd, .offset = 0, .size = size };
	return list;
}

static long size_of_list(struct udmabuf_list *list)
{
	return size_and_close(ioctl(device, UDMABUF_CREATE_LIST, list));
}

static void lists(void)
{
	int fd = memfd(4, F_SEAL_SHRINK), unsealed = memfd(1, 0);
	struct udmabuf_list *list = list_of(LIST_LIMIT + 1, fd, PAGE);
	char *pages;

	check("a list longer than may be", size_of_list(list));
	list->count = LIST_LIMIT;
	check("a list as long as may be", size_of_list(list));
	list->count = ~0u;
	check("a list of 2^32-1", size_of_list(list));
	list->count = 0;
	check("an empty list", size_of_list(list));
	list->count = 3;
	check("the same page three times", size_of_list(list));
	list->items[1].size = 0;
	check("an item of no size", size_of_list(list));
	list->items[1].size = 1;
	check("an item of size 1", size_of_list(list));
	list->items[1].size = PAGE;
	list->items[2].memfd = (uint32_t)unsealed;
	check("an item without seals", size_of_list(list));
	list->items[2].memfd = ~0u;
	check("an item without a file", size_of_list(list));
	list->items[2].memfd = (uint32_t)fd;
	list->items[2].offset = 4 * PAGE;
	check("an item past the end", size_of_list(list));
	list->items[2].offset = 0;
	list->items[2].pad = ~0u;
	check("padding of ones", size_of_list(list));

	pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(pages + PAGE, PAGE);
	memcpy(pages + PAGE - 8 - sizeof(list->items[0]), list, 8 + sizeof(list->items[0]));
	check("a list whose items are not all there",
	      size_of_list((struct udmabuf_list *)(pages + PAGE - 8 - sizeof(list->items[0]))));
	memcpy(pages + PAGE - 4, list, 4);
	check("a list whose head is not all there", size_of_list((struct udmabuf_list *)(pages + PAGE - 4)));
	free(list);
	close_range(4, ~0u, 0);
}

/* Pages are in the list's order, and are the memfd's own. */
static void memory(void)
{
	int one = memfd(2, F_SEAL_SHRINK), two = memfd(2, F_SEAL_SHRINK), buffer;
	struct udmabuf_list *list = list_of(3, one, PAGE);
	volatile char *map, *source;

	list->items[0].offset = PAGE;
	list->items[1].memfd = (uint32_t)two;
	source = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, one, 0);
	source[0] = 'a';
	source[PAGE] = 'b';
	if (pwrite(two, "c", 1, 0) != 1)
		give_up("pwrite");
	buffer = ioctl(device, UDMABUF_CREATE_LIST, list);
	check_ok("a buffer of two memfds", buffer);
	map = check_map("map it", mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0));
	if ((void *)map == MAP_FAILED)
		give_up("the mapping");
	check_text("its pages", "%c%c%c", map[0], map[PAGE], map[2 * PAGE]);
	map[1] = 'x';
	check_text("the memfd sees a store", "%c", source[PAGE + 1]);
	source[2] = 'y';
	check_text("the buffer sees a store", "%c", map[2 * PAGE + 2]);
	check("the memfd punched", fallocate(one, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	check_text("the buffer's page stays", "%c", map[0]);
	check_text("the memfd's is another", "%d", source[PAGE]);
	source[PAGE] = 'z';
	check_text("and they are two", "%c", map[0]);
	close(one);
	close(two);
	munmap((void *)source, 2 * PAGE);
	check_text("without the memfd", "%c%c%c", map[0], map[PAGE], map[2 * PAGE]);
	munmap((void *)map, 3 * PAGE);

	check_map("map privately", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, buffer, 0));
	check_map("map past the end", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, buffer, 3 * PAGE));
	check_map("map across the end", mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, buffer, 0));
	check_map("map the last page", mmap(NULL, PAGE, PROT_READ, MAP_SHARED, buffer, 2 * PAGE));
	free(list);
	close_range(4, ~0u, 0);
}

/* What a descriptor of it is. */
static void descriptor(void)
{
	int fd = memfd(2, F_SEAL_SHRINK), buffer = create(fd, UDMABUF_FLAGS_CLOEXEC, 0, 2 * PAGE);
	char text[256], path[64], *line;
	ssize_t got;
	int info;

	check("size", lseek(buffer, 0, SEEK_END));
	check("flags", fcntl(buffer, F_GETFL) & O_ACCMODE);
	check("SYNC, end before start", sync_buffer(buffer, SYNC_RW | SYNC_END));
	check("SYNC, start", sync_buffer(buffer, SYNC_RW));
	check("SYNC, end", sync_buffer(buffer, SYNC_RW | SYNC_END));
	check("SYNC, end again", sync_buffer(buffer, SYNC_READ | SYNC_END));
	check("SYNC, start to read", sync_buffer(buffer, SYNC_READ));
	check("SYNC, bad flags", sync_buffer(buffer, 8 | SYNC_READ));
	check("set its name", ioctl(buffer, BUF_SET_NAME_B, "frame"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", buffer);
	info = open(path, O_RDONLY);
	got = read(info, text, sizeof(text) - 1);
	text[got < 0 ? 0 : got] = 0;
	line = strstr(text, "exp_name:");
	check_text("exporter", "%.*s", line ? (int)strcspn(line, "\n") : 0, line ? line : "");
	close(info);
	check("the heap's command", ioctl(buffer, HEAP_ALLOC, text));
	close(buffer);
	close(fd);
}

/* What the buffer refuses its memfd. */
static void held(void)
{
	int fd = memfd(2, F_SEAL_SHRINK), buffer = create(fd, 0, 0, PAGE);

	check("sealing against writing", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	check("sealing against later writing", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	check("seals meanwhile", fcntl(fd, F_GET_SEALS));
	check("growing", ftruncate(fd, 3 * PAGE));
	check("shrinking", ftruncate(fd, PAGE));
	close(buffer);
	close(fd);

	fd = memfd(2, F_SEAL_SHRINK);
	buffer = create(fd, 0, 0, PAGE);
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE);
	check("sealing against writing, the page punched", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	close(buffer);
	close(fd);
}

/* The descriptor table is full at the last step. */
static void no_room(void)
{
	int fd = memfd(1, F_SEAL_SHRINK), last;

	do
		last = dup(fd);
	while (last >= 0);
	check("no descriptor left", create(fd, 0, 0, PAGE));
	close(fd + 1);
	check_ok("one left", create(fd, 0, 0, PAGE));
	close_range(4, ~0u, 0);
}

int main(void)
{
	begin();
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0)
		give_up("/dev/udmabuf");
	the_device();
	seals();
	sources();
	ranges();
	flags();
	lists();
	memory();
	descriptor();
	held();
	no_room();
	return finish();
}
