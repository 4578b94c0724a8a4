/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Modules that come and go, and what only a module can do or see: registering heaps, well and wrongly, a device that
 * goes, what runs of pages a buffer is of, and what becomes of an allocation whose caller is killed. The modules are of
 * the same names on both kernels: those of module/ on Linux, of kernel/modules here.
 *
 * The heaps that are registered at the end stay: on Linux there is no way to take one back.
 */
#include "heaps.h"
#include <dirent.h>

static long load(const char *module, const char *parameters)
{
	char path[128];
	int fd;
	long result;

	snprintf(path, sizeof(path), "/lib/modules/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	result = syscall(SYS_finit_module, fd, parameters, 0);
	close(fd);
	return result;
}

/* The same from memory. */
static long load_from_memory(const char *module, const char *parameters)
{
	static char image[1 << 20];
	char path[128];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/lib/modules/%s.ko", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = read(fd, image, sizeof(image));
	if (length <= 0 || length == sizeof(image))
		give_up(path);
	close(fd);
	return syscall(SYS_init_module, image, length, parameters);
}

static long unload(const char *module, unsigned int flags)
{
	return syscall(SYS_delete_module, module, O_NONBLOCK | flags);
}

/* A line of a module's file, or how it could not be opened. */
static const char *line_of(const char *module, const char *file)
{
	static char line[256];
	char path[128];
	FILE *stream;

	snprintf(path, sizeof(path), "/sys/module/%s/%s", module, file);
	stream = fopen(path, "re");
	if (!stream)
		return strerrorname_np(errno);
	if (!fgets(line, sizeof(line), stream))
		strcpy(line, "nothing");
	fclose(stream);
	line[strcspn(line, "\n")] = '\0';
	return line;
}

static const char *parameter(const char *module, const char *name)
{
	char file[64];

	snprintf(file, sizeof(file), "parameters/%s", name);
	return line_of(module, file);
}

/* An error that a module's parameter tells, by name. */
static const char *told(const char *name)
{
	int error = atoi(parameter("heap_facts", name));

	return error ? strerrorname_np(-error) ?: "?" : "0";
}

/* Its line of /proc/modules without size and address. */
static void check_listed(const char *check_name, const char *module)
{
	char line[512], name[64], used_by[64], state[32], address[64], rest[64];
	unsigned long size;
	FILE *stream = fopen("/proc/modules", "re");
	int refs, fields;

	if (!stream)
		give_up("/proc/modules");
	while (fgets(line, sizeof(line), stream)) {
		rest[0] = '\0';
		fields = sscanf(line, "%63s %lu %d %63s %31s %63s %63s", name, &size, &refs, used_by, state, address, rest);
		if (strcmp(name, module) != 0)
			continue;
		check_text(check_name, "%d fields, %s %d %s %s%s%s", fields, size ? "a size" : "no size", refs, used_by,
			   state, strncmp(address, "0x", 2) == 0 ? " 0x" : " no address", rest);
		fclose(stream);
		return;
	}
	fclose(stream);
	check_text(check_name, "not listed");
}

static void lives_of_modules(void)
{
	int heap = open_system_heap(), buffer = allocate(heap, PAGE, O_RDWR), text = file_with("text", "text\n");
	char fd[32];

	subject = "module";
	check("a parameter that is no number", load("sg_probe", "fd=x"));
	check("a parameter without a value", load("sg_probe", "fd"));
	check("a parameter of nothing", load("sg_probe", "fd="));
	check("an init that fails", load("sg_probe", "fd=999"));
	check_listed("listed after that", "sg_probe");
	check_text("its state after that", "%s", line_of("sg_probe", "initstate"));
	snprintf(fd, sizeof(fd), "fd=%d", text);
	check("an init that fails otherwise", load("sg_probe", fd));
	check("unloading what failed", unload("sg_probe", 0));
	snprintf(fd, sizeof(fd), "unknown=1 fd=%d", buffer);
	check("one that succeeds", load("sg_probe", fd));
	check_listed("its line", "sg_probe");
	check_text("its state", "%s", line_of("sg_probe", "initstate"));
	check_text("its count", "%s", line_of("sg_probe", "refcnt"));
	check("loading it again", load("sg_probe", fd));
	check_text("a parameter that was given", "%d", atoi(parameter("sg_probe", "fd")) == buffer);
	check_text("a parameter that is not there", "%s", parameter("sg_probe", "unknown"));
	check("unloading it", unload("sg_probe", 0));
	check_listed("listed afterwards", "sg_probe");
	check("unloading it again", unload("sg_probe", 0));
	check("from memory, an init that fails", load_from_memory("sg_probe", "fd=999"));
	check("from memory", load_from_memory("sg_probe", fd));
	check("from memory, again", load_from_memory("sg_probe", fd));
	check("from memory, unloading", unload("sg_probe", 0));
	subject = "without exit";
	check("loading", load("no_exit", ""));
	check_listed("its line", "no_exit");
	check("unloading", unload("no_exit", 0));
	check("unloading without O_NONBLOCK", syscall(SYS_delete_module, "no_exit", 0));
	check_text("its state afterwards", "%s", line_of("no_exit", "initstate"));
	check("unloading by force", unload("no_exit", O_TRUNC));
	check_listed("listed afterwards", "no_exit");
	check("loading again", load("no_exit", ""));
	check("unloading by force again", unload("no_exit", O_TRUNC));
	subject = "holding itself";
	check("loading", load("holds_itself", ""));
	check_listed("its line", "holds_itself");
	check_text("its count", "%s", line_of("holds_itself", "refcnt"));
	check("unloading", unload("holds_itself", 0));
	check("unloading without O_NONBLOCK", syscall(SYS_delete_module, "holds_itself", 0));
	check_text("its state afterwards", "%s", line_of("holds_itself", "initstate"));
	check_text("its count afterwards", "%s", line_of("holds_itself", "refcnt"));
	check("unloading by force", unload("holds_itself", O_TRUNC));
	check_listed("listed afterwards", "holds_itself");
	check("loading again", load("holds_itself", ""));
	check_text("its count then", "%s", line_of("holds_itself", "refcnt"));
	check("unloading by force again", unload("holds_itself", O_TRUNC));
	close(text);
	close(buffer);
	close(heap);
}

/* How many heaps there are: character devices, not other names of theirs. */
static int heaps(void)
{
	DIR *directory = opendir("/dev/dma_heap");
	struct dirent *entry;
	int count = 0;

	if (!directory)
		give_up("/dev/dma_heap");
	while ((entry = readdir(directory)))
		count += entry->d_type == DT_CHR;
	closedir(directory);
	return count;
}

static void registrations_that_fail(void)
{
	int before = heaps(), heap;

	subject = "registering";
	check("a symbol that nobody exports", load("heap_facts", "name=fact"));
	check("what exports it", load("ledger", ""));
	check("no name", load("heap_facts", ""));
	check("an empty name", load("heap_facts", "name="));
	check("several without a name", load("heap_facts", "count=2"));
	check("no allocate", load("heap_facts", "name=fact allocate=none"));
	check("no allocate, and a name that is taken", load("heap_facts", "name=system allocate=none"));
	check("a name that is taken", load("heap_facts", "name=system"));
	check("another that is taken", load("heap_facts", "name=reserved"));
	check("heaps more than before", heaps() - before);
	check_listed("listed after that", "heap_facts");
	check_listed("what it used", "ledger");
	heap = open_system_heap();
	check("the heap of that name", size_and_close(allocate(heap, PAGE, O_RDWR)));
	close(heap);
	check("unloading what it used", unload("ledger", 0));
	check("loading that again", load("ledger", ""));
}

/* Writes to a file of the driver's: how many bytes it took. */
static long tell_driver(const char *file, const char *device)
{
	char path[128];
	long written;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/platform/drivers/tee_heap/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		give_up(path);
	written = write(fd, device, strlen(device));
	close(fd);
	return written;
}

/* A device goes though its heap is open, and on Linux though the driver says that it is busy. */
static void unbinding(void)
{
	int heap;

	subject = "unbinding";
	check("loading the driver", load("tee_heap", "name=unbound"));
	heap = open("/dev/dma_heap/unbound", O_RDWR | O_CLOEXEC);
	check_ok("opening its heap", heap);
	check("a device that is not there", tell_driver("unbind", "no_such_device"));
	check("its device, the heap open", tell_driver("unbind", "tee_heap"));
	check("its device again", tell_driver("unbind", "tee_heap"));
	check_text("the driver's module", "%s", line_of("tee_heap", "initstate"));
	close(heap);
}

/* What runs a buffer is of, as the module says it. */
static const char *runs_of(int buffer)
{
	static char runs[256];
	char fd[32];

	snprintf(fd, sizeof(fd), "fd=%d", buffer);
	if (load("sg_probe", fd) != 0)
		give_up("sg_probe");
	snprintf(runs, sizeof(runs), "%s", parameter("sg_probe", "runs"));
	if (unload("sg_probe", 0) != 0)
		give_up("sg_probe");
	return runs;
}

struct runs {
	int others, rises;
	unsigned long last, pages;
};

/* Whether they are of 256, 16 or one page, and none longer than the one before; and how many pages in all. */
static struct runs judge(const char *text)
{
	struct runs seen = { 0 };
	unsigned long pages, count, before = ~0ul;
	int length;

	for (; sscanf(text, "%lu*%lu%n", &pages, &count, &length) == 2; text += length) {
		seen.others |= pages != 256 && pages != 16 && pages != 1;
		seen.rises |= pages > before;
		seen.pages += pages * count;
		seen.last = before = pages;
	}
	seen.others |= *text != '\0';
	return seen;
}

static long meminfo(const char *field)
{
	FILE *stream = fopen("/proc/meminfo", "re");
	char line[128];
	long kilobytes = 0;

	if (!stream)
		give_up("/proc/meminfo");
	while (fgets(line, sizeof(line), stream))
		if (strncmp(line, field, strlen(field)) == 0)
			kilobytes = atol(line + strlen(field));
	fclose(stream);
	return kilobytes;
}

#define MIB (1024 * 1024ul)
#define EATEN (144 * MIB)
#define LARGE (4 * MIB)

/* What was seen of many buffers: how many were wrong in a way. */
static struct {
	int made, others, rises, sizes;
} all;

/* A buffer of scattered memory, and the length of its last runs. */
static int large_buffer(int heap, unsigned long *last)
{
	int buffer = allocate(heap, LARGE, O_RDWR | O_CLOEXEC);
	struct runs seen;

	if (buffer < 0)
		give_up("a buffer of scattered memory");
	seen = judge(runs_of(buffer));
	all.made++;
	all.others += seen.others;
	all.rises += seen.rises;
	all.sizes += seen.pages != LARGE / PAGE;
	*last = seen.last;
	return buffer;
}

/* Memory with holes of single pages: what was free is touched, and three pages of four given back. */
static char *scatter(void)
{
	char *eaten = mmap(NULL, EATEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (eaten == MAP_FAILED)
		give_up("mmap");
	madvise(eaten, EATEN, MADV_NOHUGEPAGE);
	memset(eaten, 1, EATEN);
	for (size_t at = 0; at < EATEN; at += 4 * PAGE)
		if (madvise(eaten + at, 3 * PAGE, MADV_DONTNEED) != 0)
			give_up("madvise");
	return eaten;
}

/* Gives long runs back, one after the other and again and again, and takes others. */
static _Noreturn void churn(int heap, int *buffers, size_t count)
{
	for (size_t i = 0;; i = (i + 1) % count) {
		close(buffers[i]);
		buffers[i] = allocate(heap, MIB, O_RDWR | O_CLOEXEC);
	}
}

/*
 * Buffers that are made one after the other and kept have to do with less and less. Then some that are made while
 * somebody else gives long runs back: those come too late for a buffer that has short ones already.
 */
static void runs_of_scattered_memory(int heap)
{
	int held[8];
	unsigned long last = 0;
	char *eaten;
	pid_t pid;

	for (size_t i = 0; i < COUNT(held); i++)
		held[i] = allocate(heap, MIB, O_RDWR | O_CLOEXEC);
	eaten = scatter();
	while (last != 1 && meminfo("MemFree:") - meminfo("CmaFree:") > 24 * 1024)
		large_buffer(heap, &last);
	check_true("some buffers were made", all.made > 0);
	check("the last one's last runs", (long)last);
	pid = fork();
	if (pid == 0)
		churn(heap, held, COUNT(held));
	for (size_t i = 0; i < COUNT(held); i++)
		close(held[i]);
	for (int i = 0; i < 40; i++)
		close(large_buffer(heap, &last));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	check("buffers with runs of another length", all.others);
	check("buffers with runs longer than those before", all.rises);
	check("buffers of another size", all.sizes);
	close_range((unsigned int)heap + 1, ~0u, 0);
	munmap(eaten, EATEN);
}

static void runs_of_buffers(void)
{
	static const struct {
		const char *name;
		unsigned long length;
	} tries[] = {
		{ "one page", PAGE },
		{ "fifteen pages", 15 * PAGE },
		{ "sixteen pages", 16 * PAGE },
		{ "a page less than 1 MiB", MIB - PAGE },
		{ "1 MiB", MIB },
		{ "2 MiB, 128 KiB and 12 KiB", 2 * MIB + 35 * PAGE },
	};
	int heap = open_system_heap();

	subject = "runs";
	for (size_t i = 0; i < COUNT(tries); i++) {
		int buffer = allocate(heap, tries[i].length, O_RDWR | O_CLOEXEC);

		check_text(tries[i].name, "%s", runs_of(buffer));
		close(buffer);
	}
	runs_of_scattered_memory(heap);
	close(heap);
}

static void all_minors(void)
{
	int before = heaps(), heap, buffer;

	subject = "all minors";
	check("two hundred heaps", load("heap_facts", "name=fact count=200"));
	check("heaps in all", heaps());
	check_true("as many as were registered", heaps() - before == atoi(parameter("heap_facts", "added")));
	check_text("what the next was refused with", "%s", told("refusal"));
	check("the same module again", load("heap_facts", "name=more"));
	check_listed("its line", "heap_facts");
	check_listed("what it uses", "ledger");
	check("unloading what it uses", unload("ledger", 0));
	check("unloading what it uses by force", unload("ledger", O_TRUNC));
	heap = open("/dev/dma_heap/fact0", O_RDWR | O_CLOEXEC);
	check_ok("opening the first", heap);
	check_text("its count, a heap open", "%s", line_of("heap_facts", "refcnt"));
	buffer = allocate(heap, PAGE, O_RDWR);
	check_ok("a buffer of it", buffer);
	check_text("its count, a buffer open", "%s", line_of("heap_facts", "refcnt"));
	check("unloading it", unload("heap_facts", 0));
	check_text("its state afterwards", "%s", line_of("heap_facts", "initstate"));
	close(buffer);
	check_text("its count, the buffer closed", "%s", line_of("heap_facts", "refcnt"));
	close(heap);
}

/* Somebody allocates from a heap that makes him wait, and asks the system heap when he is killed. */
static void killed_while_allocating(void)
{
	int heap = open("/dev/dma_heap/fact1", O_RDWR | O_CLOEXEC), status = 0;
	pid_t pid = fork();

	subject = "killed while allocating";
	if (pid == 0)
		_exit(allocate(heap, 2 * PAGE, O_RDWR) >= 0);
	while (strcmp(parameter("heap_facts", "waiting"), "1") != 0)
		usleep(1000);
	check("still there", waitpid(pid, &status, WNOHANG));
	check_text("the system heap's answer before", "%s", told("alive"));
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		give_up("waitpid");
	check_status("its end", status);
	check_text("the system heap's answer", "%s", told("killed"));
	check_text("the module's count", "%s", line_of("heap_facts", "refcnt"));
	check("and somebody else's buffer", size_and_close(allocate(heap, PAGE, O_RDWR)));
	close(heap);
}

int main(void)
{
	begin();
	lives_of_modules();
	registrations_that_fail();
	unbinding();
	runs_of_buffers();
	all_minors();
	killed_while_allocating();
	return finish();
}
