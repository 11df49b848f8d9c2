// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TensorTree} from "../protocol/TensorTree.sol";
import {Opening} from "./IVerifier.sol";

/// @notice Chunks whose root has been computed, ready to be read.
struct OpenedChunks {
    /// @dev One word per run: first chunk << 128 | chunk count << 64 | chunks in the runs before it.
    uint256[] runs;
    uint256 start; // where the chunks' bytes begin in calldata
    uint256 current; // run of the last read: reads mostly follow each other
}

/// @title Proofs that chunks belong to a tensor, and that a tensor belongs to its origin
/// @notice Trees are those of docs/architecture.md: 32-byte chunks, SHA-256, padded with zero chunks to a power of two.
///         TypeScript twin: packages/tensor/src/opening.ts.
library TensorProof {
    /// @notice An opening of a tensor that has chunks opens none.
    error NoRuns();
    /// @notice Run number `run` has no chunks.
    error EmptyRun(uint256 run);
    /// @notice Run number `run` starts before the end of the run before it.
    error RunsNotAscending(uint256 run);
    /// @notice Run number `run` continues the run before it: the two have to be one.
    error RunsNotMaximal(uint256 run);
    /// @notice Run number `run` ends behind the tensor's last chunk.
    error RunOutOfRange(uint256 run, uint256 end, uint256 chunkCount);
    /// @notice The opened bytes are not 32 per chunk of the runs.
    error ChunkBytesMismatch(uint256 length, uint256 expected);
    /// @notice The proof needs more sibling nodes than it has.
    error NodesTooShort(uint256 length, uint256 needed);
    /// @notice The proof has more bytes of sibling nodes than it needs.
    error NodesTooLong(uint256 length, uint256 needed);
    /// @notice A tree over `count` leaves has no leaf `index`.
    error LeafOutOfRange(uint256 index, uint256 count);
    /// @notice A path has the wrong number of siblings.
    error PathLengthMismatch(uint256 length, uint256 expected);
    /// @notice The proof leads to another root.
    error RootMismatch(bytes32 expected, bytes32 actual);

    /// @notice Root of the tensor of `chunkCount` chunks that an opening shows, and its chunks for reading.
    function open(
        Opening calldata opening,
        uint256 chunkCount
    ) internal view returns (bytes32 root, OpenedChunks memory opened) {
        bytes calldata chunks = opening.chunks;
        opened.runs = _table(opening.runs, chunks.length, chunkCount);
        assembly ("memory-safe") {
            mstore(add(opened, 0x20), chunks.offset)
        }
        root = _root(opened.runs, chunks, opening.nodes, TensorTree.depth(chunkCount));
    }

    /// @notice Reverts unless `path` (leaf to root) leads from `leaf` to `root` in a tree over `count` leaves.
    function requireLeaf(
        bytes32 root,
        uint256 count,
        uint256 index,
        bytes32 leaf,
        bytes32[] calldata path
    ) internal view {
        if (index >= count) revert LeafOutOfRange(index, count);
        uint256 depth = TensorTree.depth(count);
        if (path.length != depth) revert PathLengthMismatch(path.length, depth);
        bytes32 actual = TensorTree.climb(leaf, index, path);
        if (actual != root) revert RootMismatch(root, actual);
    }

    /// @notice SHA-256 of bytes in calldata.
    function sha256Of(bytes calldata data) internal view returns (bytes32 digest) {
        bool ok;
        assembly ("memory-safe") {
            let copy := mload(0x40)
            calldatacopy(copy, data.offset, data.length)
            ok := staticcall(gas(), 2, copy, data.length, 0x00, 0x20)
            digest := mload(0x00)
        }
        if (!ok) revert TensorTree.Sha256Failed();
    }

    /// @dev Raises all runs level by level, in place: behind the free memory pointer lie first the runs (first << 64 |
    ///      count), then their nodes without gaps. A run never has more nodes than the one it rises from, so writing
    ///      never overtakes reading. A run that begins at a right node takes that node's sibling from the proof, one
    ///      that ends at a left node likewise: a chunk or more lies between two runs, so no run holds the other's
    ///      sibling. Runs that meet one level up become one. At the top a single node is left, because every run ends
    ///      within 2^depth chunks. Every success flag counts: out of gas must never pass as a wrong hash.
    function _root(
        uint256[] memory table,
        bytes calldata chunks,
        bytes calldata nodes,
        uint256 depth
    ) private view returns (bytes32 root) {
        if (table.length == 0) {
            if (nodes.length != 0) revert NodesTooLong(nodes.length, 0);
            return 0;
        }
        bool ok = true;
        uint256 used;
        assembly ("memory-safe") {
            let runs := mload(0x40)
            let runsEnd := add(runs, shl(5, mload(table)))
            let base := runsEnd
            {
                let from := add(table, 0x20)
                for {
                    let to := runs
                } lt(to, runsEnd) {
                    to := add(to, 0x20)
                } {
                    mstore(to, shr(64, mload(from)))
                    from := add(from, 0x20)
                }
            }
            calldatacopy(base, chunks.offset, chunks.length)
            let sibling := nodes.offset
            for {} depth {
                depth := sub(depth, 1)
            } {
                let read := base
                let write := base
                let runWrite := runs
                let previousEnd := not(0)
                for {
                    let run := runs
                } lt(run, runsEnd) {
                    run := add(run, 0x20)
                } {
                    let first := shr(64, mload(run))
                    let end := add(first, and(mload(run), 0xffffffffffffffff))
                    let readEnd := add(read, shl(5, sub(end, first)))
                    if and(first, 1) {
                        mstore(0x00, calldataload(sibling))
                        mstore(0x20, mload(read))
                        ok := and(ok, staticcall(gas(), 2, 0x00, 0x40, write, 0x20))
                        sibling := add(sibling, 0x20)
                        read := add(read, 0x20)
                        write := add(write, 0x20)
                    }
                    let odd := and(end, 1)
                    let pairsEnd := sub(readEnd, shl(5, odd))
                    for {
                        let fours := add(read, and(sub(pairsEnd, read), not(0xff)))
                    } lt(read, fours) {} {
                        ok := and(ok, staticcall(gas(), 2, read, 0x40, write, 0x20))
                        ok := and(ok, staticcall(gas(), 2, add(read, 0x40), 0x40, add(write, 0x20), 0x20))
                        ok := and(ok, staticcall(gas(), 2, add(read, 0x80), 0x40, add(write, 0x40), 0x20))
                        ok := and(ok, staticcall(gas(), 2, add(read, 0xc0), 0x40, add(write, 0x60), 0x20))
                        read := add(read, 0x100)
                        write := add(write, 0x80)
                    }
                    for {} lt(read, pairsEnd) {} {
                        ok := and(ok, staticcall(gas(), 2, read, 0x40, write, 0x20))
                        read := add(read, 0x40)
                        write := add(write, 0x20)
                    }
                    if odd {
                        mstore(0x00, mload(read))
                        mstore(0x20, calldataload(sibling))
                        ok := and(ok, staticcall(gas(), 2, 0x00, 0x40, write, 0x20))
                        sibling := add(sibling, 0x20)
                        write := add(write, 0x20)
                    }
                    read := readEnd
                    // The parents: [first / 2, ceil(end / 2))
                    first := shr(1, first)
                    end := shr(1, add(end, 1))
                    let count := sub(end, first)
                    switch eq(first, previousEnd)
                    case 1 {
                        let before := sub(runWrite, 0x20)
                        mstore(before, add(mload(before), count))
                    }
                    default {
                        mstore(runWrite, or(shl(64, first), count))
                        runWrite := add(runWrite, 0x20)
                    }
                    previousEnd := end
                }
                runsEnd := runWrite
            }
            used := sub(sibling, nodes.offset)
            root := mload(base)
        }
        if (!ok) revert TensorTree.Sha256Failed();
        if (nodes.length < used) revert NodesTooShort(nodes.length, used);
        if (nodes.length > used) revert NodesTooLong(nodes.length, used);
    }

    /// @dev Checks the runs. An empty tensor has no chunks, no runs and root 0.
    function _table(
        uint128[] calldata runs,
        uint256 length,
        uint256 chunkCount
    ) private pure returns (uint256[] memory table) {
        if (runs.length == 0 && chunkCount != 0) revert NoRuns();
        table = new uint256[](runs.length);
        uint256 total;
        uint256 previousEnd;
        // A run has less than 2^65 as its end and calldata holds far fewer than 2^64 runs.
        unchecked {
            for (uint256 i; i < table.length; ++i) {
                uint256 first = runs[i] >> 64;
                uint256 count = uint64(runs[i]);
                uint256 end = first + count;
                if (count == 0) revert EmptyRun(i);
                if (i != 0 && first <= previousEnd) {
                    if (first == previousEnd) revert RunsNotMaximal(i);
                    revert RunsNotAscending(i);
                }
                if (end > chunkCount) revert RunOutOfRange(i, end, chunkCount);
                table[i] = (first << 128) | (count << 64) | total;
                total += count;
                previousEnd = end;
            }
            if (length != total * 32) revert ChunkBytesMismatch(length, total * 32);
        }
    }
}
