// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IKernel, IStreamingKernel, Judgement, KernelInput} from "../kernels/IKernel.sol";
import {Dtype} from "../program/Dtype.sol";
import {Family, Instruction, Operand, Origin} from "../program/Program.sol";
import {AccessMap, Gathered, Segment} from "./AccessMap.sol";
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
    address private immutable _indexed;
    address private immutable _ordering;
    address private immutable _quantised;
    address private immutable _scalar;
    address private immutable _integer;

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
    /// @notice There must be one kernel for each family.
    error KernelCount(uint256 actual, uint256 expected);

    /// @param kernels the kernel of each family, in the order of `Family`
    constructor(address[] memory kernels) {
        if (kernels.length != uint256(type(Family).max) + 1)
            revert KernelCount(kernels.length, uint256(type(Family).max) + 1);
        _contraction = _withCode(kernels[0]);
        _elementwise = _withCode(kernels[1]);
        _reduction = _withCode(kernels[2]);
        _normalization = _withCode(kernels[3]);
        _movement = _withCode(kernels[4]);
        _indexed = _withCode(kernels[5]);
        _ordering = _withCode(kernels[6]);
        _quantised = _withCode(kernels[7]);
        _scalar = _withCode(kernels[8]);
        _integer = _withCode(kernels[9]);
    }

    /// @inheritdoc IVerifier
    function judge(
        Roots calldata roots,
        ElementProof calldata proof
    ) external view returns (Judgement memory) {
        Instruction memory instruction = _instruction(roots, proof);
        Segment memory whole = Segment(0, uint64(AccessMap.boxSize(instruction.reduction)));
        KernelInput memory input = _input(roots, proof, instruction, whole);
        return IKernel(kernelOf(instruction.family)).judge(input);
    }

    /// @inheritdoc IVerifier
    function fold(
        Roots calldata roots,
        ElementProof calldata proof,
        Segment calldata segment,
        bytes calldata state
    ) external view returns (bytes memory next, bool complete, Judgement memory judgement) {
        Instruction memory instruction = _instruction(roots, proof);
        uint256 points = AccessMap.boxSize(instruction.reduction);
        AccessMap.requireInside(segment, points);
        KernelInput memory input = _input(roots, proof, instruction, segment);
        IStreamingKernel kernel = IStreamingKernel(kernelOf(instruction.family));
        next = kernel.fold(input, state);
        complete = uint256(segment.first) + segment.count == points;
        if (complete) judgement = kernel.conclude(input, next);
    }

    /// @notice The contract that judges elements of a family's instructions.
    function kernelOf(Family family) public view returns (address) {
        if (family == Family.Contraction) return _contraction;
        if (family == Family.Elementwise) return _elementwise;
        if (family == Family.Reduction) return _reduction;
        if (family == Family.Normalization) return _normalization;
        if (family == Family.Movement) return _movement;
        if (family == Family.Indexed) return _indexed;
        if (family == Family.Ordering) return _ordering;
        if (family == Family.Quantised) return _quantised;
        if (family == Family.Scalar) return _scalar;
        return _integer;
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

    /// @dev What the kernel is told: all but the reduced operands' bytes is the same for every segment.
    function _input(
        Roots calldata roots,
        ElementProof calldata proof,
        Instruction memory instruction,
        Segment memory segment
    ) private view returns (KernelInput memory input) {
        input.op = instruction.op;
        input.dtype = instruction.dtype;
        input.params = instruction.params;
        input.hint = proof.hint;
        uint256[] memory output = AccessMap.coordinatesOf(proof.element, instruction.dims);
        input.claimed = _claimed(roots, proof, instruction);
        _operands(roots, proof, instruction, output, segment, input);
    }

    /// @dev Bits of the claimed output element.
    function _claimed(
        Roots calldata roots,
        ElementProof calldata proof,
        Instruction memory instruction
    ) private view returns (uint64) {
        uint256 elementSize = Dtype.sizeOf(instruction.dtype);
        uint256 length = AccessMap.elementCount(instruction.dims);
        OpenedChunks memory opened = _open(
            roots,
            proof.output,
            Origin.Trace,
            proof.index,
            length,
            instruction.dtype
        );
        return uint64(AccessMap.elementAt(opened, proof.element, elementSize));
    }

    /// @dev Writes what the kernel is told of the operands: dense bytes, types, points that are not padding.
    function _operands(
        Roots calldata roots,
        ElementProof calldata proof,
        Instruction memory instruction,
        uint256[] memory output,
        Segment memory segment,
        KernelInput memory input
    ) private view {
        uint256 count = instruction.operands.length;
        if (proof.openingOf.length != count) revert OperandCountMismatch(proof.openingOf.length, count);
        input.dtypes = new bytes(count);
        input.operands = new bytes[](count);
        input.valid = new uint64[](count);
        Gathered[] memory gathered = new Gathered[](count);
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
            (bytes memory dense, uint256 points) = AccessMap.gather(
                operand,
                output,
                instruction.reduction,
                segment,
                opened[n],
                gathered
            );
            gathered[i] = Gathered(dense, operand.dtype, operand.reduced);
            input.dtypes[i] = bytes1(operand.dtype);
            input.operands[i] = dense;
            input.valid[i] = uint64(points); // at most AccessMap.MAX_POINTS
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
