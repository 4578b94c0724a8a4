/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * Built into the reference kernel: lets modules register heaps, which in 6.1 only what is built in can.
 */
#include <linux/dma-heap.h>
#include <linux/export.h>

EXPORT_SYMBOL_GPL(dma_heap_add);
EXPORT_SYMBOL_GPL(dma_heap_get_name);
