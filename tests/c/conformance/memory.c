/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Memory: mapping with each flag, protecting, unmapping, moving, advice, brk, and what touching gives.
 */
#include "check.h"
#include <setjmp.h>
#include <sys/resource.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static sigjmp_buf back;
static volatile int fault_code;

static void faulted(int signal, siginfo_t *info, void *context)
{
	(void)context;
	fault_code = info->si_code;
	siglongjmp(back, signal);
}

/* What touching a byte gives: nothing, or the signal and its code. */
static void touch(const char *name, volatile char *at, int write)
{
	struct sigaction action = { .sa_sigaction = faulted, .sa_flags = SA_SIGINFO };
	int signal;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal = sigsetjmp(back, 1);
	if (signal == 0) {
		if (write)
			*at = 1;
		else
			(void)*at;
		check_text(name, "fine");
	} else {
		check_text(name, "%s, code %d", sigabbrev_np(signal), fault_code);
	}
	action = (struct sigaction){ .sa_handler = SIG_DFL };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static char *map(size_t pages, int protection)
{
	char *at = mmap(NULL, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		give_up("mmap");
	return at;
}

static void mapping(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, protection = PROT_READ | PROT_WRITE, fd = file_with("file", "content");
	int write_only = open("file", O_WRONLY), read_only = open("file", O_RDONLY);
	char *area = map(8, protection), *at;

	munmap(area, 8 * PAGE);
	check_map("anonymous", at = mmap(NULL, PAGE, protection, flags, -1, 0));
	check("it is zero", at[PAGE - 1]);
	check_map("length 0", mmap(NULL, 0, protection, flags, -1, 0));
	check_map("length 1", mmap(NULL, 1, protection, flags, -1, 0));
	check_map("length 2^64-1", mmap(NULL, -1, protection, flags, -1, 0));
	check_map("length 2^48", mmap(NULL, 1ul << 48, protection, flags, -1, 0));
	check_map("length 2^47, not reserved", mmap(NULL, 1ul << 46, PROT_NONE, flags | MAP_NORESERVE, -1, 0));
	check_map("neither shared nor private", mmap(NULL, PAGE, protection, MAP_ANONYMOUS, -1, 0));
	check_map("type 15", mmap(NULL, PAGE, protection, MAP_ANONYMOUS | 15, -1, 0));
	check_map("MAP_SHARED_VALIDATE", mmap(NULL, PAGE, protection, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, -1, 0));
	check_map("without a file", mmap(NULL, PAGE, protection, MAP_PRIVATE, -1, 0));
	check_map("anonymous with a file", mmap(NULL, PAGE, protection, flags, fd, 0));
	check_map("anonymous with an offset", mmap(NULL, PAGE, protection, flags, -1, PAGE));
	check_map("an offset within a page", mmap(NULL, PAGE, protection, flags, -1, 100));
	check_map("an unknown protection", mmap(NULL, PAGE, 0x40, flags, -1, 0));
	check_map("every protection bit", mmap(NULL, PAGE, -1, flags, -1, 0));
	check_map("an unknown flag", mmap(NULL, PAGE, protection, flags | 1 << 30, -1, 0));
	check_map("MAP_GROWSDOWN", mmap(NULL, PAGE, protection, flags | MAP_GROWSDOWN, -1, 0));
	check_map("MAP_GROWSDOWN, shared", mmap(NULL, PAGE, protection, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	check_map("MAP_LOCKED", mmap(NULL, PAGE, protection, flags | MAP_LOCKED, -1, 0));
	check_map("MAP_POPULATE", mmap(NULL, PAGE, protection, flags | MAP_POPULATE, -1, 0));
	check_map("MAP_STACK", mmap(NULL, PAGE, protection, flags | MAP_STACK, -1, 0));
	check_true("a hint", mmap(area, PAGE, protection, flags, -1, 0) == area);
	check_true("a hint that is taken", mmap(area, PAGE, protection, flags, -1, 0) != area);
	check_true("a hint within a page", mmap(area + PAGE + 100, PAGE, protection, flags, -1, 0) != MAP_FAILED);
	check_true("a hint past user space", mmap((void *)(1ul << 60), PAGE, protection, flags, -1, 0) != MAP_FAILED);
	check_true("MAP_FIXED", mmap(area, PAGE, protection, flags | MAP_FIXED, -1, 0) == area);
	check_map("MAP_FIXED within a page", mmap(area + 100, PAGE, protection, flags | MAP_FIXED, -1, 0));
	check_map("MAP_FIXED past user space", mmap((void *)(1ul << 60), PAGE, protection, flags | MAP_FIXED, -1, 0));
	check_map("MAP_FIXED at 0", mmap(NULL, PAGE, protection, flags | MAP_FIXED, -1, 0));
	munmap(NULL, PAGE);
	check_map("MAP_FIXED_NOREPLACE over something",
		  mmap(area, PAGE, protection, flags | MAP_FIXED_NOREPLACE, -1, 0));
	munmap(area, 8 * PAGE);
	check_true("MAP_FIXED_NOREPLACE", mmap(area, PAGE, protection, flags | MAP_FIXED_NOREPLACE, -1, 0) == area);
	check_map("a file, privately", mmap(NULL, PAGE, protection, MAP_PRIVATE, fd, 0));
	check_map("a read-only file, privately", mmap(NULL, PAGE, protection, MAP_PRIVATE, read_only, 0));
	check_map("a read-only file, shared for writing", mmap(NULL, PAGE, protection, MAP_SHARED, read_only, 0));
	check_map("a write-only file", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, write_only, 0));
	check_map("O_PATH", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open("file", O_PATH), 0));
	check_map("a directory", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open(".", O_RDONLY), 0));
	check_map("/dev/null", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 0, 0));
	check_map("/dev/zero, privately", mmap(NULL, PAGE, protection, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0));
	check_map("/dev/zero, shared", mmap(NULL, PAGE, protection, MAP_SHARED, open("/dev/zero", O_RDWR), 0));
	check_map("a file, an offset of -4096", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, -4096));
	check_map("a closed descriptor", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
	close_range(3, ~0u, 0);
}

static void private_files(void)
{
	int fd = file_with("file", "content");
	char *at = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0), bytes[8] = "";

	check_text("content", "%.7s", at);
	check("past the end, on its page", at[PAGE - 1]);
	touch("a page past the end", at + PAGE, 0);
	at[0] = 'C';
	pread(fd, bytes, 7, 0);
	check_text("the file after writing to the mapping", "%s", bytes);
	check("msync", msync(at, PAGE, MS_SYNC));
	close(fd);
	check_text("after close", "%.7s", at);
	munmap(at, 2 * PAGE);
}

static void unmapping(void)
{
	char *at = map(4, PROT_READ | PROT_WRITE);

	check("the middle", munmap(at + PAGE, PAGE));
	check("the middle again", munmap(at + PAGE, PAGE));
	touch("touching it", at + PAGE, 0);
	touch("touching what is beside it", at + 2 * PAGE, 1);
	check("all, with the hole", munmap(at, 4 * PAGE));
	check("nothing", munmap(at, 0));
	check("within a page", munmap(at + 100, PAGE));
	check("one byte", munmap(at, 1));
	check("past user space", munmap((void *)(1ul << 60), PAGE));
	check("length 2^64-1", munmap(at, -1));
	check("null", munmap(NULL, PAGE));
}

static void protecting(void)
{
	char *at = map(4, PROT_READ | PROT_WRITE);

	check("to read-only", mprotect(at, PAGE, PROT_READ));
	touch("reading read-only memory", at, 0);
	touch("writing read-only memory", at, 1);
	check("to nothing", mprotect(at, PAGE, PROT_NONE));
	touch("reading inaccessible memory", at, 0);
	check("to writing alone", mprotect(at, PAGE, PROT_WRITE));
	touch("reading write-only memory", at, 0);
	check("to execution alone", mprotect(at, PAGE, PROT_EXEC));
	check("back", mprotect(at, PAGE, PROT_READ | PROT_WRITE));
	touch("writing again", at, 1);
	check("nothing", mprotect(at, 0, PROT_READ));
	check("within a page", mprotect(at + 1, PAGE, PROT_READ));
	check("an unknown bit", mprotect(at, PAGE, 0x40));
	check("PROT_GROWSDOWN", mprotect(at, PAGE, PROT_READ | PROT_GROWSDOWN));
	check("PROT_GROWSDOWN and PROT_GROWSUP", mprotect(at, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
	munmap(at + 2 * PAGE, PAGE);
	check("across a hole", mprotect(at, 4 * PAGE, PROT_READ));
	touch("writing below the hole", at, 1);
	touch("writing above the hole", at + 3 * PAGE, 1);
	check("a hole", mprotect(at + 2 * PAGE, PAGE, PROT_READ));
	check("past user space", mprotect((void *)(1ul << 60), PAGE, PROT_READ));
	check("length 2^64-1", mprotect(at, -1, PROT_READ));
	munmap(at, 4 * PAGE);
	touch("null", NULL, 0);
	touch("a kernel address", KERNEL_ADDRESS, 0);
	touch("a non-canonical address", (char *)(1ul << 60 | 8), 0);
}

static void moving(void)
{
	char *at = map(4, PROT_READ | PROT_WRITE), *to = map(4, PROT_READ), *shared, *moved;
	int fd = file_with("file", "content");

	at[0] = 'a';
	check_true("to the same size", mremap(at, 4 * PAGE, 4 * PAGE, 0) == at);
	check_true("smaller", mremap(at, 4 * PAGE, 2 * PAGE, 0) == at);
	touch("what was cut off", at + 2 * PAGE, 0);
	mmap(at + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check_map("larger, no room", mremap(at, 2 * PAGE, 4 * PAGE, 0));
	check_map("larger, moved", moved = mremap(at, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE));
	check("the content moved", moved[0]);
	touch("where it was", at, 0);
	check_true("MREMAP_FIXED", mremap(moved, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	check("the content there", to[0]);
	check_map("MREMAP_FIXED alone", mremap(to, PAGE, PAGE, MREMAP_FIXED, at));
	check_map("MREMAP_FIXED over itself", mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	check_map("MREMAP_FIXED within a page", mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at + 1));
	check_map("MREMAP_DONTUNMAP", mremap(to, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	check_map("MREMAP_DONTUNMAP, larger", mremap(to, PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	check_map("an unknown flag", mremap(to, PAGE, PAGE, 8));
	check_map("to nothing", mremap(to, PAGE, 0, MREMAP_MAYMOVE));
	check_map("from nothing, private", mremap(to, 0, PAGE, MREMAP_MAYMOVE));
	check_map("within a page", mremap(to + 1, PAGE, PAGE, MREMAP_MAYMOVE));
	check_map("what is not mapped", mremap((void *)PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	check_map("past the end of the mapping", mremap(to, 64 * PAGE, 65 * PAGE, MREMAP_MAYMOVE));
	check_map("length 2^63", mremap(to, PAGE, 1ul << 63, MREMAP_MAYMOVE));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared[0] = 's';
	moved = mremap(shared, 0, PAGE, MREMAP_MAYMOVE);
	check_map("from nothing, shared", moved);
	check("it is the same memory", moved != MAP_FAILED && moved[0] == 's');
	at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	check_map("a file's, larger", at = mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	touch("past the file's end", at + PAGE, 0);
	close(fd);
}

static void advising(void)
{
	static const struct {
		const char *name;
		int advice;
	} advices[] = {
		{ "MADV_NORMAL", 0 }, { "MADV_RANDOM", 1 }, { "MADV_SEQUENTIAL", 2 },
		{ "MADV_DONTNEED", 4 }, { "5", 5 }, { "MADV_FREE", 8 }, { "MADV_REMOVE", 9 },
		{ "MADV_DONTFORK", 10 }, { "MADV_DOFORK", 11 }, { "MADV_DONTDUMP", 16 }, { "MADV_DODUMP", 17 },
		{ "MADV_WIPEONFORK", 18 }, { "MADV_KEEPONFORK", 19 }, { "MADV_COLD", 20 },
		{ "MADV_POPULATE_READ", 22 }, { "MADV_POPULATE_WRITE", 23 }, { "MADV_DONTNEED_LOCKED", 24 },
		{ "26", 26 }, { "-1", -1 },
	};
	char *at = map(4, PROT_READ | PROT_WRITE), *shared;
	unsigned char residency[4] = { 9, 9, 9, 9 };

	for (size_t i = 0; i < COUNT(advices); i++)
		check(advices[i].name, madvise(at, 4 * PAGE, advices[i].advice));
	at[0] = 1;
	madvise(at, PAGE, MADV_DONTNEED);
	check("a byte after MADV_DONTNEED", at[0]);
	check("nothing", madvise(at, 0, MADV_DONTNEED));
	check("nothing, unknown", madvise(at, 0, 77));
	check("within a page", madvise(at + 1, PAGE, MADV_DONTNEED));
	check("length 2^64-1", madvise(at, -1, MADV_DONTNEED));
	munmap(at + PAGE, PAGE);
	at[0] = at[2 * PAGE] = 1;
	check("across a hole", madvise(at, 4 * PAGE, MADV_DONTNEED));
	check("above the hole", at[2 * PAGE]);
	check("a hole, MADV_NORMAL", madvise(at + PAGE, PAGE, MADV_NORMAL));
	check("a hole, MADV_POPULATE_READ", madvise(at + PAGE, PAGE, MADV_POPULATE_READ));
	mprotect(at, PAGE, PROT_READ);
	check("read-only, MADV_POPULATE_WRITE", madvise(at, PAGE, MADV_POPULATE_WRITE));
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared[0] = 1;
	check("shared, MADV_DONTNEED", madvise(shared, PAGE, MADV_DONTNEED));
	check("it keeps its content", shared[0]);
	check("shared, MADV_FREE", madvise(shared, PAGE, MADV_FREE));
	check("shared, MADV_REMOVE", madvise(shared, PAGE, MADV_REMOVE));
	check("it has lost its content", shared[0]);
	at = map(4, PROT_READ | PROT_WRITE);
	at[0] = at[PAGE] = 1;
	check("mincore", mincore(at, 4 * PAGE, residency));
	check_text("what is there", "%d%d%d%d", residency[0] & 1, residency[1] & 1, residency[2] & 1, residency[3] & 1);
	check("mincore within a page", mincore(at + 1, PAGE, residency));
	check("mincore of a hole", (munmap(at + PAGE, PAGE), mincore(at, 4 * PAGE, residency)));
	check("mincore to a bad address", mincore(at, PAGE, BAD_ADDRESS));
	check("mlock", mlock(at, PAGE));
	check("mlock a hole", mlock(at + PAGE, PAGE));
	check("munlock", munlock(at, PAGE));
	check("mlock2, MLOCK_ONFAULT", mlock2(at, PAGE, MLOCK_ONFAULT));
	check("mlock2, an unknown flag", mlock2(at, PAGE, 2));
	check("mlockall, nothing", mlockall(0));
	check("mlockall, MCL_ONFAULT alone", mlockall(MCL_ONFAULT));
	check("mlockall", mlockall(MCL_CURRENT));
	check("munlockall", munlockall());
	check("msync", msync(at, PAGE, MS_ASYNC));
	check("msync, both", msync(at, PAGE, MS_ASYNC | MS_SYNC));
	check("msync, an unknown flag", msync(at, PAGE, 8));
	check("msync within a page", msync(at + 1, PAGE, MS_ASYNC));
	check("msync a hole", msync(at + PAGE, PAGE, MS_ASYNC));
}

static void breaking(void)
{
	char *start = (char *)syscall(SYS_brk, 0), *end;
	struct rlimit before, few;

	check_true("where it is", start != NULL);
	check_true("a page more", (char *)syscall(SYS_brk, start + PAGE) == start + PAGE);
	touch("touching it", start, 1);
	check_true("back", (char *)syscall(SYS_brk, start) == start);
	check_true("below its start", (char *)syscall(SYS_brk, PAGE) == start);
	check_true("too far", (char *)syscall(SYS_brk, 1ul << 47) == start);
	check_true("within a page", (char *)syscall(SYS_brk, start + 100) == start + 100);
	end = mmap(start + 16 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	check_true("over a mapping", end == MAP_FAILED || (char *)syscall(SYS_brk, start + 32 * PAGE) == start + 100);
	munmap(end, PAGE);
	getrlimit(RLIMIT_DATA, &before);
	few = (struct rlimit){ PAGE, before.rlim_max };
	setrlimit(RLIMIT_DATA, &few);
	check_true("past RLIMIT_DATA", (char *)syscall(SYS_brk, start + 64 * PAGE) == start + 100);
	setrlimit(RLIMIT_DATA, &before);
	getrlimit(RLIMIT_AS, &before);
	few = (struct rlimit){ PAGE, before.rlim_max };
	setrlimit(RLIMIT_AS, &few);
	check_map("past RLIMIT_AS", mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	setrlimit(RLIMIT_AS, &before);
}

static char *area;

static int child_writes(void)
{
	area[0] = 2;
	return area[PAGE];
}

static int child_is_wiped(void)
{
	return area[0];
}

static int descend(volatile int *depth)
{
	volatile char bytes[PAGE];

	bytes[0] = 1;
	return --*depth == 0 ? 0 : descend(depth) + bytes[0];
}

static int overflows_its_stack(void)
{
	volatile int depth = 1 << 20;

	return descend(&depth);
}

static int jumps_to_data(void)
{
	static char data[64];

	((void (*)(void))data)();
	return 0;
}

static void inheriting(void)
{
	char *shared = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	area = map(2, PROT_READ | PROT_WRITE);
	area[PAGE] = 7;
	check_child("a child has private memory", child_writes);
	check("what the parent has", area[0]);
	area = shared;
	area[PAGE] = 8;
	check_child("a child has shared memory", child_writes);
	check("what the parent sees", area[0]);
	area = map(2, PROT_READ | PROT_WRITE);
	area[0] = 9;
	check("MADV_WIPEONFORK", madvise(area, PAGE, MADV_WIPEONFORK));
	check_child("a child is wiped", child_is_wiped);
	madvise(area, PAGE, MADV_DONTFORK);
	check_child("a child has it not", child_is_wiped);
	check_child("a stack overflow", overflows_its_stack);
	check_child("a jump to data", jumps_to_data);
}

int main(void)
{
	begin();
	subject = "mmap";
	mapping();
	subject = "private file";
	private_files();
	subject = "munmap";
	unmapping();
	subject = "mprotect";
	protecting();
	subject = "mremap";
	moving();
	subject = "advice";
	advising();
	subject = "brk";
	breaking();
	subject = "fork";
	inheriting();
	return finish();
}
