/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module sg_probe on Linux: attaches a device of its own to the dma-buf behind a descriptor of whoever loads it,
 * maps it, and tells what runs it consists of. (Here: kernel/modules/sg_probe.)
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/scatterlist.h>

static unsigned long fd;
module_param(fd, ulong, 0444);
MODULE_PARM_DESC(fd, "the dma-buf's descriptor");

/* PAGES*COUNT for each stretch of runs of one length, in the buffer's order; "more" where there is no room for all. */
static char runs[128];
module_param_string(runs, runs, sizeof(runs), 0444);
MODULE_PARM_DESC(runs, "out: what runs it consists of");

static void tell(const struct sg_table *table)
{
	struct scatterlist *sg;
	unsigned long length = 0, count = 0;
	int written = 0, room = sizeof(runs) - sizeof(" more");
	unsigned int i;

	for_each_sgtable_sg(table, sg, i) {
		if (count && sg->length != length) {
			written += scnprintf(runs + written, room - written, "%lu*%lu ", length / PAGE_SIZE, count);
			count = 0;
		}
		length = sg->length;
		count++;
	}
	written += scnprintf(runs + written, room - written, "%lu*%lu", length / PAGE_SIZE, count);
	if (written + 1 == room)
		strcat(runs, " more");
}

static int look(struct dma_buf *buffer, struct device *device)
{
	struct dma_buf_attachment *attachment = dma_buf_attach(buffer, device);
	struct sg_table *table;

	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	table = dma_buf_map_attachment(attachment, DMA_BIDIRECTIONAL);
	if (!IS_ERR(table)) {
		tell(table);
		dma_buf_unmap_attachment(attachment, table, DMA_BIDIRECTIONAL);
	}
	dma_buf_detach(buffer, attachment);
	return PTR_ERR_OR_ZERO(table);
}

static int __init sg_probe_init(void)
{
	struct dma_buf *buffer = dma_buf_get((int)fd);
	struct platform_device *device;
	int result;

	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	device = platform_device_register_simple("sg_probe", PLATFORM_DEVID_NONE, NULL, 0);
	result = PTR_ERR_OR_ZERO(device);
	if (!result) {
		result = look(buffer, &device->dev);
		platform_device_unregister(device);
	}
	dma_buf_put(buffer);
	return result;
}
module_init(sg_probe_init);

static void __exit sg_probe_exit(void)
{
}
module_exit(sg_probe_exit);

MODULE_DESCRIPTION("looks at a dma-buf as a device does");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_IMPORT_NS(DMA_BUF);
