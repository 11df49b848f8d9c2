// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ClaimState, Phase} from "./ClaimLife.sol";
import {Terms} from "./Terms.sol";

/// @notice The executor's signed statement: this program on this input gave this output.
/// @dev EIP-712 type `Claim(bytes32 requestId,bytes32 programRoot,bytes32 inputRoot,bytes32 outputRoot,bytes32 traceRoot,
///      address executor)` in the domain {name "Assay", version "1", chainId, verifyingContract: the market that holds it}.
struct Claim {
    bytes32 requestId;
    bytes32 programRoot;
    bytes32 inputRoot;
    bytes32 outputRoot; // over the tensor roots of the outputs; may honestly be 0 (one output, ≤ 32 bytes, all zero)
    bytes32 traceRoot; // 0: lazy, the trace is revealed on a challenge; else: eager
    address executor;
}

/// @title The claims of a market: all that a Referee knows of it
/// @notice Life of a claim made at t0 (phases in ClaimLife.sol):
///         - Open until challengeEnd = t0 + challengeWindow; unchallenged, it is then Finalisable.
///         - A challenge of a lazy claim gives the executor revealWindow to reveal the trace root, else it is slashed.
///         - The trace known (eager: from t0), anyone may prove until proofEnd = max(challengeEnd, known + proofWindow);
///           then the claim is Finalisable, or Voidable when an imprecise element was proven.
///         - Data demanded of it (DataDemands.sol) puts challengeEnd off once, by 2 answerWindow, and proofEnd once, by
///           answerWindow + proofWindow. Data may be demanded until the ends as they were before. A claim of which a
///           demand is overdue can be slashed at once, and is Withheld, never Finalisable, at its end.
///         Worst case, a claim is ready to be settled challengeWindow + revealWindow + 2 proofWindow + 3 answerWindow
///         after t0. Every
///         settlement is permissionless (INVARIANT I8), happens once (INVARIANT I4) and moves no tokens: it credits
///         payouts that are pulled from the StakeManager.
/// @dev How claims come in, and what their ends pay besides collateral and bonds, is the market's: InferenceMarket has
///      requests on-chain with escrow, BatchMarket orders signed off-chain.
interface IClaimBook {
    /// @notice A claim is on record; it can be challenged until `challengeEnd`.
    /// @param proofEnd of an eager claim; 0 for a lazy one
    /// @param outputs the outputs' stored bytes, one after the other; their root is outputRoot unless empty
    event ClaimPosted(
        bytes32 indexed claimId,
        bytes32 indexed requestId,
        address indexed executor,
        bytes32 programRoot,
        bytes32 inputRoot,
        bytes32 outputRoot,
        bytes32 traceRoot,
        uint16 termsId,
        uint64 challengeEnd,
        uint64 proofEnd,
        bytes outputs
    );
    /// @notice A claim stood: fee and bonds to the executor, royalty to the model's owner.
    /// @param bonds failed challengers' bonds, paid to the executor on top of the fee
    event ClaimFinalised(
        bytes32 indexed claimId,
        bytes32 indexed requestId,
        address indexed executor,
        uint256 fee,
        uint256 bonds,
        address royaltyTo,
        uint256 royalty
    );
    /// @notice A claim had an imprecise element: nobody earns, no stake is lost.
    /// @param cost what the prover got out of the fee
    event ClaimVoided(
        bytes32 indexed claimId,
        bytes32 indexed requestId,
        address indexed prover,
        uint256 cost,
        address requester,
        uint256 refund
    );
    /// @notice A claim was wrong, or its trace was not revealed: the collateral is gone.
    /// @param beneficiary the prover, or the first challenger of a trace that was not revealed
    event ClaimSlashed(
        bytes32 indexed claimId,
        bytes32 indexed requestId,
        address indexed executor,
        address beneficiary,
        uint256 bounty,
        address requester,
        uint256 compensation,
        uint256 refund,
        uint256 burned
    );

    /// @notice Requests (orders) from now on are under these terms; those that exist keep theirs.
    event TermsAppended(uint16 indexed termsId, Terms terms);

    error ZeroAddress();
    error NotReferee(address caller);
    error UnknownTerms(uint16 termsId);
    /// @notice Claims under these terms could live as long as a withdrawal takes.
    error ClaimLifeTooLong(uint256 longest, uint256 withdrawalDelay);
    error TooManyTerms();
    error UnknownClaim(bytes32 claimId);
    /// @notice The claim is in `phase`, in which this cannot be done.
    error WrongPhase(bytes32 claimId, Phase phase);
    /// @notice The challenge window is over (though proofs may still be).
    error ChallengeWindowOver(bytes32 claimId, uint256 time, uint256 challengeEnd);
    error AlreadyImprecise(bytes32 claimId, address prover);
    /// @notice Data can no longer be demanded (though what was demanded may still be owed).
    error DemandWindowOver(bytes32 claimId, uint256 time, uint256 demandEnd);

    // --- anyone ---

    /// @notice Ends a Finalisable claim: fee and failed bonds to the executor, royalty to the model's owner, collateral
    ///         unlocked; then calls the consumer back, if the market
    ///         has one to call.
    function finalise(bytes32 claimId) external;

    // --- governance ---

    /// @notice Appends terms for what comes later; governance only. Bounded by TermsLib.validateAfter and the withdrawal
    ///         delay. Existing requests, claims and their terms stay as they are.
    function appendTerms(Terms calldata next) external returns (uint16 termsId);

    // --- referee ---

    /// @notice Records a challenge in time; starts the reveal window of a lazy claim at its first one.
    /// @return bond to be taken from the challenger
    /// @return revealEnd 0 when no reveal is owed
    function recordChallenge(
        bytes32 claimId,
        address challenger
    ) external returns (uint256 bond, uint64 revealEnd);

    /// @notice Records the trace root of an AwaitingReveal claim; starts the proof window.
    function recordTrace(bytes32 claimId, bytes32 traceRoot) external returns (uint64 proofEnd);

    /// @notice Records that an imprecise element of a Provable claim was proven. The claim stays Provable, so that its
    ///         executor cannot escape a slash by proving something milder itself; it is void from proofEnd on.
    function recordImprecision(bytes32 claimId, address prover) external;

    /// @notice Records a demand of data of a claim in time; the first one before a challenge puts challengeEnd off, the
    ///         first one with the trace known proofEnd, each once (ClaimLife.demandEndOf).
    /// @param ofTrace only a known trace can be shown
    /// @return answerBy the demand must be answered before it
    function recordDemand(bytes32 claimId, bool ofTrace) external returns (uint64 answerBy);

    /// @notice Records that a demand was answered in time.
    function recordAnswer(bytes32 claimId) external;

    /// @notice Slashes a claim, in whatever phase before its settlement, of which a demand is overdue (which the referee has
    ///         checked); the bounty goes to the demander.
    function settleWithheld(bytes32 claimId, address demander) external;

    /// @notice Slashes a Provable claim (bounty to `prover`), or an Unrevealed one (bounty to its first challenger,
    ///         `prover` is 0).
    function settleSlashed(bytes32 claimId, address prover) external;

    /// @notice Voids a Voidable claim: collateral unlocked, the prover's cost out of the fee, the rest to the requester.
    function settleVoided(bytes32 claimId) external;

    // --- views ---

    /// @notice The phase at the current block time; Unknown when there is no such claim.
    function phaseOf(bytes32 claimId) external view returns (Phase);

    /// @notice A claim's state; reverts with UnknownClaim.
    function claimOf(bytes32 claimId) external view returns (ClaimState memory);

    /// @notice The program and the input that a claim is about; reverts with UnknownClaim.
    function subjectOf(bytes32 claimId) external view returns (bytes32 programRoot, bytes32 inputRoot);

    /// @notice The terms that what comes in now gets.
    function terms() external view returns (Terms memory);

    /// @notice The terms that a claim was made under.
    function termsOf(bytes32 claimId) external view returns (Terms memory);

    /// @notice Terms by id. The list only ever grows, so an id in a claim freezes its terms.
    function termsById(uint16 termsId) external view returns (Terms memory);

    /// @notice The longest that a claim can take to be ready for settlement, in seconds.
    function longestClaimLife() external view returns (uint256);

    /// @notice The EIP-712 digest of a claim, which is its id.
    function claimIdOf(Claim calldata claim) external view returns (bytes32);

    /// @notice Who holds all tokens and keeps the ledger.
    function stakeManager() external view returns (address);

    /// @notice Which programs and models there are.
    function modelRegistry() external view returns (address);
}
