// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ClaimState, Phase} from "./ClaimLife.sol";
import {Terms} from "./Terms.sol";

/// @notice How a request stands.
enum RequestStatus {
    None, // no such request
    Open, // waits for a claim
    Claimed, // has a claim that is not settled
    Fulfilled, // its claim was finalised
    Refunded, // its claim was voided or slashed
    Expired // never answered, refunded
}

/// @notice What a requester asks for. Amounts in token units, times in seconds of block time.
struct RequestParams {
    bytes32 modelId;
    bytes32 programRoot; // one of the model's versions
    bytes32 inputRoot; // over the tensor roots of the inputs
    bytes inputs; // the inputs' stored bytes, one after the other; checked against inputRoot. Empty: see inputsUri
    string inputsUri; // where the inputs are; needed when `inputs` is empty
    uint128 fee; // to the executor
    uint128 maxRoyalty; // the request reverts when the owner asks for more
    address executor; // who must answer; 0: anyone
    uint64 deadline; // a claim must come before it
    bool outputsInline; // true: a claim must carry the output bytes
    address callback; // IInferenceConsumer told of the result; 0: nobody
    uint32 callbackGas; // gas for the callback, given whole
}

/// @notice A request as the market stores it.
struct Request {
    address requester;
    uint64 deadline;
    RequestStatus status;
    bool outputsInline;
    bytes32 programRoot;
    bytes32 inputRoot;
    address executor; // designated; 0: anyone
    address royaltyTo; // the model's owner when the request was made
    uint128 fee;
    uint128 royalty;
    address callback;
    uint32 callbackGas;
    bytes32 claimId; // 0 until claimed
}

/// @notice The executor's signed statement: this program on this input gave this output.
/// @dev EIP-712 type `Claim(bytes32 requestId,bytes32 programRoot,bytes32 inputRoot,bytes32 outputRoot,bytes32 traceRoot,
///      address executor)` in the domain {name "Assay", version "1", chainId, verifyingContract: the market}.
struct Claim {
    bytes32 requestId;
    bytes32 programRoot;
    bytes32 inputRoot;
    bytes32 outputRoot; // over the tensor roots of the outputs; may honestly be 0 (one output, ≤ 32 bytes, all zero)
    bytes32 traceRoot; // 0: lazy, the trace is revealed on a challenge; else: eager
    address executor;
}

/// @title Requests, claims and their settlement
/// @notice Life of a claim made at t0 (phases in ClaimLife.sol):
///         - Open until challengeEnd = t0 + challengeWindow; unchallenged, it is then Finalisable.
///         - A challenge of a lazy claim gives the executor revealWindow to reveal the trace root, else it is slashed.
///         - The trace known (eager: from t0), anyone may prove until proofEnd = max(challengeEnd, known + proofWindow);
///           then the claim is Finalisable, or Voidable when an imprecise element was proven.
///         Worst case, a claim is ready to be settled challengeWindow + revealWindow + proofWindow after t0; a request
///         without a claim at its deadline. Every settlement is permissionless (INVARIANT I8), happens once (INVARIANT I4)
///         and moves no tokens: it credits payouts that are pulled from the StakeManager.
/// @dev Known limits: an executor may see another's claim for an open request in the mempool and sign the same output
///      (name an executor to prevent it); what an executor withholds of a revealed trace cannot be demanded on-chain yet.
interface IInferenceMarket {
    /// @notice A request came in, its terms for the executor; see InferenceRequested for the input.
    event RequestMade(
        bytes32 indexed requestId,
        bytes32 indexed modelId,
        address indexed requester,
        bytes32 programRoot,
        bytes32 inputRoot,
        address executor,
        uint128 fee,
        address royaltyTo,
        uint128 royalty,
        uint64 deadline,
        bool outputsInline
    );
    /// @notice With RequestMade, what an executor and a challenger need to run the request.
    event InferenceRequested(
        bytes32 indexed requestId,
        bytes32 indexed programRoot,
        bytes32 inputRoot,
        bytes inputs,
        string inputsUri
    );
    /// @notice A request without a claim was refunded.
    event RequestExpired(bytes32 indexed requestId, address indexed requester, uint256 refund);

    /// @notice A request was answered; the claim can be challenged until `challengeEnd`.
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
    /// @notice The consumer's callback ran out of the gas it asked for, or reverted. The claim is final all the same.
    event CallbackFailed(bytes32 indexed requestId, address indexed callback);

    error ZeroAddress();
    error CallbackGasCapOutOfRange(uint256 cap, uint256 max);
    error NotReferee(address caller);

    error RoyaltyAboveMax(uint256 royalty, uint256 maxRoyalty);
    error DeadlineOutOfRange(uint256 deadline, uint256 min, uint256 max);
    /// @notice Neither bytes nor a URI: nobody could run, or check, the request.
    error InputsMissing();
    /// @notice The bytes are not those that the input root commits to.
    error InputsMismatch(bytes32 inputRoot, bytes32 actual);
    error CallbackGasAboveCap(uint256 gas, uint256 cap);
    /// @notice A callback without gas, gas without a callback, or a callback to a contract of the protocol.
    error CallbackRefused(address callback);

    error UnknownRequest(bytes32 requestId);
    error RequestNotOpen(bytes32 requestId, RequestStatus status);
    error DeadlinePassed(uint256 time, uint256 deadline);
    error DeadlineNotReached(uint256 time, uint256 deadline);
    error WrongProgram(bytes32 expected, bytes32 actual);
    error WrongInput(bytes32 expected, bytes32 actual);
    error WrongExecutor(address expected, address actual);
    error InvalidSignature(address executor, bytes32 claimId);
    /// @notice The request wants the output bytes in the claim.
    error OutputsMissing();
    /// @notice The bytes are not those that the output root commits to.
    error OutputsMismatch(bytes32 outputRoot, bytes32 actual);

    error UnknownTerms(uint16 termsId);
    error UnknownClaim(bytes32 claimId);
    /// @notice The claim is in `phase`, in which this cannot be done.
    error WrongPhase(bytes32 claimId, Phase phase);
    /// @notice The challenge window is over (though proofs may still be).
    error ChallengeWindowOver(bytes32 claimId, uint256 time, uint256 challengeEnd);
    error AlreadyImprecise(bytes32 claimId, address prover);
    /// @notice The transaction has too little gas left to give the callback what it was promised; call again with more.
    error InsufficientCallbackGas(uint256 available, uint256 needed);

    // --- anyone ---

    /// @notice Asks for an inference; pulls fee and royalty from the caller (who has approved the StakeManager).
    /// @return requestId hash of chain, market, caller, the caller's nonce and the request: a reorg cannot give the id to
    ///         another request
    function request(RequestParams calldata params) external returns (bytes32 requestId);

    /// @notice Posts a claim that `claim.executor` has signed (ECDSA or EIP-1271); locks the collateral.
    /// @param outputs the outputs' stored bytes, one after the other; checked against the output root. May be empty unless
    ///        the request wants them inline.
    /// @return claimId the EIP-712 digest
    function postClaim(
        Claim calldata claim,
        bytes calldata signature,
        bytes calldata outputs
    ) external returns (bytes32 claimId);

    /// @notice Ends a Finalisable claim: fee and failed bonds to the executor, royalty to the model's owner, collateral
    ///         unlocked; then calls the consumer back.
    function finalise(bytes32 claimId) external;

    /// @notice Refunds a request that has no claim at its deadline.
    function expire(bytes32 requestId) external;

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

    /// @notice A request; reverts with UnknownRequest.
    function requestOf(bytes32 requestId) external view returns (Request memory);

    /// @notice The terms that a claim posted now gets.
    function terms() external view returns (Terms memory);

    /// @notice The terms that a claim was made under.
    function termsOf(bytes32 claimId) external view returns (Terms memory);

    /// @notice Terms by id. The list only ever grows, so an id in a claim freezes its terms.
    function termsById(uint16 termsId) external view returns (Terms memory);

    /// @notice The longest that a claim can take to be ready for settlement, in seconds.
    function longestClaimLife() external view returns (uint256);

    /// @notice Most gas a callback may ask for.
    function callbackGasCap() external view returns (uint256);

    /// @notice The EIP-712 digest of a claim, which is its id.
    function claimIdOf(Claim calldata claim) external view returns (bytes32);

    /// @notice The id that `requester`'s next request with these parameters will get.
    function requestIdOf(address requester, RequestParams calldata params) external view returns (bytes32);

    /// @notice Who holds all tokens and keeps the ledger.
    function stakeManager() external view returns (address);

    /// @notice Which programs and models there are.
    function modelRegistry() external view returns (address);
}
