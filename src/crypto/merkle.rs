//! The hash tree of RFC 9162, section 2: whoever keeps its root can be shown that an entry stands in
//! it, and that a later tree has an earlier one for its beginning. Everything here computes; where
//! the hashes are kept is others' business.
//!
//! ```
//! use registry::crypto::merkle::{Frontier, leaf_hash};
//! let mut log = Frontier::empty();
//! log.append(leaf_hash(b"first"), |_, _| ());
//! log.append(leaf_hash(b"second"), |_, _| ());
//! assert_eq!(log.size(), 2);
//! ```

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

// RFC 9162, 2.1.1: what keeps a leaf from passing for a node.
const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];

/// The hash of one entry.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    hash(&[LEAF, entry])
}

/// The hash over two neighbours.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[NODE, left, right])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    to_hash(context.finish().as_ref())
}

fn to_hash(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(bytes);
    hash
}

/// A subtree of 2^`level` leaves, the `index`-th of its level. Once made its hash never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subtree {
    /// 0 for a leaf.
    pub level: u32,
    /// Its place among those of its level.
    pub index: u64,
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Hashes of the complete subtrees that make up the tree, the largest first.
    edge: Vec<Hash>,
}

impl Frontier {
    /// A tree without leaves.
    pub fn empty() -> Self {
        Self {
            size: 0,
            edge: Vec::new(),
        }
    }

    /// A tree of `size` leaves whose `edge` was kept: the hashes of `Span::of_tree(size).subtrees()`
    /// in their order. `None`: there is another number of them.
    pub fn restore(size: u64, edge: Vec<Hash>) -> Option<Self> {
        (edge.len() == size.count_ones() as usize).then_some(Self { size, edge })
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the complete subtrees that make up the tree, the largest first.
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// Adds a leaf. `made` is told of each subtree that is complete now, the leaf itself first.
    pub fn append(&mut self, leaf: Hash, mut made: impl FnMut(Subtree, Hash)) {
        let mut subtree = Subtree {
            level: 0,
            index: self.size,
        };
        let mut hash = leaf;
        made(subtree, hash);
        while subtree.index % 2 == 1
            && let Some(left) = self.edge.pop()
        {
            hash = node_hash(&left, &hash);
            subtree.level += 1;
            subtree.index /= 2;
            made(subtree, hash);
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// The hash over all leaves.
    pub fn root(&self) -> Hash {
        fold(&self.edge)
    }
}

/// The hash of a tree from those of the complete subtrees that make it up, the largest first.
fn fold(edge: &[Hash]) -> Hash {
    let folded = edge.iter().rev().copied();
    let folded = folded.reduce(|right, left| node_hash(&left, &right));
    folded.unwrap_or_else(|| to_hash(digest(&SHA256, &[]).as_ref()))
}

/// Neighbouring leaves whose hash is one step of a proof, from `start` until before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// All leaves of a tree.
    pub fn of_tree(size: u64) -> Self {
        Self {
            start: 0,
            end: size,
        }
    }

    /// The complete subtrees that make it up, the largest first.
    pub fn subtrees(self) -> Vec<Subtree> {
        let (mut subtrees, mut start) = (Vec::new(), self.start);
        while start < self.end {
            let level = (self.end - start).ilog2();
            subtrees.push(Subtree {
                level,
                index: start >> level,
            });
            start += 1 << level;
        }
        subtrees
    }

    fn size(self) -> u64 {
        self.end - self.start
    }

    /// Its two halves: the left one is the largest complete subtree that leaves something over.
    fn halves(self) -> (Self, Self) {
        let middle = self.start + (1 << (self.size() - 1).ilog2());
        let (start, end) = (self.start, self.end);
        (Self { start, end: middle }, Self { start: middle, end })
    }
}

/// The steps that show that the leaf at `position` stands in the tree of `size` leaves, from the leaf
/// upwards (2.1.3.1). The position is below the size.
pub fn inclusion_steps(position: u64, size: u64) -> Vec<Span> {
    let (mut steps, mut span) = (Vec::new(), Span::of_tree(size));
    while span.size() > 1 {
        let (left, right) = span.halves();
        let (within, beside) = if position < right.start {
            (left, right)
        } else {
            (right, left)
        };
        steps.push(beside);
        span = within;
    }
    steps.reverse();
    steps
}

/// The steps that show that the tree of `to` leaves begins with that of `from` leaves (2.1.4.1).
/// `from` is at least 1 and at most `to`.
pub fn consistency_steps(from: u64, to: u64) -> Vec<Span> {
    let (mut steps, mut span) = (Vec::new(), Span::of_tree(to));
    // Whether what is left of the earlier tree is the whole of it: its hash is known then.
    let mut is_known = true;
    while from < span.end {
        let (left, right) = span.halves();
        if from <= left.end {
            steps.push(right);
            span = left;
        } else {
            steps.push(left);
            span = right;
            is_known = false;
        }
    }
    if !is_known {
        steps.push(span);
    }
    steps.reverse();
    steps
}

/// The hashes of the steps. `node` knows every complete subtree; `None`: it did not.
pub fn prove(steps: &[Span], node: impl Fn(Subtree) -> Option<Hash>) -> Option<Vec<Hash>> {
    let hash_of = |step: &Span| {
        let edge: Option<Vec<_>> = step.subtrees().into_iter().map(&node).collect();
        edge.map(|edge| fold(&edge))
    };
    steps.iter().map(hash_of).collect()
}

/// Whether `path` shows that `leaf` stands at `position` in the tree of `size` leaves with this root
/// (2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, position: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    if position >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (position, size - 1, *leaf);
    for step in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node_hash(step, &hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            hash = node_hash(&hash, step);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && hash == *root
}

/// Whether `path` shows that the tree of `to` leaves begins with that of `from` leaves (2.1.4.2).
pub fn verify_consistency(
    (from, from_root): (u64, &Hash),
    (to, to_root): (u64, &Hash),
    path: &[Hash],
) -> bool {
    if from == to {
        return path.is_empty() && from_root == to_root;
    }
    if from == 0 || from > to {
        return false;
    }
    let (mut at, mut last) = (from - 1, to - 1);
    while at % 2 == 1 {
        (at, last) = (at / 2, last / 2);
    }
    let known = from.is_power_of_two().then_some(from_root);
    let mut steps = known.into_iter().chain(path);
    let Some(first) = steps.next() else {
        return false;
    };
    let (mut before, mut after) = (*first, *first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            before = node_hash(step, &before);
            after = node_hash(step, &after);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at / 2, last / 2);
            }
        } else {
            after = node_hash(&after, step);
        }
        (at, last) = (at / 2, last / 2);
    }
    last == 0 && before == *from_root && after == *to_root
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::crypto::aead::tests::hex;

    /// The tree as the RFC defines it, by recursion.
    fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => to_hash(digest(&SHA256, &[]).as_ref()),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                node_hash(&naive_root(left), &naive_root(right))
            }
        }
    }

    /// PATH of the RFC, by recursion.
    fn naive_path(position: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        let (mut path, beside) = if position < middle {
            (naive_path(position, left), naive_root(right))
        } else {
            (naive_path(position - middle, right), naive_root(left))
        };
        path.push(beside);
        path
    }

    /// SUBPROOF of the RFC, by recursion.
    fn naive_consistency(from: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
        if from == leaves.len() {
            return if is_known {
                Vec::new()
            } else {
                vec![naive_root(leaves)]
            };
        }
        let middle = leaves.len().next_power_of_two() / 2;
        let (left, right) = leaves.split_at(middle);
        let (mut path, beside) = if from <= middle {
            (naive_consistency(from, left, is_known), naive_root(right))
        } else {
            (
                naive_consistency(from - middle, right, false),
                naive_root(left),
            )
        };
        path.push(beside);
        path
    }

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
    }

    fn grown(leaves: &[Hash]) -> (Frontier, HashMap<Subtree, Hash>) {
        let (mut frontier, mut nodes) = (Frontier::empty(), HashMap::new());
        for leaf in leaves {
            frontier.append(*leaf, |subtree, hash| {
                assert_eq!(nodes.insert(subtree, hash), None, "{subtree:?} made twice");
            });
        }
        (frontier, nodes)
    }

    // The test vectors of RFC 6962's own implementations: a tree over eight known entries.
    #[test]
    fn the_roots_are_those_of_other_implementations() {
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let (mut frontier, _) = grown(&[]);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(frontier.root().to_vec(), hex(empty));
        for entry in &entries[..1] {
            frontier.append(leaf_hash(&hex(entry)), |_, _| ());
        }
        let one = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        assert_eq!(frontier.root().to_vec(), hex(one));
        for entry in &entries[1..] {
            frontier.append(leaf_hash(&hex(entry)), |_, _| ());
        }
        let eight = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(frontier.root().to_vec(), hex(eight));
    }

    #[test]
    fn every_proof_of_every_small_tree_is_the_one_of_the_recursion_and_verifies() {
        for size in 1..40_u64 {
            let all = leaves(size);
            let (frontier, nodes) = grown(&all);
            let root = frontier.root();
            assert_eq!(root, naive_root(&all));
            for position in 0..size {
                let path = prove(&inclusion_steps(position, size), |at| {
                    nodes.get(&at).copied()
                });
                let path = path.expect("every node is known");
                let place = usize::try_from(position).unwrap();
                assert_eq!(path, naive_path(place, &all));
                let leaf = &all[place];
                assert!(verify_inclusion(leaf, position, size, &path, &root));
                assert!(!verify_inclusion(&root, position, size, &path, &root) || size == 1);
                assert!(!verify_inclusion(leaf, position + 1, size, &path, &root));
            }
            for from in 1..=size {
                let path = prove(&consistency_steps(from, size), |at| nodes.get(&at).copied());
                let path = path.expect("every node is known");
                let earlier = usize::try_from(from).unwrap();
                assert_eq!(path, naive_consistency(earlier, &all, true));
                let from_root = naive_root(&all[..earlier]);
                let is_shown =
                    |root: &Hash| verify_consistency((from, root), (size, &frontier.root()), &path);
                assert!(is_shown(&from_root), "{from} of {size}");
                assert!(!is_shown(&leaf_hash(b"another")), "{from} of {size}");
            }
        }
    }

    #[test]
    fn a_tree_goes_on_from_its_kept_edge() {
        let all = leaves(100);
        for size in 0..100_usize {
            let (before, nodes) = grown(&all[..size]);
            let edge = Span::of_tree(size as u64).subtrees();
            let edge = edge.iter().map(|subtree| nodes[subtree]).collect();
            let mut restored = Frontier::restore(size as u64, edge).expect("the edge fits");
            assert_eq!(restored, before);
            for leaf in &all[size..] {
                restored.append(*leaf, |_, _| ());
            }
            assert_eq!(restored.root(), naive_root(&all));
        }
        assert_eq!(Frontier::restore(3, leaves(3)), None);
    }

    proptest! {
        #[test]
        fn no_proof_survives_a_change(size in 2..2_000_u64, seed: u64, step: usize, bit in 0..256_usize) {
            let all = leaves(size);
            let (frontier, nodes) = grown(&all);
            let (root, position) = (frontier.root(), seed % size);
            let known = |at| nodes.get(&at).copied();
            let mut path = prove(&inclusion_steps(position, size), known).unwrap();
            let leaf = all[usize::try_from(position).unwrap()];
            prop_assert!(verify_inclusion(&leaf, position, size, &path, &root));
            let step_at = step % path.len();
            path[step_at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&leaf, position, size, &path, &root));

            let from = 1 + seed % (size - 1);
            let from_root = naive_root(&all[..usize::try_from(from).unwrap()]);
            let mut path = prove(&consistency_steps(from, size), known).unwrap();
            prop_assert!(verify_consistency((from, &from_root), (size, &root), &path));
            let step_at = step % path.len();
            path[step_at][bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency((from, &from_root), (size, &root), &path));
        }
    }
}
