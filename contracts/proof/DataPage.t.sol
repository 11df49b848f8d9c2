// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TensorTree} from "../protocol/TensorTree.sol";
import {Data, DataPage, Page} from "./DataPage.sol";

/// @notice Pages against trees built by definition, level by level in memory.
contract DataPageTest {
    /// @dev `levels[l]` are all nodes of level l, padding included.
    function _tree(bytes memory data) private pure returns (bytes32[][] memory levels) {
        uint256 chunks = (data.length + 31) / 32;
        uint256 depth = TensorTree.depth(chunks);
        levels = new bytes32[][](depth + 1);
        levels[0] = new bytes32[](1 << depth);
        for (uint256 i; i < data.length; ++i) levels[0][i / 32] |= bytes32(bytes1(data[i])) >> (8 * (i % 32));
        for (uint256 l; l < depth; ++l) {
            levels[l + 1] = new bytes32[](levels[l].length / 2);
            for (uint256 i; i < levels[l + 1].length; ++i)
                levels[l + 1][i] = sha256(abi.encode(levels[l][2 * i], levels[l][2 * i + 1]));
        }
    }

    function _data(uint256 length, uint256 seed) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i; i < length; ++i) data[i] = bytes1(uint8(i * 7 + (i >> 8) + seed + 1));
    }

    /// @dev The page's nodes, and the path from its root to the root of the tree.
    function _page(
        bytes32[][] memory levels,
        uint256 size,
        Page memory page
    ) private pure returns (bytes memory nodes, bytes32[] memory path) {
        uint256 level = page.height * 10;
        uint256 count = DataPage.nodeCount(page, size);
        for (uint256 i; i < count; ++i)
            nodes = bytes.concat(nodes, levels[level][uint256(page.index) * 1024 + i]);
        uint256 top = level + 10 < levels.length - 1 ? level + 10 : levels.length - 1;
        path = new bytes32[](levels.length - 1 - top);
        for (uint256 l; l < path.length; ++l) path[l] = levels[top + l][(uint256(page.index) >> l) ^ 1];
    }

    function nodeCount(Page calldata page, uint256 size) external pure returns (uint256) {
        return DataPage.nodeCount(page, size);
    }

    function rootOf(
        Page calldata page,
        uint256 size,
        uint256 tensors,
        bytes calldata nodes,
        bytes32[] calldata path
    ) external view returns (bytes32) {
        return DataPage.rootOf(page, size, tensors, nodes, path);
    }

    function _reverts(bytes memory call, bytes memory expected) private view {
        (bool ok, bytes memory result) = address(this).staticcall(call);
        require(!ok, "expected a revert");
        require(keccak256(result) == keccak256(expected), string(bytes.concat("wrong error: ", result)));
    }

    function _tensor(uint8 height, uint64 index) private pure returns (Page memory) {
        return Page(Data.Trace, DataPage.ROOTS, height, index);
    }

    function _check(uint256 size, uint8 height, uint64 index) private view {
        bytes32[][] memory levels = _tree(_data(size, 0));
        Page memory page = _tensor(height, index);
        (bytes memory nodes, bytes32[] memory path) = _page(levels, size, page);
        require(this.rootOf(page, size, 1, nodes, path) == levels[levels.length - 1][0], "root");
    }

    function test_rootOf_smallTrees_isTheRoot() public view {
        for (uint256 size = 1; size < 300; size += 13) _check(size, 0, 0);
    }

    /// @notice 1,027 chunks: a full page, a page of three nodes, and the page of two nodes above them.
    function test_rootOf_pagesOfALargeTree_isTheRoot() public view {
        uint256 size = 1027 * 32 - 5;
        bytes32[][] memory levels = _tree(_data(size, 3));
        uint64[3] memory indices = [uint64(0), 1, 0];
        uint8[3] memory heights = [uint8(0), 0, 1];
        uint256[3] memory counts = [uint256(1024), 3, 2];
        for (uint256 i; i < 3; ++i) {
            Page memory page = _tensor(heights[i], indices[i]);
            require(this.nodeCount(page, size) == counts[i], "count");
            (bytes memory nodes, bytes32[] memory path) = _page(levels, size, page);
            require(this.rootOf(page, size, 1, nodes, path) == levels[11][0], "root");
        }
    }

    function test_rootOf_pageOfATensor_leadsToTheRootOverTheTensors() public view {
        bytes32[][] memory levels = _tree(_data(99, 0));
        bytes32 root = levels[2][0];
        bytes32[] memory path = new bytes32[](2);
        (path[0], path[1]) = ("left", "right");
        (bytes memory nodes, ) = _page(levels, 99, _tensor(0, 0));
        bytes32 expected = sha256(abi.encode(sha256(abi.encode(bytes32("left"), root)), bytes32("right")));
        require(this.rootOf(Page(Data.Input, 1, 0, 0), 99, 3, nodes, path) == expected, "root");
    }

    /// @notice The same nodes do not pass for another page: index, height and tensor decide where they hang.
    function test_rootOf_nodesOfAnotherPage_leadElsewhere() public view {
        uint256 size = 3072 * 32;
        bytes32[][] memory levels = _tree(_data(size, 0));
        (bytes memory nodes, bytes32[] memory path) = _page(levels, size, _tensor(0, 1));
        require(this.rootOf(_tensor(0, 1), size, 1, nodes, path) == levels[12][0], "root");
        require(this.rootOf(_tensor(0, 0), size, 1, nodes, path) != levels[12][0], "index");
        require(this.rootOf(_tensor(0, 2), size, 1, nodes, path) != levels[12][0], "index");
    }

    function test_rootOf_wrongLevel_reverts() public view {
        // Chunks shown as if they were the nodes of level 10: there are three of those.
        uint256 size = 3072 * 32;
        bytes32[][] memory levels = _tree(_data(size, 0));
        (bytes memory nodes, bytes32[] memory path) = _page(levels, size, _tensor(0, 0));
        _reverts(
            abi.encodeCall(this.rootOf, (_tensor(1, 0), size, 1, nodes, path)),
            abi.encodeWithSelector(DataPage.PageLengthMismatch.selector, 32768, 96)
        );
    }

    function test_rootOf_padding_reverts() public view {
        bytes memory data = _data(70, 0);
        bytes memory padded = bytes.concat(data, hex"01", new bytes(25));
        _reverts(
            abi.encodeCall(this.rootOf, (_tensor(0, 0), 70, 1, padded, new bytes32[](0))),
            abi.encodeWithSelector(DataPage.PaddingNotZero.selector, bytes32(_last(padded)))
        );
        padded = bytes.concat(data, new bytes(25), hex"01");
        _reverts(
            abi.encodeCall(this.rootOf, (_tensor(0, 0), 70, 1, padded, new bytes32[](0))),
            abi.encodeWithSelector(DataPage.PaddingNotZero.selector, bytes32(_last(padded)))
        );
        // A last chunk that is full has no padding.
        this.rootOf(_tensor(0, 0), 96, 1, padded, new bytes32[](0));
    }

    function test_nodeCount_outOfRange_reverts() public view {
        _outOfRange(0, 0, 0, 0);
        _outOfRange(0, 1, 32, 1);
        _outOfRange(1, 0, 32, 1);
        // 1,024 chunks are one page; its root is the tree's, so there is no page above it.
        _outOfRange(0, 1, 32768, 1024);
        _outOfRange(1, 0, 32768, 1024);
        _outOfRange(1, 1, 32769, 1025);
        _outOfRange(2, 0, 32769, 1025);
        _outOfRange(255, type(uint64).max, type(uint64).max, 1 << 59);
        require(this.nodeCount(_tensor(1, 0), 32769) == 2, "two pages below");
    }

    function _outOfRange(uint8 height, uint64 index, uint256 size, uint256 chunks) private view {
        _reverts(
            abi.encodeCall(this.nodeCount, (_tensor(height, index), size)),
            abi.encodeWithSelector(DataPage.PageOutOfRange.selector, height, index, chunks)
        );
    }

    function test_rootOf_wrongLengths_revert() public view {
        _reverts(
            abi.encodeCall(this.rootOf, (_tensor(0, 0), 64, 1, new bytes(63), new bytes32[](0))),
            abi.encodeWithSelector(DataPage.PageLengthMismatch.selector, 63, 64)
        );
        _reverts(
            abi.encodeCall(this.rootOf, (_tensor(0, 0), 64, 9, new bytes(64), new bytes32[](1))),
            abi.encodeWithSelector(DataPage.PathLengthMismatch.selector, 1, 0)
        );
        _reverts(
            abi.encodeCall(this.rootOf, (Page(Data.Trace, 0, 0, 0), 64, 9, new bytes(64), new bytes32[](3))),
            abi.encodeWithSelector(DataPage.PathLengthMismatch.selector, 3, 4)
        );
    }

    /// @notice Every page of a tree shows every one of its nodes once per level, and leads to its root.
    function testFuzz_rootOf_everyPage(uint16 size, uint16 seed) public view {
        uint256 length = 1 + (uint256(size) % 5000);
        bytes memory data = _data(length, seed);
        bytes32[][] memory levels = _tree(data);
        Page memory page = _tensor(0, 0);
        (bytes memory nodes, bytes32[] memory path) = _page(levels, length, page);
        require(this.rootOf(page, length, 1, nodes, path) == levels[levels.length - 1][0], "root");
        // One bit changed leads elsewhere (or is padding).
        uint256 place = seed % length;
        nodes[place] ^= 0x10;
        require(this.rootOf(page, length, 1, nodes, path) != levels[levels.length - 1][0], "changed");
    }

    function _last(bytes memory data) private pure returns (bytes memory chunk) {
        chunk = new bytes(32);
        for (uint256 i; i < 32; ++i) chunk[i] = data[data.length - 32 + i];
    }
}
