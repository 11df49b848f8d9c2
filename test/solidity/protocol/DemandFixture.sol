// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Family, Instruction, Operand, ProgramHeader} from "../../../contracts/program/Program.sol";
import {Data, DataPage, Page} from "../../../contracts/proof/DataPage.sol";
import {TensorTree} from "../../../contracts/protocol/TensorTree.sol";
import {IDataDemands} from "../../../contracts/protocol/IDataDemands.sol";
import {ProtocolFixture} from "./ProtocolFixture.sol";
import {vm} from "./Vm.sol";

/// @notice The fixture's program with real instructions, and the data of an honest run, so that pages of it can be
///         demanded and shown.
/// @dev Trace value 1 has 8,237 float32: 1,030 chunks, the last one with 12 bytes of padding; a full page, one of six
///      nodes, and the page of two nodes above them.
abstract contract DemandFixture is ProtocolFixture {
    uint64 internal constant BIG = 8_237;
    uint256 internal constant BIG_CHUNKS = 1_030;
    uint32 internal constant ROOTS = type(uint32).max;

    bytes32[][] private _big; // its tree, level by level, padding included

    function setUp() public virtual override {
        super.setUp();
        bytes memory data = _bigBytes();
        uint256 depth = TensorTree.depth(BIG_CHUNKS);
        bytes32[] memory level = new bytes32[](1 << depth);
        assembly ("memory-safe") {
            mcopy(add(level, 32), add(data, 32), mload(data))
        }
        _big.push(level);
        for (uint256 l; l < depth; ++l) {
            bytes32[] memory above = new bytes32[](level.length / 2);
            for (uint256 i; i < above.length; ++i) above[i] = _pair(level[2 * i], level[2 * i + 1]);
            _big.push(above);
            level = above;
        }
    }

    function _bigBytes() internal pure returns (bytes memory data) {
        data = new bytes(BIG * 4);
        for (uint256 i; i < data.length; ++i) data[i] = bytes1(uint8((i * 7 + (i >> 9)) | 1));
    }

    function _header() internal pure override returns (ProgramHeader memory header) {
        header = super._header();
        header.instructionsRoot = _pair(
            _pair(sha256(_instruction(0)), sha256(_instruction(1))),
            _pair(sha256(_instruction(2)), 0)
        );
    }

    function _instruction(uint32 index) internal pure virtual returns (bytes memory) {
        Instruction memory instruction;
        instruction.family = Family.Movement;
        instruction.dtype = 1;
        instruction.dims = new uint64[](1);
        instruction.dims[0] =
            index == 0
                ? 9
                : index == 1
                    ? BIG
                    : 2;
        instruction.operands = new Operand[](0);
        return abi.encode(instruction);
    }

    function _instructionPath(uint32 index) internal pure returns (bytes32[] memory path) {
        path = new bytes32[](2);
        path[0] =
            index == 0
                ? sha256(_instruction(1))
                : index == 1
                    ? sha256(_instruction(0))
                    : bytes32(0);
        path[1] =
            index == 2
                ? _pair(sha256(_instruction(0)), sha256(_instruction(1)))
                : _pair(sha256(_instruction(2)), 0);
    }

    function _bigRoot() internal view returns (bytes32) {
        return _big[_big.length - 1][0];
    }

    /// @dev Root of the trace with these values 0 and 2, and the big one.
    function _traceWith(bytes32 value0) internal view returns (bytes32) {
        return _pair(_pair(value0, _bigRoot()), _pair(_rootY(), 0));
    }

    function _trace() internal view returns (bytes32) {
        return _traceWith(_rootZ());
    }

    // --- pages ---

    function _roots() internal pure returns (Page memory) {
        return Page(Data.Trace, ROOTS, 0, 0);
    }

    function _chunks(uint32 tensor, uint64 index) internal pure returns (Page memory) {
        return Page(Data.Trace, tensor, 0, index);
    }

    function _inputPage() internal pure returns (Page memory) {
        return Page(Data.Input, 0, 0, 0);
    }

    /// @dev What an honest executor shows of a page.
    function _answer(Page memory page) internal view returns (bytes memory nodes, bytes32[] memory path) {
        if (page.data == Data.Input) {
            nodes = page.tensor == ROOTS ? abi.encode(_inputRoot()) : bytes.concat(INPUTS, new bytes(16));
            path = new bytes32[](0);
        } else if (page.data == Data.Output) {
            if (page.tensor == ROOTS) return (abi.encode(_rootY(), _rootZ()), new bytes32[](0));
            path = new bytes32[](1);
            path[0] = page.tensor == 0 ? _rootZ() : _rootY();
            nodes = page.tensor == 0 ? bytes.concat(OUTPUT_Y, new bytes(24)) : _paddedZ();
        } else if (page.tensor == ROOTS) {
            nodes = abi.encode(_rootZ(), _bigRoot(), _rootY());
            path = new bytes32[](0);
        } else if (page.tensor == 1) {
            return _bigPage(page);
        } else {
            path = new bytes32[](2);
            nodes = page.tensor == 0 ? _paddedZ() : bytes.concat(OUTPUT_Y, new bytes(24));
            path[0] = page.tensor == 0 ? _bigRoot() : bytes32(0);
            path[1] = page.tensor == 0 ? _pair(_rootY(), 0) : _pair(_rootZ(), _bigRoot());
        }
    }

    function _paddedZ() internal pure returns (bytes memory) {
        return bytes.concat(OUTPUT_Z, new bytes(28));
    }

    function _bigPage(Page memory page) private view returns (bytes memory nodes, bytes32[] memory path) {
        uint256 count = DataPage.nodeCount(page, BIG * 4);
        bytes32[] storage level = _big[page.height * 10];
        bytes32[] memory shown = new bytes32[](count);
        for (uint256 i; i < count; ++i) shown[i] = level[uint256(page.index) * 1024 + i];
        nodes = abi.encodePacked(shown);
        uint256 inner = page.height == 0 ? 1 : 0;
        path = new bytes32[](inner + 2);
        if (inner == 1) path[0] = _big[10][page.index ^ 1];
        path[inner] = _rootZ();
        path[inner + 1] = _pair(_rootY(), 0);
    }

    // --- steps ---

    function _demandCall(bytes32 claimId, Page memory page) internal pure returns (bytes memory) {
        bool opens = page.data == Data.Trace && page.tensor < 3;
        bytes memory instruction = opens ? _instruction(page.tensor) : bytes("");
        bytes32[] memory path = opens ? _instructionPath(page.tensor) : new bytes32[](0);
        return abi.encodeCall(IDataDemands.demandData, (claimId, page, instruction, path, type(uint256).max));
    }

    function _demand(bytes32 claimId, address who, Page memory page) internal returns (uint64 answerBy) {
        // Before the prank: SHA-256 is a call too.
        bytes memory data = _demandCall(claimId, page);
        vm.prank(who);
        (bool ok, bytes memory result) = address(referee).call(data);
        require(ok, string(bytes.concat("demand refused: ", result)));
        return referee.demandOf(abi.decode(result, (bytes32))).answerBy;
    }

    function _answerCall(bytes32 claimId, Page memory page) internal view returns (bytes memory) {
        (bytes memory nodes, bytes32[] memory path) = _answer(page);
        return abi.encodeCall(IDataDemands.answerData, (claimId, page, nodes, path));
    }

    function _show(bytes32 claimId, address who, Page memory page) internal {
        bytes memory data = _answerCall(claimId, page);
        vm.prank(who);
        (bool ok, bytes memory result) = address(referee).call(data);
        require(ok, string(bytes.concat("answer refused: ", result)));
    }
}
