/* SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What the module ledger offers to others.
 */
#ifndef LEDGER_H
#define LEDGER_H

/* Books bytes more: 0, or -ENOMEM when that is more than there may be. */
int ledger_charge(size_t bytes);
/* Takes bytes that were booked back. */
void ledger_refund(size_t bytes);

#endif
