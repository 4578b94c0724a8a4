/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module ledger on Linux: one account for the memory of all heaps that keep their books here. It has no code of
 * its own to run. (Here: kernel/modules/ledger.)
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include "ledger.h"

#define LIMIT SZ_64M

static atomic_long_t booked;

int ledger_charge(size_t bytes)
{
	if (atomic_long_add_return(bytes, &booked) <= LIMIT)
		return 0;
	atomic_long_sub(bytes, &booked);
	return -ENOMEM;
}
EXPORT_SYMBOL_GPL(ledger_charge);

void ledger_refund(size_t bytes)
{
	atomic_long_sub(bytes, &booked);
}
EXPORT_SYMBOL_GPL(ledger_refund);

MODULE_DESCRIPTION("one account for the memory of several heaps");
MODULE_LICENSE("Dual MIT/GPL");
