// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {Order, Receipt} from "./Orders.sol";

/// @notice How a demand for a receipt's claim stands.
enum InclusionStatus {
    None,
    Open, // the executor has until answerEnd
    Answered,
    Missing, // not answered; the executor has no unlocked stake to slash, yet
    Slashed
}

/// @notice A demand for a receipt's claim. Amounts in token units, frozen when it is made.
struct Inclusion {
    address filer;
    uint64 answerEnd;
    InclusionStatus status;
    uint128 compensation;
    uint128 burned;
}

/// @notice Fixed at deployment, in seconds.
struct ReceiptRules {
    uint32 claimDelay;
    uint32 filingWindow;
    uint32 inclusionWindow;
}

/// @title What an executor's receipt is worth: faults that no fraud proof is needed for
/// @notice A receipt says that a claim of its order, with its output, is posted before `claimBy`. From then on, and for
///         `filingWindow`, anyone may demand the claim (`forceInclude`, against a bond). The executor has `inclusionWindow` to
///         show it in a batch, or to post it now and show it; then the bond is its, or goes back when the batch came after
///         the demand. Without an answer the executor loses a claim's collateral. Two different outputs for one order,
///         each by receipt or in a posted batch, cost the same, at once.
/// @dev These faults have no locked collateral: they are slashed from free or withdrawing stake, as soon as there is
///      enough. Stake takes longer to leave (the withdrawal delay, checked when the StakeManager is wired) than a receipt
///      takes from `claimBy - claimDelay` to its slash, so stake that was not already leaving when a receipt was
///      signed stands for it; stake in batches comes free before it can leave. All that is taken and not burned is the
///      requester's, so there is nothing to gain by sending another's evidence first.
///      P1: each fault needs the executor's signature under a receipt (and its own batch, or a second receipt), so an
///      executor that signs one receipt per order and posts what it signed is out of reach, whatever requesters sign. A
///      demand is answered with a batch of any age, so being late alone costs nothing.
///      The StakeManager knows this contract as a market that is its own referee: it takes bonds and slashes, and its
///      longestClaimLife is what the withdrawal delay is checked against.
interface IReceiptFaults {
    /// @notice Somebody wants to see the claim of a receipt; the executor answers before `answerEnd`.
    event InclusionDemanded(
        bytes32 indexed receiptHash,
        address indexed executor,
        address indexed filer,
        Order order,
        Receipt receipt,
        uint256 bond,
        uint64 answerEnd
    );
    /// @notice The claim of a demanded receipt was shown in a batch; the bond is paid back or away.
    /// @param bondTo the executor, or the filer when the batch came after the demand
    event InclusionAnswered(
        bytes32 indexed receiptHash,
        bytes32 indexed batchId,
        uint256 index,
        address bondTo
    );
    /// @notice A demand was not answered in time.
    event InclusionMissed(bytes32 indexed receiptHash, address indexed executor);
    /// @notice An executor paid for a receipt that it did not keep. Once per order.
    event ReceiptSlashed(
        bytes32 indexed orderHash,
        address indexed executor,
        address indexed requester,
        uint256 compensation,
        uint256 burned
    );

    /// @notice The receipt is for another order.
    error WrongOrder(bytes32 expected, bytes32 actual);
    error InvalidReceipt(address executor, bytes32 receiptHash);
    error ClaimNotDue(uint256 time, uint256 claimBy);
    error FilingWindowOver(uint256 time, uint256 filingEnd);
    error InclusionAlreadyDemanded(bytes32 receiptHash, InclusionStatus status);
    error InclusionNotOpen(bytes32 receiptHash, InclusionStatus status);
    error InclusionWindowOver(uint256 time, uint256 answerEnd);
    error InclusionWindowOpen(uint256 time, uint256 answerEnd);
    /// @notice The entry is not what the receipt promised.
    error EntryMismatch(bytes32 receiptHash);
    error AlreadySlashed(bytes32 orderHash);
    /// @notice Both say the same: no fault.
    error SameOutput(bytes32 outputRoot);

    /// @notice Demands the claim of a receipt, from claimBy on and for filingWindow; pulls the challenge bond from the
    ///         caller (who has approved the StakeManager).
    /// @param signature the executor's under the receipt (ECDSA or EIP-1271)
    function forceInclude(Order calldata order, Receipt calldata receipt, bytes calldata signature) external;

    /// @notice Shows the claim of a demanded receipt in a batch of its executor; anyone may call.
    function answerInclusion(
        Order calldata order,
        Receipt calldata receipt,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external;

    /// @notice Ends a demand without an answer: the bond goes back, and the executor is slashed as soon as it has enough
    ///         unlocked stake; until then this can be called again.
    function settleMissing(Order calldata order, Receipt calldata receipt) external;

    /// @notice Slashes the signer of two receipts that promise different outputs of one order.
    function proveTwoReceipts(
        Order calldata order,
        Receipt calldata first,
        bytes calldata firstSignature,
        Receipt calldata second,
        bytes calldata secondSignature
    ) external;

    /// @notice Slashes an executor whose batch has another output for an order than its receipt.
    function proveReceiptBroken(
        Order calldata order,
        Receipt calldata receipt,
        bytes calldata signature,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external;

    /// @notice A demand by the receipt's digest.
    function inclusionOf(bytes32 receiptHash) external view returns (Inclusion memory);

    /// @notice Whether an executor was slashed for a receipt of this order.
    function receiptSlashed(bytes32 orderHash) external view returns (bool);

    /// @notice The EIP-712 digest of an order.
    function orderHashOf(Order calldata order) external view returns (bytes32);

    /// @notice The EIP-712 digest of a receipt.
    function receiptHashOf(Receipt calldata receipt) external view returns (bytes32);

    /// @notice The BatchMarket whose orders and batches these are; the EIP-712 domain is its.
    function batchMarket() external view returns (address);

    /// @notice Who holds all tokens and keeps the ledger.
    function stakeManager() external view returns (address);

    /// @notice This contract: for the StakeManager it is a market, and that market's referee.
    function market() external view returns (address);

    /// @notice Seconds that stake must stay for a receipt: claimDelay, filingWindow, inclusionWindow and an hour to settle.
    function longestClaimLife() external view returns (uint256);

    /// @notice Most seconds from its signature to claimBy for which a receipt is backed as said above. Requesters refuse
    ///         receipts with a later claimBy.
    function claimDelay() external view returns (uint256);

    /// @notice Seconds from claimBy in which a claim can be demanded.
    function filingWindow() external view returns (uint256);

    /// @notice Seconds that the executor has to answer a demand.
    function inclusionWindow() external view returns (uint256);
}
