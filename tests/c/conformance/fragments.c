/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * How a contiguous heap fragments: the same requests on both kernels, into a region that stays nearly full, and how
 * many of them it refuses. A trace asks for buffers while those it asked for take less than their share of the region,
 * and else closes one; what it does next never depends on what was refused. Generator and traces are those of
 * heaps/src/contig/linux_cma.rs, which plays them on the host.
 */
#include "heaps.h"

/* What is left of the region's 64 MiB once the kernel has what it takes of it for itself, in pages. */
#define PAGES (63ul << 8)
#define ROUNDS 4
#define STEPS 1000
/* How many steps lie between two looks at what is the largest request that would be granted. */
#define INTERVAL 100

struct kind {
	/* Of the region: what this kind asks for in all. */
	unsigned long percent;
	unsigned long (*draw)(void);
};

struct buffer {
	unsigned long pages;
	/* -1 where it was refused. */
	int fd;
};

struct live {
	struct buffer buffers[PAGES];
	unsigned long count, wanted;
};

static struct {
	unsigned long asked, refused, fragmented, largest, free;
} sums;

static struct live live[2];
static unsigned long held;
static int heap;
static uint64_t state;

/* xorshift64*. */
static uint64_t next(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t end)
{
	return next() % end;
}

/* Mostly small, now and then a megabyte or eight. */
static unsigned long mixed(void)
{
	uint64_t one = below(12), other = below(12), order = one < other ? one : other;

	return (1ul << order) + below(1ul << order) / 2;
}

static unsigned long small(void)
{
	return 1 + below(24);
}

static unsigned long large(void)
{
	return 200 + below(801);
}

/* NV12, from 320 x 240 to 1920 x 1440. */
static unsigned long frame(void)
{
	static const unsigned long pages[] = { 29, 113, 338, 760, 1013 };

	return pages[below(COUNT(pages))];
}

static int take(unsigned long pages)
{
	int fd = allocate(heap, pages * PAGE, O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno != ENOMEM)
		give_up("allocating");
	if (fd >= 0)
		held += pages;
	return fd;
}

static void give_back(struct buffer buffer)
{
	if (buffer.fd < 0)
		return;
	close(buffer.fd);
	held -= buffer.pages;
}

/* The largest request that is granted now: a smaller one always fits where a larger one does. */
static unsigned long largest(void)
{
	unsigned long granted = 0, refused = PAGES + 1;

	while (refused - granted > 1) {
		struct buffer buffer = { .pages = (granted + refused) / 2 };

		buffer.fd = take(buffer.pages);
		*(buffer.fd < 0 ? &refused : &granted) = buffer.pages;
		give_back(buffer);
	}
	return granted;
}

static void ask(struct live *of, unsigned long pages)
{
	struct buffer buffer = { .pages = pages, .fd = take(pages) };

	sums.asked++;
	if (buffer.fd < 0) {
		sums.refused++;
		sums.fragmented += PAGES - held >= pages;
	}
	of->buffers[of->count++] = buffer;
	of->wanted += pages;
}

static void drop(struct live *of, unsigned long which)
{
	give_back(of->buffers[which]);
	of->wanted -= of->buffers[which].pages;
	of->buffers[which] = of->buffers[--of->count];
}

static void play(const struct kind kinds[2])
{
	for (int step = 1; step <= STEPS; step++) {
		int which = kinds[1].draw ? (int)below(2) : 0;

		if (live[which].wanted * 100 < PAGES * kinds[which].percent)
			ask(&live[which], kinds[which].draw());
		else
			drop(&live[which], below(live[which].count));
		if (step % INTERVAL == 0) {
			sums.largest += largest();
			sums.free += PAGES - held;
		}
	}
	for (int which = 0; which < 2; which++)
		while (live[which].count)
			drop(&live[which], live[which].count - 1);
}

static void trace(const char *name, const struct kind kinds[2])
{
	subject = name;
	memset(&sums, 0, sizeof(sums));
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		state = round * 0x9e3779b97f4a7c15;
		play(kinds);
	}
	check("requests", (long)sums.asked);
	check_at_most("refused", sums.refused);
	check_at_most("refused although enough pages were free", sums.fragmented);
	check_at_least("of 1000 free pages, those in the largest request that was granted",
		       sums.largest * 1000 / sums.free);
	check("the largest once all are closed", (long)largest());
}

/* The same start on both kernels, PAGES free ones in one piece: Linux has its pool for DMA in atomic context in the
 * region, the rest of whose megabyte is kept. Here the whole megabyte is. */
static void level(void)
{
	int most = take(PAGES);

	if (most < 0)
		give_up("63 MiB");
	while (take(1) >= 0)
		;
	close(most);
	held = 0;
}

int main(void)
{
	begin();
	heap = open_cma_heap();
	level();
	check("the largest at the start", (long)largest());
	trace("mixed", (struct kind[2]){ { 90, mixed }, { 0, NULL } });
	trace("small between large", (struct kind[2]){ { 20, small }, { 70, large } });
	trace("frames", (struct kind[2]){ { 90, frame }, { 0, NULL } });
	return finish();
}
