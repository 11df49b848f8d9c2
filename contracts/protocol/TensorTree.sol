// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title SHA-256 Merkle roots of tensors held as bytes, and paths in the trees over them
/// @notice For the market (are these bytes what the root says?), the referee (outputs against the trace) and consumers.
///         Trees are those of docs/architecture.md: 32-byte nodes, padded with zero chunks to a power of two.
library TensorTree {
    /// @notice A call of the SHA-256 precompile failed, which happens only out of gas.
    error Sha256Failed();
    /// @notice The bytes are not as long as the tensors together.
    error LengthMismatch(uint256 length, uint256 expected);

    /// @notice Root of one tensor's stored bytes.
    function tensorRoot(bytes calldata data) internal view returns (bytes32 root) {
        uint256 chunks = (data.length + 31) / 32;
        if (chunks == 0) return 0;
        // Room for the zero padding of the last chunk and for one node of padding at every level.
        bytes32[] memory nodes = new bytes32[](chunks + 1);
        assembly ("memory-safe") {
            calldatacopy(add(nodes, 32), data.offset, data.length)
        }
        return _merkle(nodes, chunks, depth(chunks), 0);
    }

    /// @notice Root of a subtree of `levels` levels whose lowest nodes lie on `level` of a tensor's tree (0: chunks).
    /// @param row the lowest nodes that are not all padding, from the left; 32 bytes each, at least one
    function subtreeRoot(
        bytes calldata row,
        uint256 level,
        uint256 levels
    ) internal view returns (bytes32 root) {
        bytes32[] memory nodes = new bytes32[](row.length / 32 + 1);
        assembly ("memory-safe") {
            calldatacopy(add(nodes, 32), row.offset, row.length)
        }
        bytes32 zero;
        for (; level != 0; --level) zero = _hash(zero, zero);
        return _merkle(nodes, row.length / 32, levels, zero);
    }

    /// @notice Root over the roots of tensors that lie one after the other in `data`.
    /// @param sizes bytes of each tensor
    function rootOf(bytes calldata data, uint256[] memory sizes) internal view returns (bytes32) {
        uint256 count = sizes.length;
        bytes32[] memory nodes = new bytes32[](count + 1);
        uint256 offset;
        for (uint256 i; i < count; ++i) {
            uint256 end = offset + sizes[i];
            if (end > data.length) revert LengthMismatch(data.length, end);
            nodes[i] = tensorRoot(data[offset:end]);
            offset = end;
        }
        if (offset != data.length) revert LengthMismatch(data.length, offset);
        return count == 0 ? bytes32(0) : _merkle(nodes, count, depth(count), 0);
    }

    /// @notice The root that `path` (leaf to root) leads to from leaf number `index`.
    function climb(
        bytes32 leaf,
        uint256 index,
        bytes32[] calldata path
    ) internal view returns (bytes32 node) {
        node = leaf;
        for (uint256 i; i < path.length; ++i) {
            node = index & 1 == 0 ? _hash(node, path[i]) : _hash(path[i], node);
            index >>= 1;
        }
    }

    /// @notice Levels of the tree over `count` leaves.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        while ((uint256(1) << levels) < count) ++levels;
    }

    function _hash(bytes32 left, bytes32 right) private view returns (bytes32 node) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            ok := staticcall(gas(), 2, 0x00, 0x40, 0x00, 0x20)
            node := mload(0x00)
        }
        if (!ok) revert Sha256Failed();
    }

    /// @dev Hashes level by level in place. `nodes` has one word more than `count`: an odd level is completed with the
    ///      root of an all-zero subtree; `zero` is the one for the lowest level.
    function _merkle(
        bytes32[] memory nodes,
        uint256 count,
        uint256 levels,
        bytes32 zero
    ) private view returns (bytes32 root) {
        bool ok = true;
        for (; levels != 0; --levels) {
            assembly ("memory-safe") {
                let start := add(nodes, 32)
                if and(count, 1) {
                    mstore(add(start, shl(5, count)), zero)
                    count := add(count, 1)
                }
                count := shr(1, count)
                let end := add(start, shl(5, count))
                let from := start
                for {
                    let to := start
                } lt(to, end) {
                    to := add(to, 32)
                } {
                    ok := and(ok, staticcall(gas(), 2, from, 64, to, 32))
                    from := add(from, 64)
                }
            }
            if (!ok) revert Sha256Failed();
            zero = _hash(zero, zero);
        }
        return nodes[0];
    }
}
