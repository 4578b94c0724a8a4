//! Extents in two orders, by size and by place: two treaps whose nodes are numbers into one array.
//!
//! A node's place in the heap order comes from a hash of its number: nobody who allocates pages chooses it.

use alloc::vec::Vec;

use crate::{Errno, Result};

/// A run of free pages. Ordered by length, then by start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extent {
    /// In pages.
    pub len: u32,
    /// The first page.
    pub start: u32,
}

impl Extent {
    /// The page after the last.
    pub fn end(self) -> u32 {
        self.start + self.len
    }
}

/// No node.
const NIL: u32 = u32::MAX;

/// What a treap is ordered by.
#[derive(Clone, Copy, Debug)]
enum Order {
    Size,
    Place,
}

const ORDERS: [Order; 2] = [Order::Size, Order::Place];

impl Order {
    fn is_before(self, one: Extent, other: Extent) -> bool {
        match self {
            Order::Size => one < other,
            Order::Place => one.start < other.start,
        }
    }
}

/// A node in one of the treaps.
#[derive(Clone, Copy, Debug)]
struct Links {
    left: u32,
    right: u32,
    /// The length of the longest extent in the subtree.
    longest: u32,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    extent: Extent,
    links: [Links; ORDERS.len()],
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    roots: [u32; ORDERS.len()],
    /// Nodes not in use, chained through `left` of the first links.
    spare: u32,
    len: usize,
}

impl Tree {
    pub fn new() -> Tree {
        Tree { nodes: Vec::new(), roots: [NIL; ORDERS.len()], spare: NIL, len: 0 }
    }

    /// How many extents there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Makes room for `extents` in all; `ENOMEM`.
    pub fn reserve(&mut self, extents: usize) -> Result<()> {
        let more = extents.saturating_sub(self.nodes.len());
        self.nodes.try_reserve(more).map_err(|_| Errno::ENOMEM)
    }

    /// Adds an extent, for which room was made, and returns its node.
    pub fn insert(&mut self, extent: Extent) -> u32 {
        let node = self.new_node(extent);
        for order in ORDERS {
            let (before, after) = self.split(order, self.root(order), extent);
            let first = self.merge(order, before, node);
            self.roots[order as usize] = self.merge(order, first, after);
        }
        self.len += 1;
        node
    }

    /// Removes the extent that `insert` gave this node.
    pub fn remove(&mut self, node: u32) -> Extent {
        let extent = self.extent(node);
        for order in ORDERS {
            let (before, rest) = self.split(order, self.root(order), extent);
            let (_, after) = self.split(order, rest, Extent { start: extent.start + 1, ..extent });
            self.roots[order as usize] = self.merge(order, before, after);
        }
        self.nodes[node as usize].links[0].left = self.spare;
        self.spare = node;
        self.len -= 1;
        extent
    }

    /// The smallest extent not before `least`.
    pub fn first_from(&self, least: Extent) -> Option<(u32, Extent)> {
        let (mut at, mut found) = (self.root(Order::Size), None);
        while at != NIL {
            let extent = self.extent(at);
            if extent < least {
                at = self.links(Order::Size, at).right;
            } else {
                found = Some((at, extent));
                at = self.links(Order::Size, at).left;
            }
        }
        found
    }

    /// The lowest extent of at least `len` pages that does not start before `start`.
    pub fn lowest_from(&self, start: u32, len: u32) -> Option<(u32, Extent)> {
        self.lowest_in(self.root(Order::Place), start, len)
    }

    /// The extent that `insert` gave this node.
    pub fn extent(&self, node: u32) -> Extent {
        self.nodes[node as usize].extent
    }

    /// The length of the longest extent, 0 where there is none.
    pub fn longest(&self) -> u32 {
        self.longest_in(Order::Place, self.root(Order::Place))
    }

    /// Turns back from a subtree whose long extents all start too early, of which there is one on each level.
    fn lowest_in(&self, at: u32, start: u32, len: u32) -> Option<(u32, Extent)> {
        if self.longest_in(Order::Place, at) < len {
            return None;
        }
        let (extent, links) = (self.extent(at), self.links(Order::Place, at));
        if extent.start < start {
            return self.lowest_in(links.right, start, len);
        }
        self.lowest_in(links.left, start, len)
            .or_else(|| (extent.len >= len).then_some((at, extent)))
            .or_else(|| self.lowest_in(links.right, start, len))
    }

    fn root(&self, order: Order) -> u32 {
        self.roots[order as usize]
    }

    fn links(&self, order: Order, at: u32) -> Links {
        self.nodes[at as usize].links[order as usize]
    }

    fn longest_in(&self, order: Order, at: u32) -> u32 {
        if at == NIL { 0 } else { self.links(order, at).longest }
    }

    fn new_node(&mut self, extent: Extent) -> u32 {
        let links = [Links { left: NIL, right: NIL, longest: extent.len }; ORDERS.len()];
        let fresh = Node { extent, links };
        if self.spare == NIL {
            self.nodes.push(fresh);
            return self.nodes.len() as u32 - 1;
        }
        let at = self.spare;
        self.spare = self.nodes[at as usize].links[0].left;
        self.nodes[at as usize] = fresh;
        at
    }

    /// Hangs two subtrees below a node.
    fn link(&mut self, order: Order, at: u32, left: u32, right: u32) {
        let below = self.longest_in(order, left).max(self.longest_in(order, right));
        let longest = below.max(self.extent(at).len);
        self.nodes[at as usize].links[order as usize] = Links { left, right, longest };
    }

    /// Parts a tree into what is before `pivot` and the rest. Recursion is as deep as the tree: O(log n).
    fn split(&mut self, order: Order, at: u32, pivot: Extent) -> (u32, u32) {
        if at == NIL {
            return (NIL, NIL);
        }
        let Links { left, right, .. } = self.links(order, at);
        if order.is_before(self.extent(at), pivot) {
            let (before, after) = self.split(order, right, pivot);
            self.link(order, at, left, before);
            (at, after)
        } else {
            let (before, after) = self.split(order, left, pivot);
            self.link(order, at, after, right);
            (before, at)
        }
    }

    /// Joins two trees, all of the first before all of the second.
    fn merge(&mut self, order: Order, first: u32, second: u32) -> u32 {
        if first == NIL {
            return second;
        }
        if second == NIL {
            return first;
        }
        if rank(first) > rank(second) {
            let Links { left, right, .. } = self.links(order, first);
            let right = self.merge(order, right, second);
            self.link(order, first, left, right);
            first
        } else {
            let Links { left, right, .. } = self.links(order, second);
            let left = self.merge(order, first, left);
            self.link(order, second, left, right);
            second
        }
    }
}

/// A node's rank in the heap order: an invertible hash, so no two are equal.
fn rank(node: u32) -> u32 {
    let x = (node ^ node >> 16).wrapping_mul(0x7feb_352d);
    let x = (x ^ x >> 15).wrapping_mul(0x846c_a68b);
    x ^ x >> 16
}

#[cfg(all(test, not(feature = "loom")))]
impl Tree {
    pub fn capacity(&self) -> usize {
        self.nodes.capacity()
    }

    /// Of the deeper treap.
    pub fn depth(&self) -> usize {
        fn below(tree: &Tree, order: Order, at: u32) -> usize {
            if at == NIL {
                return 0;
            }
            let Links { left, right, .. } = tree.links(order, at);
            1 + below(tree, order, left).max(below(tree, order, right))
        }
        ORDERS.map(|order| below(self, order, self.root(order))).into_iter().max().unwrap()
    }
}
