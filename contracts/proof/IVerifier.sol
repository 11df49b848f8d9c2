// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Judgement} from "../kernels/IKernel.sol";
import {Segment} from "./AccessMap.sol";

/// @notice Chunks of one tensor, proven against the root of its origin.
/// @dev `runs` are maximal runs of chunks in ascending order, each (first chunk << 64) | chunk count, with at least
///      one chunk between two runs. `nodes` are the missing siblings level by level from the leaves, left to right.
///      `path` leads from the tensor root to the root over its origin's tensors, leaf to root.
struct Opening {
    uint128[] runs;
    bytes chunks;
    bytes nodes;
    bytes32[] path;
}

/// @notice Shows one element of one instruction's output together with all it was computed from.
struct ElementProof {
    uint32 index; // instruction
    bytes instruction; // its canonical bytes
    bytes32[] instructionPath; // SHA-256(instruction) to the instructions root, leaf to root
    uint64 element; // flat index into the output, stored order
    Opening output;
    Opening[] openings;
    uint8[] openingOf; // operand i reads from openings[openingOf[i]]
    bytes hint;
}

/// @notice Roots and tree sizes that a proof is checked against; all from the program, the claim and its trace.
struct Roots {
    bytes32 instructionsRoot;
    uint32 instructionCount;
    bytes32 constantsRoot;
    uint32 constantCount;
    bytes32 inputRoot;
    uint32 inputCount;
    bytes32 traceRoot;
}

/// @title Verifier
/// @notice Checks an element proof's openings and has the instruction's kernel judge the element.
interface IVerifier {
    /// @notice The verdict on the element that `proof` shows. Reverts with a named error when an opening is malformed
    ///         or does not belong to `roots`.
    function judge(
        Roots calldata roots,
        ElementProof calldata proof
    ) external view returns (Judgement memory);

    /// @notice One step of a judgement too long for one transaction: folds a segment of the reduction box into the
    ///         kernel's state. Segments follow each other from point 0; the caller keeps the state between them.
    /// @param proof as for {judge}, but its openings show only what the segment reads
    /// @param state what the step before returned; empty for the first
    /// @return next the state after this segment
    /// @return complete whether the segment ends the box; only then `judgement` is set
    function fold(
        Roots calldata roots,
        ElementProof calldata proof,
        Segment calldata segment,
        bytes calldata state
    ) external view returns (bytes memory next, bool complete, Judgement memory judgement);
}
