/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Which heaps there are on a machine whose device tree sets memory aside for them: 16 MiB as the default contiguous
 * region, and 8 MiB each for another contiguous region (camera), a carveout (video) and memory that no CPU may map
 * (secret). The other programs' machines have a default region alone, which no node describes.
 */
#include "heaps.h"

/* The name of the default region's node. */
#define DEFAULT_REGION "linux,cma"
#define DEFAULT_SIZE (16ul << 20)

static int open_heap(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/dma_heap/%s", name);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void names(void)
{
	static const char *const tries[] = {
		"system", DEFAULT_REGION, "reserved", "default_cma_region", "camera", "video", "secret",
	};

	subject = "open";
	for (size_t i = 0; i < COUNT(tries); i++) {
		int heap = open_heap(tries[i]);

		check_ok(tries[i], heap);
		if (heap >= 0)
			close(heap);
	}
}

static void check_exporter(const char *name, int buffer)
{
	char line[128];
	FILE *file = open_fdinfo(buffer);

	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "exp_name:\t", 10) == 0) {
			line[strcspn(line, "\n")] = '\0';
			check_text(name, "%s", line + 10);
		}
	fclose(file);
}

static void default_region(void)
{
	int heap = open_heap(DEFAULT_REGION), buffer;
	volatile char *at;

	subject = "default region";
	if (heap < 0)
		give_up(DEFAULT_REGION);
	buffer = allocate(heap, PAGE + 1, O_RDWR | O_CLOEXEC);
	check_ok("a buffer", buffer);
	check_exporter("its exporter", buffer);
	at = check_map("its mapping", mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, buffer, 0));
	at[PAGE] = 1;
	check("its size", size_and_close(buffer));
	check("half of the region", size_and_close(allocate(heap, DEFAULT_SIZE / 2, O_RDWR)));
	check("more than the region", size_and_close(allocate(heap, DEFAULT_SIZE + PAGE, O_RDWR)));
	close(heap);
}

int main(void)
{
	begin();
	names();
	default_region();
	return finish();
}
