// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, Judgement, KernelInput} from "../kernels/IKernel.sol";
import {Family, Instruction, Operand, Origin} from "../program/Program.sol";
import {Dtype} from "../protocol/Dtype.sol";
import {AccessMap} from "./AccessMap.sol";
import {ElementProof, IVerifier, Opening, Roots} from "./IVerifier.sol";
import {OpenedChunks, TensorProof} from "./TensorProof.sol";

/// @title Verifier
/// @notice Everything of a verdict but the arithmetic: that the instruction is the program's, that every byte the
///         kernel sees is committed to, and that it is the byte which the instruction reads. Holds no state and no money.
contract Verifier is IVerifier {
    address private immutable _contraction;
    address private immutable _elementwise;
    address private immutable _reduction;
    address private immutable _normalization;
    address private immutable _movement;

    /// @notice A kernel's address has no code.
    error NotAKernel(address kernel);
    /// @notice Instruction set version 1 has no such family.
    error UnknownFamily(uint256 family);
    /// @notice The instruction's bytes are no ABI encoding of an `Instruction`.
    error MalformedInstruction();
    /// @notice The proof names another number of openings than the instruction has operands.
    error OperandCountMismatch(uint256 actual, uint256 expected);
    /// @notice Operand `operand` is said to read from an opening that the proof does not have.
    error UnknownOpening(uint256 operand, uint256 opening);
    /// @notice Operand `operand` reads another value than the operands before it that share opening `opening`.
    error OpeningOfAnotherValue(uint256 operand, uint256 opening);
    /// @notice No operand reads from opening `opening`.
    error UnusedOpening(uint256 opening);
    /// @notice The output's elements have more bits than a kernel can judge.
    error OutputTooWide(uint8 dtype);

    /// @param contraction kernel of each family, in the order of `Family`
    constructor(
        address contraction,
        address elementwise,
        address reduction,
        address normalization,
        address movement
    ) {
        _contraction = _withCode(contraction);
        _elementwise = _withCode(elementwise);
        _reduction = _withCode(reduction);
        _normalization = _withCode(normalization);
        _movement = _withCode(movement);
    }

    /// @inheritdoc IVerifier
    function judge(
        Roots calldata roots,
        ElementProof calldata proof
    ) external view returns (Judgement memory) {
        Instruction memory instruction = _instruction(roots, proof);
        KernelInput memory input;
        input.op = instruction.op;
        input.params = instruction.params;
        input.hint = proof.hint;
        uint256[] memory output = AccessMap.coordinatesOf(proof.element, instruction.dims);
        input.claimed = _claimed(roots, proof, instruction);
        (input.operands, input.valid) = _operands(roots, proof, instruction, output);
        return IKernel(kernelOf(instruction.family)).judge(input);
    }

    /// @notice The contract that judges elements of a family's instructions.
    function kernelOf(Family family) public view returns (address) {
        if (family == Family.Contraction) return _contraction;
        if (family == Family.Elementwise) return _elementwise;
        if (family == Family.Reduction) return _reduction;
        if (family == Family.Normalization) return _normalization;
        return _movement;
    }

    function _withCode(address kernel) private view returns (address) {
        if (kernel.code.length == 0) revert NotAKernel(kernel);
        return kernel;
    }

    /// @dev The proven instruction. Publishers may commit to any bytes: what does not decode reverts.
    function _instruction(
        Roots calldata roots,
        ElementProof calldata proof
    ) private view returns (Instruction memory) {
        bytes calldata encoded = proof.instruction;
        TensorProof.requireLeaf(
            roots.instructionsRoot,
            roots.instructionCount,
            proof.index,
            TensorProof.sha256Of(encoded),
            proof.instructionPath
        );
        // The decoder would refuse an unknown family without saying why.
        if (encoded.length < 0x40 || uint256(bytes32(encoded)) != 0x20) revert MalformedInstruction();
        uint256 family = uint256(bytes32(encoded[0x20:]));
        if (family > uint256(type(Family).max)) revert UnknownFamily(family);
        return abi.decode(encoded, (Instruction));
    }

    /// @dev Bits of the claimed output element.
    function _claimed(
        Roots calldata roots,
        ElementProof calldata proof,
        Instruction memory instruction
    ) private view returns (uint32) {
        uint256 elementSize = Dtype.sizeOf(instruction.dtype);
        if (elementSize > 4) revert OutputTooWide(instruction.dtype);
        uint256 length = AccessMap.elementCount(instruction.dims);
        OpenedChunks memory opened = _open(
            roots,
            proof.output,
            Origin.Trace,
            proof.index,
            length,
            instruction.dtype
        );
        return uint32(AccessMap.elementAt(opened, proof.element, elementSize));
    }

    /// @dev Dense bytes of every operand, and the points of the box where the first of them is not padding.
    function _operands(
        Roots calldata roots,
        ElementProof calldata proof,
        Instruction memory instruction,
        uint256[] memory output
    ) private view returns (bytes[] memory dense, uint64 valid) {
        uint256 count = instruction.operands.length;
        if (proof.openingOf.length != count) revert OperandCountMismatch(proof.openingOf.length, count);
        dense = new bytes[](count);
        OpenedChunks[] memory opened = new OpenedChunks[](proof.openings.length);
        // For every opening one more than the first operand that reads from it.
        uint256[] memory readers = new uint256[](proof.openings.length);
        for (uint256 i; i < count; ++i) {
            Operand memory operand = instruction.operands[i];
            uint256 n = proof.openingOf[i];
            if (n >= opened.length) revert UnknownOpening(i, n);
            if (readers[n] == 0) {
                readers[n] = i + 1;
                opened[n] = _open(
                    roots,
                    proof.openings[n],
                    operand.origin,
                    operand.index,
                    operand.length,
                    operand.dtype
                );
            } else if (!_sameValue(operand, instruction.operands[readers[n] - 1]))
                revert OpeningOfAnotherValue(i, n);
            uint256 points;
            (dense[i], points) = AccessMap.gather(operand, output, instruction.reduction, opened[n]);
            // At most AccessMap.MAX_POINTS
            if (i == 0) valid = uint64(points);
        }
        for (uint256 n; n < readers.length; ++n) if (readers[n] == 0) revert UnusedOpening(n);
    }

    /// @dev Checks that an opening shows chunks of value `index` of its origin.
    function _open(
        Roots calldata roots,
        Opening calldata opening,
        Origin origin,
        uint256 index,
        uint256 length,
        uint8 dtype
    ) private view returns (OpenedChunks memory opened) {
        uint256 elementSize = Dtype.sizeOf(dtype);
        if (elementSize == 0) revert AccessMap.UnknownDtype(dtype);
        bytes32 tensorRoot;
        (tensorRoot, opened) = TensorProof.open(opening, (length * elementSize + 31) / 32);
        (bytes32 root, uint256 count) = origin == Origin.Input
            ? (roots.inputRoot, roots.inputCount)
            : origin == Origin.Constant
                ? (roots.constantsRoot, roots.constantCount)
                : (roots.traceRoot, roots.instructionCount);
        TensorProof.requireLeaf(root, count, index, tensorRoot, opening.path);
    }

    function _sameValue(Operand memory a, Operand memory b) private pure returns (bool) {
        return a.origin == b.origin && a.index == b.index && a.dtype == b.dtype && a.length == b.length;
    }
}
