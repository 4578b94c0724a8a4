/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module holds_itself on Linux: holds a reference on itself from its init to its exit, so that the exit comes by
 * force or never. (Here: kernel/modules/holds_itself.)
 */
#include <linux/init.h>
#include <linux/module.h>

static int __init holds_itself_init(void)
{
	__module_get(THIS_MODULE);
	return 0;
}
module_init(holds_itself_init);

static void __exit holds_itself_exit(void)
{
	module_put(THIS_MODULE);
}
module_exit(holds_itself_exit);

MODULE_DESCRIPTION("a module that is always in use");
MODULE_LICENSE("Dual MIT/GPL");
