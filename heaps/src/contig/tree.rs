//! Extents ordered by size, in a treap whose nodes are numbers into one array.
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

#[derive(Clone, Copy, Debug)]
struct Node {
    extent: Extent,
    left: u32,
    right: u32,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    root: u32,
    /// Nodes not in use, chained through `left`.
    spare: u32,
    len: usize,
}

impl Tree {
    pub fn new() -> Tree {
        Tree { nodes: Vec::new(), root: NIL, spare: NIL, len: 0 }
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
        let (smaller, larger) = self.split(self.root, extent);
        let left = self.merge(smaller, node);
        self.root = self.merge(left, larger);
        self.len += 1;
        node
    }

    /// Removes the extent that `insert` gave this node.
    pub fn remove(&mut self, node: u32) -> Extent {
        let extent = self.node(node).extent;
        let (smaller, rest) = self.split(self.root, extent);
        let (_, larger) = self.split(rest, Extent { start: extent.start + 1, ..extent });
        self.root = self.merge(smaller, larger);
        self.nodes[node as usize].left = self.spare;
        self.spare = node;
        self.len -= 1;
        extent
    }

    /// The smallest extent not before `least`.
    pub fn first_from(&self, least: Extent) -> Option<(u32, Extent)> {
        let (mut at, mut found) = (self.root, None);
        while at != NIL {
            let node = self.node(at);
            if node.extent < least {
                at = node.right;
            } else {
                found = Some((at, node.extent));
                at = node.left;
            }
        }
        found
    }

    /// The extent that `insert` gave this node.
    pub fn extent(&self, node: u32) -> Extent {
        self.node(node).extent
    }

    /// The largest extent.
    pub fn largest(&self) -> Option<Extent> {
        let (mut at, mut found) = (self.root, None);
        while at != NIL {
            found = Some(self.node(at).extent);
            at = self.node(at).right;
        }
        found
    }

    fn node(&self, at: u32) -> Node {
        self.nodes[at as usize]
    }

    fn new_node(&mut self, extent: Extent) -> u32 {
        let fresh = Node { extent, left: NIL, right: NIL };
        if self.spare == NIL {
            self.nodes.push(fresh);
            return self.nodes.len() as u32 - 1;
        }
        let at = self.spare;
        self.spare = self.node(at).left;
        self.nodes[at as usize] = fresh;
        at
    }

    /// Parts a tree into what is before `pivot` and the rest. Recursion is as deep as the tree: O(log n).
    fn split(&mut self, at: u32, pivot: Extent) -> (u32, u32) {
        if at == NIL {
            return (NIL, NIL);
        }
        let node = self.node(at);
        if node.extent < pivot {
            let (smaller, larger) = self.split(node.right, pivot);
            self.nodes[at as usize].right = smaller;
            (at, larger)
        } else {
            let (smaller, larger) = self.split(node.left, pivot);
            self.nodes[at as usize].left = larger;
            (smaller, at)
        }
    }

    /// Joins two trees, all of the first before all of the second.
    fn merge(&mut self, first: u32, second: u32) -> u32 {
        if first == NIL {
            return second;
        }
        if second == NIL {
            return first;
        }
        if rank(first) > rank(second) {
            self.nodes[first as usize].right = self.merge(self.node(first).right, second);
            first
        } else {
            self.nodes[second as usize].left = self.merge(first, self.node(second).left);
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

    pub fn depth(&self) -> usize {
        fn below(tree: &Tree, at: u32) -> usize {
            if at == NIL {
                return 0;
            }
            1 + below(tree, tree.node(at).left).max(below(tree, tree.node(at).right))
        }
        below(self, self.root)
    }
}
