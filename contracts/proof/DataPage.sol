// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TensorTree} from "../protocol/TensorTree.sol";

/// @notice Data that a claim commits to by a root.
enum Data {
    Trace,
    Input,
    Output
}

/// @notice Up to 1,024 neighbouring nodes of one tree, 32 KiB: the unit in which data is demanded.
/// @dev Every tree is cut into pages in one way: the pages of height h hold its nodes on level 10·h (level 0: the chunks),
///      page number i those from 1024·i on. So two demands are for the same nodes or for none in common, and what can be
///      demanded of a tree is not much more than the tree.
struct Page {
    Data data;
    uint32 tensor; // whose tree; DataPage.ROOTS: the tree over the tensors' roots
    uint8 height;
    uint64 index;
}

/// @title What a page shows, and whether bytes are it
/// @notice Trees are those of docs/architecture.md. TypeScript twin: packages/tensor/src/page.ts.
library DataPage {
    /// @notice `Page.tensor` of the tree over the tensors' roots.
    uint32 internal constant ROOTS = type(uint32).max;
    /// @notice Levels from a page's nodes up to its own root, unless the tree's root comes first.
    uint256 internal constant LEVELS = 10;

    /// @notice A tree of `chunks` chunks has no such page.
    error PageOutOfRange(uint8 height, uint64 index, uint256 chunks);
    /// @notice The bytes are not 32 for each node of the page.
    error PageLengthMismatch(uint256 length, uint256 expected);
    /// @notice What follows the tensor's last byte in its last chunk is not zero.
    error PaddingNotZero(bytes32 chunk);
    /// @notice A path has the wrong number of siblings.
    error PathLengthMismatch(uint256 length, uint256 expected);

    /// @notice The root that a page leads to. Reverts unless `nodes` can be that page of a tree over `size` bytes.
    /// @param tensors tensors under the root
    /// @param nodes the page's nodes without those that are all padding; the last chunk is filled up with zeros
    /// @param path siblings from the page's root to the root of its tree, then (for a tensor) to the root over the tensors
    function rootOf(
        Page memory page,
        uint256 size,
        uint256 tensors,
        bytes calldata nodes,
        bytes32[] calldata path
    ) internal view returns (bytes32) {
        uint256 count = nodeCount(page, size);
        if (nodes.length != count * 32) revert PageLengthMismatch(nodes.length, count * 32);
        uint256 chunks = (size + 31) / 32;
        if (page.height == 0 && (uint256(page.index) << LEVELS) + count == chunks) {
            bytes32 last = bytes32(nodes[nodes.length - 32:]);
            uint256 used = size - 32 * (chunks - 1);
            // A shift by 256 gives 0.
            if (uint256(last) << (8 * used) != 0) revert PaddingNotZero(last);
        }
        uint256 level = page.height * LEVELS;
        uint256 levels = TensorTree.depth(chunks) - level;
        if (levels > LEVELS) levels = LEVELS;
        uint256 inner = TensorTree.depth(chunks) - level - levels;
        uint256 outer = page.tensor == ROOTS ? 0 : TensorTree.depth(tensors);
        if (path.length != inner + outer) revert PathLengthMismatch(path.length, inner + outer);
        uint256 leaf = page.tensor == ROOTS ? page.index : (uint256(page.tensor) << inner) | page.index;
        return TensorTree.climb(TensorTree.subtreeRoot(nodes, level, levels), leaf, path);
    }

    /// @notice Number of nodes that the page shows of the tree over `size` bytes. Reverts when there is no such page.
    function nodeCount(Page memory page, uint256 size) internal pure returns (uint256) {
        uint256 chunks = (size + 31) / 32;
        uint256 level = page.height * LEVELS;
        // A page of height 0 exists even of a tree that is a single chunk; above the root there are none.
        if (page.height != 0 && level >= TensorTree.depth(chunks))
            revert PageOutOfRange(page.height, page.index, chunks);
        uint256 onLevel = (chunks + (uint256(1) << level) - 1) >> level;
        uint256 first = uint256(page.index) << LEVELS;
        if (first >= onLevel) revert PageOutOfRange(page.height, page.index, chunks);
        uint256 count = onLevel - first;
        return count > 1 << LEVELS ? 1 << LEVELS : count;
    }
}
