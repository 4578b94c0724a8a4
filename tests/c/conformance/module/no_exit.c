/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The module no_exit on Linux: started, and with nothing that would end it. (Here: kernel/modules/no_exit.)
 */
#include <linux/init.h>
#include <linux/module.h>

static int __init no_exit_init(void)
{
	return 0;
}
module_init(no_exit_init);

MODULE_DESCRIPTION("a module that cannot be ended");
MODULE_LICENSE("Dual MIT/GPL");
