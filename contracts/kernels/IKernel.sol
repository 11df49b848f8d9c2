// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What the contract says of one output element.
enum Verdict {
    Acceptable,
    Imprecise, // inside the provable band, outside the integrity band: the claim is void
    Fraudulent // outside the provable band: the stake is slashed
}

/// @notice A verdict with the integers it rests on, all in units of 2^scale.
/// @dev When a rule about NaN or infinities decided, exact = provable = integrity = scale = 0.
struct Judgement {
    Verdict verdict;
    int256 exact; // computed value before any activation
    uint256 provable; // half-width of the provable band
    uint256 integrity; // half-width of the integrity band
    int256 scale;
}

/// @notice Everything a kernel may look at: it knows nothing of Merkle trees, access maps or money.
struct KernelInput {
    uint8 op; // of the instruction
    uint8 dtype; // of the output element, as ONNX's TensorProto.DataType
    bytes dtypes; // of the operands, one byte each
    bytes params; // of the instruction
    uint64 claimed; // bits of the claimed output element, zero-extended
    uint64[] valid; // of each operand: points of its box that are not padding
    bytes[] operands; // dense little-endian elements, in the order of the reduction box (last axis fastest)
    bytes hint; // prover's help (Contraction: emax); may make a verdict milder, never harsher
}

/// @title Kernel
/// @notice One kernel family: pure integer arithmetic on the bytes of one output element.
interface IKernel {
    /// @notice The verdict for one output element. Reverts with a named error on malformed input.
    function judge(KernelInput calldata input) external pure returns (Judgement memory);
}

/// @title Streaming kernel
/// @notice A family whose elements can be judged piece by piece: folding all segments of the reduction box in order and
///         concluding gives the judgement of the whole box, whatever the segments are.
interface IStreamingKernel is IKernel {
    /// @notice The state after one more segment.
    /// @param part reduced operands hold the segment's points, the others their element
    /// @param state of the segments before; empty: there are none
    function fold(KernelInput calldata part, bytes calldata state) external pure returns (bytes memory);

    /// @notice The judgement from the state after the last segment.
    /// @param part the last segment's input; of its operands only those that are not reduced are read
    function conclude(
        KernelInput calldata part,
        bytes calldata state
    ) external pure returns (Judgement memory);
}
