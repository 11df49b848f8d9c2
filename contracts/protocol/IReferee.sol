// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Verdict} from "../kernels/IKernel.sol";
import {Segment} from "../proof/AccessMap.sol";
import {ElementProof, Opening} from "../proof/IVerifier.sol";
import {Phase} from "./ClaimLife.sol";
import {IDataDemands} from "./IDataDemands.sol";

/// @notice Shows that an output of the claim is not the value that its trace has for it.
/// @dev Tree depths come from the program, so a path has exactly that many nodes (leaf to root).
struct OutputProof {
    uint32 output; // number of the program's output
    bytes32 claimedRoot; // tensor root of it in the claim's output root
    bytes32[] claimedPath;
    bytes32 tracedRoot; // tensor root of the instruction that writes it in the trace root
    bytes32[] tracedPath;
}

/// @notice Shows one element of an output that has a tolerance, in the claim and in its trace.
struct OutputElementProof {
    uint32 output; // number of the program's output
    uint64 element; // flat index in stored order
    Opening claimed; // of the output; its path leads to the claim's output root
    Opening traced; // of the value of the instruction that writes it; its path leads to the trace root
}

/// @title Disputes about claims
/// @notice Anybody may challenge, commit and prove, in parallel; there is no slot to squat. A bond is needed to challenge
///         (it makes the executor reveal), not to prove. To prove: commit to
///         keccak256(abi.encode(claimId, prover, salt, keccak256(abi.encode(proof)))) once the trace is known, and send
///         the proof in a later second. The commitment binds prover and proof, so that copying either earns nothing.
///         A proof that shows nothing wrong reverts and changes nothing (INVARIANT I7).
/// @dev Phases and deadlines are the market's (ClaimLife.sol); a call in the wrong phase reverts with its WrongPhase.
interface IReferee is IDataDemands {
    /// @notice A challenger bonded against a claim.
    /// @param revealEnd by when the executor owes the trace; 0 when the trace is known
    event Challenged(bytes32 indexed claimId, address indexed challenger, uint256 bond, uint64 revealEnd);
    /// @notice The executor committed to its trace; proofs are possible until `proofEnd`.
    event TraceRevealed(
        bytes32 indexed claimId,
        address indexed executor,
        bytes32 traceRoot,
        string uri,
        uint64 proofEnd
    );
    /// @notice A prover announced a proof without showing it.
    event ProofCommitted(bytes32 indexed claimId, address indexed prover, bytes32 commitment);
    /// @notice A wrong element was proven. `exact`, `provable` and `integrity` are in units of 2^scale.
    /// @param claimed bits of the element in the trace
    event ElementJudged(
        bytes32 indexed claimId,
        address indexed prover,
        Verdict verdict,
        uint32 instruction,
        uint64 element,
        uint64 claimed,
        int256 exact,
        uint256 provable,
        uint256 integrity,
        int256 scale
    );
    /// @notice A step of a proof in several transactions: points [0, done) of the element's reduction box are folded in.
    /// @param state what the next step continues from
    event ProofAdvanced(
        bytes32 indexed claimId,
        address indexed prover,
        uint32 instruction,
        uint64 element,
        uint64 done,
        bytes state
    );
    /// @notice An output that differs from the trace was proven.
    event OutputJudged(
        bytes32 indexed claimId,
        address indexed prover,
        uint32 output,
        uint32 instruction,
        bytes32 claimedRoot,
        bytes32 tracedRoot
    );
    /// @notice An element of an output that has a tolerance was shown to differ from the trace by more.
    /// @param claimed, traced bits of the element
    event OutputElementJudged(
        bytes32 indexed claimId,
        address indexed prover,
        Verdict verdict,
        uint32 output,
        uint64 element,
        uint32 claimed,
        uint32 traced
    );
    /// @notice A bond in a voided or slashed claim became payable to its challenger.
    event BondReturned(bytes32 indexed claimId, address indexed challenger, uint256 amount);

    error ZeroAddress();
    /// @notice The market's registry has programs published against other versions.
    error ForeignKernelVersions(address kernelVersions);
    error NotExecutor(bytes32 claimId, address caller);
    error UnknownClaim(bytes32 claimId);
    /// @notice The claim is in `phase`, in which this cannot be done.
    error WrongPhase(bytes32 claimId, Phase phase);
    error AlreadyCommitted(address prover, bytes32 commitment);
    /// @notice The caller has not committed to this proof with this salt.
    error NotCommitted(address prover, bytes32 commitment);
    /// @notice The commitment was made in this very second; wait for the next block.
    error CommitmentTooYoung(uint256 committedAt, uint256 time);
    /// @notice The segment does not begin where the caller's proof of this element stands.
    error SegmentOutOfOrder(uint64 first, uint64 done);
    /// @notice The state is not the one that the caller's last step ended with.
    error StateMismatch(bytes32 expected, bytes32 actual);
    /// @notice The element is within its bands: there is nothing to settle.
    error ElementAcceptable(uint32 instruction, uint64 element);
    error UnknownOutput(uint32 output, uint32 outputCount);
    error PathLengthMismatch(uint256 length, uint256 expected);
    /// @notice A path does not lead to the claim's root.
    error RootMismatch(bytes32 expected, bytes32 actual);
    /// @notice The output is the trace's value: there is nothing to settle.
    error OutputMatches(uint32 output);
    /// @notice The output has a tolerance: {proveOutputElement} shows where it is exceeded.
    error OutputTolerant(uint32 output);
    /// @notice The output has no tolerance: {proveOutput} shows that it differs.
    error OutputExact(uint32 output);
    error OutputElementOutOfRange(uint64 element, uint256 count);
    /// @notice The element is within its tolerance: there is nothing to settle.
    error OutputElementAcceptable(uint32 output, uint64 element);

    /// @notice Challenges a claim while now < challengeEnd; pulls the bond from the caller (who has approved the
    ///         StakeManager). The bond comes back unless the claim is finalised; then it is the executor's.
    function challenge(bytes32 claimId) external;

    /// @notice Answers the challenge of a lazy claim while now < revealEnd; only its executor.
    /// @param uri where challengers find the trace
    function revealTrace(bytes32 claimId, bytes32 traceRoot, string calldata uri) external;

    /// @notice Commits the caller to a proof of a Provable claim.
    function commitProof(bytes32 claimId, bytes32 commitment) external;

    /// @notice Proves one element wrong. Fraudulent: the claim is slashed at once. Imprecise: it is void from proofEnd on,
    ///         unless somebody proves worse before.
    function proveElement(bytes32 claimId, bytes32 salt, ElementProof calldata proof) external;

    /// @notice One step of a proof that is too long for one transaction. The first step needs the caller's commitment to
    ///         {elementHash} (not to the whole proof, whose first step shows what is proven); the steps after it only the
    ///         caller can take, in as many transactions and with as many pauses as it likes while the claim is
    ///         Provable. The last step settles as {proveElement} does. Who sees a first step and copies it gets nothing
    ///         while the first prover goes on: until a quarter of the proof window has passed since the first step of all, a
    ///         verdict on this element pays the one who committed to it first.
    /// @param segment points of the reduction box; begins where the caller's step before ended, or at 0 to begin anew
    /// @param state what that step's ProofAdvanced says; empty for the first
    function proveSegment(
        bytes32 claimId,
        bytes32 salt,
        ElementProof calldata proof,
        Segment calldata segment,
        bytes calldata state
    ) external;

    /// @notice Proves that an output without a tolerance differs from the trace; the claim is slashed at once.
    function proveOutput(bytes32 claimId, bytes32 salt, OutputProof calldata proof) external;

    /// @notice Proves that one element of an output with a tolerance is further from the trace's. Up to 16 tolerances away
    ///         the claim is void from proofEnd on, as for an imprecise element; beyond, it is slashed at once.
    function proveOutputElement(bytes32 claimId, bytes32 salt, OutputElementProof calldata proof) external;

    /// @notice Slashes a challenged claim whose trace was not revealed by revealEnd; the first challenger gets the bounty.
    function settleUnrevealed(bytes32 claimId) external;

    /// @notice Voids a claim of which an imprecise element, but no fraudulent one, was proven by proofEnd.
    function settleImprecise(bytes32 claimId) external;

    /// @notice Credits a challenger's bond back once the claim is slashed or voided; anyone may call.
    function reclaimBond(bytes32 claimId, address challenger) external;

    /// @notice When `prover` made a commitment, 0 if never.
    function committedAt(address prover, bytes32 commitment) external view returns (uint64);

    /// @notice How far `prover` is with its proof in several steps of an element.
    /// @return done points folded in so far
    /// @return stateHash keccak256 of the state to continue with
    function progressOf(
        bytes32 claimId,
        address prover,
        uint32 instruction,
        uint64 element
    ) external view returns (uint64 done, bytes32 stateHash);

    /// @notice The market (an IClaimBook) whose claims are judged.
    function market() external view returns (address);

    /// @notice The market's StakeManager, which takes the bonds.
    function stakeManager() external view returns (address);

    /// @notice The market's ModelRegistry, which knows the programs.
    function modelRegistry() external view returns (address);

    /// @notice The verifiers by version; a program's header says which judges it.
    function kernelVersions() external view returns (address);

    /// @notice What a proof in several steps commits to: keccak256(abi.encode(instruction, element)).
    function elementHash(uint32 instruction, uint64 element) external pure returns (bytes32);

    /// @notice The commitment that `prover` needs for a proof whose abi.encode hashes to `proofHash`.
    function commitmentOf(
        bytes32 claimId,
        address prover,
        bytes32 salt,
        bytes32 proofHash
    ) external pure returns (bytes32);
}
