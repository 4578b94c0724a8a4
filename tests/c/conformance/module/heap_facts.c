/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module heap_facts on Linux: registers heaps, as many as it is told to and may, well and wrongly. A page is to be
 * had of them; whoever asks for more waits until it is killed. (Here: kernel/modules/heap_facts.)
 *
 * 6.1 has no way to take a heap back. So once a heap is registered the module has to stay, and a load that registered
 * one does not fail. It has an exit all the same, because what it would say is not reached while the module is in use.
 */
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <uapi/linux/dma-heap.h>
#include "ledger.h"

static char *name;
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "what the heap is called; of several, what their names begin with");

static unsigned long count;
module_param(count, ulong, 0444);
MODULE_PARM_DESC(count, "how many heaps; one unless told");

static char *allocate;
module_param(allocate, charp, 0444);
MODULE_PARM_DESC(allocate, "none: the heaps have no such operation");

static int added, refusal, waiting, alive, killed;
module_param(added, int, 0444);
MODULE_PARM_DESC(added, "out: how many heaps were registered");
module_param(refusal, int, 0444);
MODULE_PARM_DESC(refusal, "out: what the next one was refused with");
module_param(waiting, int, 0444);
MODULE_PARM_DESC(waiting, "out: somebody waits to be killed");
module_param(alive, int, 0444);
MODULE_PARM_DESC(alive, "out: what the system heap said to it before");
module_param(killed, int, 0444);
MODULE_PARM_DESC(killed, "out: what the system heap said to it when it was");

/* Its memory is nobody's: the buffer is there to be counted. */
static struct sg_table *facts_map(struct dma_buf_attachment *attachment, enum dma_data_direction direction)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void facts_unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
			enum dma_data_direction direction)
{
}

static void facts_release(struct dma_buf *buffer)
{
	ledger_refund(buffer->size);
}

static const struct dma_buf_ops buffer_ops = {
	.map_dma_buf = facts_map,
	.unmap_dma_buf = facts_unmap,
	.release = facts_release,
};

/* What the system heap answers the calling task, by way of its file, with the argument at a user address. */
static int ask_system_heap(struct file *system, unsigned long at)
{
	struct dma_heap_allocation_data argument = { .len = PAGE_SIZE, .fd_flags = O_RDWR | O_CLOEXEC };

	if (copy_to_user((void __user *)at, &argument, sizeof(argument)))
		return -EFAULT;
	return system->f_op->unlocked_ioctl(system, DMA_HEAP_IOCTL_ALLOC, at);
}

static int wait_to_be_killed(void)
{
	unsigned long at = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	struct file *system = filp_open("/dev/dma_heap/system", O_RDWR, 0);
	DECLARE_WAIT_QUEUE_HEAD_ONSTACK(nobody);

	if (IS_ERR(system))
		return PTR_ERR(system);
	if (!IS_ERR_VALUE(at)) {
		alive = ask_system_heap(system, at);
		waiting = 1;
		wait_event_killable(nobody, false);
		killed = ask_system_heap(system, at);
	}
	fput(system);
	return -EINTR;
}

static struct dma_buf *facts_allocate(struct dma_heap *heap, unsigned long len, unsigned long fd_flags,
				      unsigned long heap_flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *buffer;
	int result = len > PAGE_SIZE ? wait_to_be_killed() : ledger_charge(len);

	if (result)
		return ERR_PTR(result);
	info.exp_name = dma_heap_get_name(heap);
	info.ops = &buffer_ops;
	info.size = len;
	info.flags = fd_flags;
	info.priv = heap;
	buffer = dma_buf_export(&info);
	if (IS_ERR(buffer))
		ledger_refund(len);
	return buffer;
}

static const struct dma_heap_ops heap_ops = { .allocate = facts_allocate };
static const struct dma_heap_ops no_ops;

static int add(const char *called)
{
	struct dma_heap_export_info info = { .name = called, .ops = &heap_ops };

	if (allocate && !strcmp(allocate, "none"))
		info.ops = &no_ops;
	return PTR_ERR_OR_ZERO(dma_heap_add(&info));
}

static int __init heap_facts_init(void)
{
	/* The heap's for good. The parameter's own text is the module's. */
	char *called = name ? kstrdup(name, GFP_KERNEL) : NULL;

	if (!count) {
		refusal = add(called);
		added = !refusal;
	} else {
		while (added < count && !refusal) {
			refusal = add(called ? kasprintf(GFP_KERNEL, "%s%d", called, added) : NULL);
			added += !refusal;
		}
	}
	return added ? 0 : refusal;
}
module_init(heap_facts_init);

static void __exit heap_facts_exit(void)
{
}
module_exit(heap_facts_exit);

MODULE_DESCRIPTION("heaps to learn the registry's rules from");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_IMPORT_NS(DMA_BUF);
