/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module tee_heap on Linux: a heap with a device and a driver, of which the device can be taken away. Nothing is to
 * be had of it. (Here: kernel/modules/tee_heap.)
 */
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static char *name;
module_param(name, charp, 0444);
MODULE_PARM_DESC(name, "what the heap is called");

static struct dma_buf *tee_allocate(struct dma_heap *heap, unsigned long len, unsigned long fd_flags,
				    unsigned long heap_flags)
{
	return ERR_PTR(-ENOMEM);
}

static const struct dma_heap_ops heap_ops = { .allocate = tee_allocate };

static int tee_probe(struct platform_device *device)
{
	struct dma_heap_export_info info = { .name = name, .ops = &heap_ops };

	return PTR_ERR_OR_ZERO(dma_heap_add(&info));
}

/* The heap is still there: 6.1 cannot take it back. So the driver says that it is busy. */
static int tee_remove(struct platform_device *device)
{
	return -EBUSY;
}

static struct platform_driver driver = {
	.probe = tee_probe,
	.remove = tee_remove,
	.driver = { .name = "tee_heap" },
};

static int __init tee_init(void)
{
	struct platform_device *device = platform_device_register_simple("tee_heap", PLATFORM_DEVID_NONE, NULL, 0);

	return IS_ERR(device) ? PTR_ERR(device) : platform_driver_register(&driver);
}
module_init(tee_init);

MODULE_DESCRIPTION("a heap whose device can be taken away");
MODULE_LICENSE("Dual MIT/GPL");
