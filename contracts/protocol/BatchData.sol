// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a batch is, but for its entries. Its EIP-712 digest is the batch's id.
/// @dev Blob form: `blobHashes` are the versioned hashes of EIP-4844, 1,024 entries a blob, and dataRoot is 0. Calldata
///      form: no blobs, and dataRoot is the Merkle root of the entries.
struct BatchHeader {
    address executor;
    uint64 nonce; // tells otherwise equal batches apart; the executor's choice
    uint16 count; // of entries
    bytes32[] programRoots; // entries name one of them by its number
    bytes32[] blobHashes;
    bytes32 dataRoot;
}

/// @notice One claim of a batch: 124 bytes, packed in this order, big-endian.
struct BatchEntry {
    bytes32 inputRoot;
    bytes32 outputRoot;
    bytes32 orderHash; // the claim's requestId
    address requester; // who is compensated
    uint48 price; // in the market's priceUnit
    uint16 program; // number in the header's programRoots
}

/// @title What a batch's data says, shown from its commitment
/// @notice A blob batch has no root beside its blobs' own commitments: an entry is in the batch if and only if the
///         polynomial that the versioned hash commits to has the entry's four field elements. So nothing can contradict
///         the data, and there is nothing to prove a mismatch of.
/// @dev Every function reverts or says the truth; none returns "not a member", so that neither too little gas nor a
///      malformed opening decides anything.
library BatchData {
    /// @notice Bytes of an entry: four field elements of 31 bytes.
    uint256 internal constant ENTRY_BYTES = 124;
    /// @notice 4,096 field elements a blob.
    uint256 internal constant ENTRIES_PER_BLOB = 1_024;

    bytes32 private constant BATCH_TYPEHASH = keccak256(
        "Batch(address executor,uint64 nonce,uint16 count,bytes32[] programRoots,bytes32[] blobHashes,bytes32 dataRoot)"
    );

    /// @dev EIP-4844, point evaluation.
    address private constant POINT_EVALUATION = address(0x0a);
    uint256 private constant FIELD_ELEMENTS_PER_BLOB = 4_096;
    uint256 private constant BLS_MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    /// @dev 7^((BLS_MODULUS - 1) / 4096): the primitive root of unity of EIP-4844's evaluation domain.
    uint256 private constant ROOT_OF_UNITY =
        0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306;
    uint256 private constant COMMITMENT_BYTES = 48;

    error IndexOutOfRange(uint256 index, uint256 count);
    /// @notice The opening has the wrong length for the batch's form.
    error OpeningLengthMismatch(uint256 length, uint256 expected);
    /// @notice The precompile did not confirm the opening: it is wrong, or it had too little gas.
    error OpeningRefused(uint256 index);
    /// @notice The path does not lead from the entry to the batch's data root.
    error DataRootMismatch(bytes32 expected, bytes32 actual);
    error DataLengthMismatch(uint256 length, uint256 expected);

    /// @notice Reverts unless `entry` is number `index` of the batch.
    /// @param opening blob form: the blob's commitment and one proof per field element (240 bytes); calldata form: the
    ///        Merkle path, leaf to root
    function requireMember(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) internal view {
        if (index >= header.count) revert IndexOutOfRange(index, header.count);
        bytes memory packed = abi.encodePacked(
            entry.inputRoot,
            entry.outputRoot,
            entry.orderHash,
            entry.requester,
            entry.price,
            entry.program
        );
        if (header.blobHashes.length == 0) _requirePath(header, index, keccak256(packed), opening);
        else _requireOpened(header.blobHashes[index / ENTRIES_PER_BLOB], index, packed, opening);
    }

    /// @notice EIP-712 struct hash of a header.
    function structHash(BatchHeader calldata header) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    BATCH_TYPEHASH,
                    header.executor,
                    header.nonce,
                    header.count,
                    keccak256(abi.encodePacked(header.programRoots)),
                    keccak256(abi.encodePacked(header.blobHashes)),
                    header.dataRoot
                )
            );
    }

    /// @notice Merkle root of a calldata batch: leaves keccak256(entry), nodes keccak256(left ‖ right), 0 where there is
    ///         no node. Leaves are of 124 bytes and nodes of 64, so that neither can be taken for the other.
    function rootOf(bytes calldata data, uint256 count) internal pure returns (bytes32 root) {
        if (data.length != count * ENTRY_BYTES) revert DataLengthMismatch(data.length, count * ENTRY_BYTES);
        assembly ("memory-safe") {
            let nodes := mload(0x40)
            let end := add(nodes, shl(5, count))
            // One more node, and room for one entry.
            mstore(0x40, add(end, 0xa0))
            let buffer := add(end, 0x20)
            let source := data.offset
            for {
                let node := nodes
            } lt(node, end) {
                node := add(node, 0x20)
                source := add(source, ENTRY_BYTES)
            } {
                calldatacopy(buffer, source, ENTRY_BYTES)
                mstore(node, keccak256(buffer, ENTRY_BYTES))
            }
            for {} gt(count, 1) {} {
                if and(count, 1) {
                    mstore(add(nodes, shl(5, count)), 0)
                }
                count := shr(1, add(count, 1))
                for {
                    let i := 0
                } lt(i, count) {
                    i := add(i, 1)
                } {
                    mstore(add(nodes, shl(5, i)), keccak256(add(nodes, shl(6, i)), 0x40))
                }
            }
            root := mload(nodes)
        }
    }

    function _requireOpened(
        bytes32 blobHash,
        uint256 index,
        bytes memory packed,
        bytes calldata opening
    ) private view {
        if (opening.length != 5 * COMMITMENT_BYTES)
            revert OpeningLengthMismatch(opening.length, 5 * COMMITMENT_BYTES);
        bytes calldata commitment = opening[:COMMITMENT_BYTES];
        for (uint256 k; k < 4; ++k) {
            uint256 element;
            assembly ("memory-safe") {
                // 31 bytes: below the modulus, and no two encodings of one entry.
                element := shr(8, mload(add(add(packed, 0x20), mul(31, k))))
            }
            uint256 from = (k + 1) * COMMITMENT_BYTES;
            (bool ok, bytes memory result) = POINT_EVALUATION.staticcall(
                abi.encodePacked(
                    blobHash,
                    _domainPoint(4 * (index % ENTRIES_PER_BLOB) + k),
                    element,
                    commitment,
                    opening[from:from + COMMITMENT_BYTES]
                )
            );
            if (!ok || keccak256(result) != keccak256(abi.encode(FIELD_ELEMENTS_PER_BLOB, BLS_MODULUS)))
                revert OpeningRefused(index);
        }
    }

    function _requirePath(
        BatchHeader calldata header,
        uint256 index,
        bytes32 node,
        bytes calldata path
    ) private pure {
        uint256 depth;
        while ((uint256(1) << depth) < header.count) ++depth;
        if (path.length != depth * 32) revert OpeningLengthMismatch(path.length, depth * 32);
        for (uint256 level; level < depth; ++level) {
            bytes32 sibling = bytes32(path[level * 32:]);
            node = keccak256(
                (index >> level) & 1 == 0 ? abi.encodePacked(node, sibling) : abi.encodePacked(sibling, node)
            );
        }
        if (node != header.dataRoot) revert DataRootMismatch(header.dataRoot, node);
    }

    /// @dev Where a blob's polynomial has its field element number `element`: the roots of unity in bit-reversed order, so
    ///      bit 11 of the number is exponent bit 0.
    function _domainPoint(uint256 element) private pure returns (uint256 point) {
        point = 1;
        uint256 power = ROOT_OF_UNITY;
        for (uint256 bit = 12; bit != 0; --bit) {
            if ((element >> (bit - 1)) & 1 == 1) point = mulmod(point, power, BLS_MODULUS);
            power = mulmod(power, power, BLS_MODULUS);
        }
    }
}
