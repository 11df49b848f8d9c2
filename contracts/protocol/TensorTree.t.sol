// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TensorTree} from "./TensorTree.sol";

/// @notice The in-place tree against its definition: pad to a power of two with zero chunks, hash pairs.
contract TensorTreeTest {
    function _byDefinition(bytes memory data) private pure returns (bytes32) {
        uint256 chunks = (data.length + 31) / 32;
        uint256 width = 1;
        while (width < chunks) width *= 2;
        bytes memory level = bytes.concat(data, new bytes(width * 32 - data.length));
        while (level.length > 32) {
            bytes memory next;
            for (uint256 i; i < level.length; i += 64) {
                bytes memory pair = new bytes(64);
                for (uint256 b; b < 64; ++b) pair[b] = level[i + b];
                next = bytes.concat(next, sha256(pair));
            }
            level = next;
        }
        return bytes32(level);
    }

    function tensorRoot(bytes calldata data) external view returns (bytes32) {
        return TensorTree.tensorRoot(data);
    }

    function rootOf(bytes calldata data, uint256[] memory sizes) external view returns (bytes32) {
        return TensorTree.rootOf(data, sizes);
    }

    function climb(bytes32 leaf, uint256 index, bytes32[] calldata path) external view returns (bytes32) {
        return TensorTree.climb(leaf, index, path);
    }

    function test_tensorRoot_everySmallLength_isTheDefinition() public view {
        bytes memory all = new bytes(32 * 19);
        for (uint256 i; i < all.length; ++i) all[i] = bytes1(uint8(i * 7 + 1));
        for (uint256 length; length <= all.length; length += 11) {
            bytes memory data = new bytes(length);
            for (uint256 i; i < length; ++i) data[i] = all[i];
            require(this.tensorRoot(data) == _byDefinition(data), "root");
        }
    }

    function testFuzz_tensorRoot_isTheDefinition(bytes calldata data) public view {
        require(this.tensorRoot(data) == _byDefinition(data), "root");
    }

    /// @notice The values of the consensus specification's zero hashes: SHA-256 of two zero chunks, and one level up.
    function test_tensorRoot_zeros_isTheKnownConstant() public view {
        require(
            this.tensorRoot(new bytes(64)) ==
                0xf5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b,
            "level 1"
        );
        require(
            this.tensorRoot(new bytes(128)) ==
                0xdb56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71,
            "level 2"
        );
        require(this.tensorRoot(new bytes(32)) == 0, "one zero chunk");
        require(this.tensorRoot("") == 0, "nothing");
    }

    function test_rootOf_lengthMismatch_reverts() public view {
        uint256[] memory sizes = new uint256[](2);
        (sizes[0], sizes[1]) = (40, 8);
        try this.rootOf(new bytes(47), sizes) {
            revert("too short");
        } catch (bytes memory error_) {
            require(
                keccak256(error_) ==
                    keccak256(abi.encodeWithSelector(TensorTree.LengthMismatch.selector, 47, 48)),
                "error"
            );
        }
        try this.rootOf(new bytes(49), sizes) {
            revert("too long");
        } catch (bytes memory error_) {
            require(
                keccak256(error_) ==
                    keccak256(abi.encodeWithSelector(TensorTree.LengthMismatch.selector, 49, 48)),
                "error"
            );
        }
    }

    function testFuzz_rootOf_isTheTreeOverTensorRoots(bytes calldata data, uint8 cut) public view {
        uint256 first = data.length == 0 ? 0 : uint256(cut) % data.length;
        uint256[] memory sizes = new uint256[](3);
        (sizes[0], sizes[1], sizes[2]) = (first, data.length - first, 0);
        bytes memory roots = bytes.concat(
            _byDefinition(data[:first]),
            _byDefinition(data[first:]),
            bytes32(0)
        );
        require(this.rootOf(data, sizes) == _byDefinition(roots), "root");
    }

    function testFuzz_climb_everyLeafOfFour_reachesTheRoot(bytes32[4] calldata leaves) public view {
        bytes32 left = sha256(bytes.concat(leaves[0], leaves[1]));
        bytes32 right = sha256(bytes.concat(leaves[2], leaves[3]));
        bytes32 root = sha256(bytes.concat(left, right));
        bytes32[] memory path = new bytes32[](2);
        for (uint256 i; i < 4; ++i) {
            (path[0], path[1]) = (leaves[i ^ 1], i < 2 ? right : left);
            require(this.climb(leaves[i], i, path) == root, "root");
        }
    }

    function test_depth_isCeilLog2() public pure {
        uint8[10] memory expected = [0, 0, 1, 2, 2, 3, 3, 3, 3, 4];
        for (uint256 count; count < 10; ++count) require(TensorTree.depth(count) == expected[count], "depth");
    }
}
