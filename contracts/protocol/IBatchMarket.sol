// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IPaymentChannels} from "./IPaymentChannels.sol";

/// @notice A batch as the market stores it, in one word; the header is its id's preimage.
struct BatchState {
    address executor; // 0: no such batch
    uint40 challengeEnd;
    uint16 termsId; // see IClaimBook.termsById
    uint16 count;
    uint16 opened; // entries that are claims of their own now
    bool finalised;
}

/// @notice Fixed at deployment.
struct BatchRules {
    uint32 closeDelay; // seconds, see IPaymentChannels
    uint64 priceUnit; // token units of one unit of an entry's price
}

/// @title Off-chain orders, on-chain accountability: batches of claims
/// @notice An executor posts the claims of many receipts as one batch, whose data is in EIP-4844 blobs or in calldata and
///         is all that the batch is. The collateral of every entry is locked at once. Until `challengeEnd` anyone may open
///         an entry: it then is a claim like any other, to be challenged, voided, slashed or finalised one by one through
///         this market's Referee. What nobody opened becomes final together with its batch.
/// @dev A batch is what one transaction carries; larger ones are several batches, finalised in one call. Claims of batches
///      are lazy. The same claim twice (one order, one output) is one claim: it is opened once, and a batch's entry is
///      final only if that claim, where it was opened, stood.
interface IBatchMarket is IClaimBook, IPaymentChannels {
    /// @notice A batch was posted; its entries can be opened and challenged until `challengeEnd`.
    event BatchPosted(
        bytes32 indexed batchId,
        address indexed executor,
        BatchHeader header,
        uint16 termsId,
        uint64 challengeEnd
    );
    /// @notice The entries of a calldata batch, 124 bytes each: what blobs are to a blob batch.
    event BatchDataPublished(bytes32 indexed batchId, bytes data);
    /// @notice An entry became a claim of its own; ClaimPosted has the rest.
    event ClaimOpened(
        bytes32 indexed batchId,
        bytes32 indexed claimId,
        uint256 index,
        address requester,
        uint256 price
    );
    /// @notice All entries of a batch that were not opened are final.
    event BatchFinalised(bytes32 indexed batchId, address indexed executor, uint256 entries);

    error PriceUnitOutOfRange(uint256 priceUnit, uint256 max);
    error EmptyBatch();
    error BatchExists(bytes32 batchId);
    error UnknownBatch(bytes32 batchId);
    error InvalidBatchSignature(address executor, bytes32 batchId);
    /// @notice Blobs and a data root, or neither, or not as many blobs as the entries need.
    error WrongBatchForm(uint256 blobs, uint256 expected);
    /// @notice The transaction does not carry this blob at this place.
    error BlobMissing(uint256 place, bytes32 expected, bytes32 actual);
    /// @notice Blobs are pruned after 18 days: an entry must be openable for its whole window, with days to spare.
    error WindowOutlivesBlobs(uint256 challengeWindow, uint256 max);
    /// @notice An entry names a program that its header does not have.
    error ProgramOutOfRange(uint256 program, uint256 count);
    error OpeningWindowOver(bytes32 batchId, uint256 time, uint256 challengeEnd);
    error AlreadyOpened(bytes32 claimId);
    error BatchNotFinalisable(bytes32 batchId, uint256 time, uint256 challengeEnd);
    error AlreadyFinalised(bytes32 batchId);
    /// @notice The batch is not final, or the entry was opened and its claim did not stand (yet).
    error NotFinal(bytes32 batchId, bytes32 claimId);

    /// @notice Posts a batch whose entries are in this transaction's blobs; locks count × collateral.
    /// @param firstBlob place of the batch's first blob in the transaction
    /// @param signature the executor's under the header (its EIP-712 digest); empty when the executor sends this itself
    function postBatch(
        BatchHeader calldata header,
        uint256 firstBlob,
        bytes calldata signature
    ) external returns (bytes32 batchId);

    /// @notice Posts a batch whose entries are `data`, 124 bytes each; the header's dataRoot must be their root.
    function postBatchInCalldata(
        BatchHeader calldata header,
        bytes calldata data,
        bytes calldata signature
    ) external returns (bytes32 batchId);

    /// @notice Makes an entry a claim of its own, while now < challengeEnd; anyone may.
    /// @param opening see BatchData.requireMember
    function openClaim(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external returns (bytes32 claimId);

    /// @notice Finalises batches whose windows are over: unlocks the collateral of what was not opened.
    function finaliseBatches(bytes32[] calldata batchIds) external;

    /// @notice For consumers: reverts unless the entry is in the batch and final. Its claim's outputRoot is then the
    ///         result of its program on its input.
    function requireFinal(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external view returns (bytes32 claimId);

    /// @notice Reverts unless the entry is in a batch that was posted; says which and when.
    function requireEntry(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external view returns (bytes32 batchId, uint256 postedAt);

    /// @notice A batch's state; executor 0 when there is none.
    function batchOf(bytes32 batchId) external view returns (BatchState memory);

    /// @notice A batch's id: the EIP-712 digest of its header.
    function batchIdOf(BatchHeader calldata header) external view returns (bytes32);

    /// @notice Token units of one unit of an entry's price; an order's price must be a multiple of it, below 2^48 units.
    function priceUnit() external view returns (uint256);

    /// @notice Merkle root of a calldata batch.
    function dataRootOf(bytes calldata data, uint256 count) external pure returns (bytes32);
}
