// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {BatchData, BatchEntry, BatchHeader} from "./BatchData.sol";
import {ClaimBook} from "./ClaimBook.sol";
import {ClaimState, Settlement} from "./ClaimLife.sol";
import {BatchRules, BatchState, IBatchMarket} from "./IBatchMarket.sol";
import {Claim, IClaimBook} from "./IClaimBook.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {PaymentChannels} from "./PaymentChannels.sol";
import {Signatures} from "./Signatures.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title BatchMarket
/// @notice See IBatchMarket, which is the specification.
/// @dev `multicall` lets an executor redeem, finalise and post in one transaction.
contract BatchMarket is PaymentChannels, Multicall, IBatchMarket {
    using BatchData for BatchHeader;
    using TermsLib for Terms;

    /// @dev An entry that became a claim of its own.
    struct Subject {
        bytes32 programRoot;
        bytes32 inputRoot;
        address requester;
        uint96 price; // in priceUnit
    }

    /// @dev Blobs are kept for 4,096 epochs, 18.2 days. What is left is for those who must still fetch them.
    uint256 private constant MAX_BLOB_WINDOW = 14 days;

    /// @inheritdoc IBatchMarket
    uint256 public immutable priceUnit;

    mapping(bytes32 batchId => BatchState) private _batches;
    mapping(bytes32 claimId => Subject) private _subjects;
    /// @dev Programs that the registry has said are there, as they are for ever: its word is asked for once.
    mapping(bytes32 programRoot => bool) private _published;

    constructor(
        address modelRegistry_,
        address stakeManager_,
        Terms memory terms_,
        BatchRules memory rules
    ) ClaimBook(modelRegistry_, stakeManager_, terms_) PaymentChannels(rules.closeDelay) {
        if (rules.priceUnit == 0) revert PriceUnitOutOfRange(0, type(uint64).max);
        priceUnit = rules.priceUnit;
    }

    /// @inheritdoc IBatchMarket
    function postBatch(
        BatchHeader calldata header,
        uint256 firstBlob,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 batchId) {
        uint256 blobs = header.blobHashes.length;
        uint256 needed =
            (uint256(header.count) + BatchData.ENTRIES_PER_BLOB - 1) / BatchData.ENTRIES_PER_BLOB;
        if (blobs != needed || header.dataRoot != 0) revert WrongBatchForm(blobs, needed);
        for (uint256 i; i < blobs; ++i) {
            bytes32 carried = blobhash(firstBlob + i);
            bytes32 expected = header.blobHashes[i];
            if (carried != expected || carried == 0) revert BlobMissing(firstBlob + i, expected, carried);
        }
        return _post(header, signature, MAX_BLOB_WINDOW);
    }

    /// @inheritdoc IBatchMarket
    function postBatchInCalldata(
        BatchHeader calldata header,
        bytes calldata data,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 batchId) {
        if (header.blobHashes.length != 0) revert WrongBatchForm(header.blobHashes.length, 0);
        bytes32 root = BatchData.rootOf(data, header.count);
        if (root != header.dataRoot) revert BatchData.DataRootMismatch(header.dataRoot, root);
        batchId = _post(header, signature, type(uint256).max);
        // A log, since this call may come from another contract, whose transaction does not show the data.
        emit BatchDataPublished(batchId, data);
    }

    /// @inheritdoc IBatchMarket
    function openClaim(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external nonReentrant returns (bytes32 claimId) {
        bytes32 batchId = batchIdOf(header);
        BatchState storage batch = _requireBatch(batchId);
        (uint40 challengeEnd, uint16 termsId) = (batch.challengeEnd, batch.termsId);
        if (block.timestamp >= challengeEnd) revert OpeningWindowOver(batchId, block.timestamp, challengeEnd);
        header.requireMember(index, entry, opening);
        Claim memory claim = _claimOf(header, entry);
        claimId = claimIdOf(claim);
        // INVARIANT I4: one claim, however many batches it is in.
        if (_claims[claimId].settlement != Settlement.None) revert AlreadyOpened(claimId);
        // INVARIANT I3: from here on its collateral is its own, and no longer its batch's.
        ++batch.opened;
        _subjects[claimId] = Subject(claim.programRoot, claim.inputRoot, entry.requester, entry.price);
        emit ClaimOpened(batchId, claimId, index, entry.requester, _priceOf(entry));
        _record(claimId, claim, termsId, challengeEnd, "");
    }

    /// @inheritdoc IBatchMarket
    function finaliseBatches(bytes32[] calldata batchIds) external nonReentrant {
        address executor;
        uint256 unlocked;
        for (uint256 i; i < batchIds.length; ++i) {
            bytes32 batchId = batchIds[i];
            BatchState storage batch = _requireBatch(batchId);
            if (batch.finalised) revert AlreadyFinalised(batchId);
            // INVARIANT I5
            if (block.timestamp < batch.challengeEnd)
                revert BatchNotFinalisable(batchId, block.timestamp, batch.challengeEnd);
            batch.finalised = true;
            uint256 entries = batch.count - batch.opened;
            emit BatchFinalised(batchId, batch.executor, entries);
            if (batch.executor != executor) {
                if (unlocked != 0) IStakeManager(stakeManager).unlock(executor, unlocked);
                (executor, unlocked) = (batch.executor, 0);
            }
            unlocked += entries * _termsAt(batch.termsId).collateral;
        }
        if (unlocked != 0) IStakeManager(stakeManager).unlock(executor, unlocked);
    }

    // --- views ---

    /// @inheritdoc IBatchMarket
    function requireFinal(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external view returns (bytes32 claimId) {
        bytes32 batchId = batchIdOf(header);
        BatchState storage batch = _requireBatch(batchId);
        header.requireMember(index, entry, opening);
        claimId = claimIdOf(_claimOf(header, entry));
        Settlement settlement = _claims[claimId].settlement;
        bool stood = settlement == Settlement.None || settlement == Settlement.Finalised;
        if (!batch.finalised || !stood) revert NotFinal(batchId, claimId);
    }

    /// @inheritdoc IBatchMarket
    function requireEntry(
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external view returns (bytes32 batchId, uint256 postedAt) {
        batchId = batchIdOf(header);
        BatchState storage batch = _requireBatch(batchId);
        header.requireMember(index, entry, opening);
        // Nobody could open, or use, an entry without a program.
        _requireProgram(header, entry);
        postedAt = batch.challengeEnd - _termsAt(batch.termsId).challengeWindow;
    }

    /// @inheritdoc IBatchMarket
    function batchOf(bytes32 batchId) external view returns (BatchState memory) {
        return _batches[batchId];
    }

    /// @inheritdoc IClaimBook
    function subjectOf(bytes32 claimId) external view returns (bytes32 programRoot, bytes32 inputRoot) {
        _requireClaim(claimId);
        Subject storage subject = _subjects[claimId];
        return (subject.programRoot, subject.inputRoot);
    }

    /// @inheritdoc IBatchMarket
    function dataRootOf(bytes calldata data, uint256 count) external pure returns (bytes32) {
        return BatchData.rootOf(data, count);
    }

    /// @inheritdoc IBatchMarket
    function batchIdOf(BatchHeader calldata header) public view returns (bytes32) {
        return _hashTypedDataV4(header.structHash());
    }

    // --- what claims' ends pay ---

    /// @inheritdoc ClaimBook
    function _onVoided(
        bytes32 claimId,
        ClaimState storage claim,
        Terms memory t
    ) internal override returns (uint256 cost, address requester, uint256 refund) {
        Subject storage subject = _subjects[claimId];
        requester = subject.requester;
        uint256 price = subject.price * priceUnit;
        (cost, ) = t.splitVoid(price, 0);
        refund = _refundOrder(claimId, requester, claim.executor, price, claim.imprecisionProver, cost);
    }

    /// @inheritdoc ClaimBook
    function _onSlashed(
        bytes32 claimId,
        ClaimState storage claim
    ) internal override returns (address requester, uint256 refund) {
        Subject storage subject = _subjects[claimId];
        requester = subject.requester;
        refund = _refundOrder(claimId, requester, claim.executor, subject.price * priceUnit, address(0), 0);
    }

    /// @inheritdoc ClaimBook
    /// @dev Vouchers pay; nothing is held for a claim.
    function _onFinalised(
        bytes32,
        ClaimState storage
    ) internal pure override returns (uint256 fee, address royaltyTo, uint256 royalty) {
        return (0, address(0), 0);
    }

    // --- parts ---

    function _post(
        BatchHeader calldata header,
        bytes calldata signature,
        uint256 maxWindow
    ) private returns (bytes32 batchId) {
        address executor = header.executor;
        uint16 count = header.count;
        if (count == 0) revert EmptyBatch();
        batchId = batchIdOf(header);
        if (msg.sender != executor && !Signatures.isSignedBy(executor, batchId, signature))
            revert InvalidBatchSignature(executor, batchId);
        if (_batches[batchId].executor != address(0)) revert BatchExists(batchId);
        // A claim of an unknown program could not be proven wrong, and the program be published once it is final.
        for (uint256 i; i < header.programRoots.length; ++i) {
            bytes32 programRoot = header.programRoots[i];
            if (_published[programRoot]) continue;
            IModelRegistry(modelRegistry).requirePublished(programRoot);
            _published[programRoot] = true;
        }
        Current memory t = _current;
        uint256 window = t.challengeWindow;
        if (window > maxWindow) revert WindowOutlivesBlobs(window, maxWindow);
        uint40 challengeEnd = uint40(block.timestamp + window);
        _batches[batchId] = BatchState(executor, challengeEnd, t.termsId, count, 0, false);
        emit BatchPosted(batchId, executor, header, t.termsId, challengeEnd);
        // INVARIANT I3: no claim without its collateral.
        IStakeManager(stakeManager).lock(executor, uint256(t.collateral) * count);
    }

    /// @dev In token units.
    function _priceOf(BatchEntry calldata entry) private view returns (uint256) {
        return entry.price * priceUnit;
    }

    function _requireBatch(bytes32 batchId) private view returns (BatchState storage batch) {
        batch = _batches[batchId];
        if (batch.executor == address(0)) revert UnknownBatch(batchId);
    }

    function _claimOf(
        BatchHeader calldata header,
        BatchEntry calldata entry
    ) private pure returns (Claim memory) {
        _requireProgram(header, entry);
        return
            Claim({
                requestId: entry.orderHash,
                programRoot: header.programRoots[entry.program],
                inputRoot: entry.inputRoot,
                outputRoot: entry.outputRoot,
                traceRoot: 0,
                executor: header.executor
            });
    }

    function _requireProgram(BatchHeader calldata header, BatchEntry calldata entry) private pure {
        if (entry.program >= header.programRoots.length)
            revert ProgramOutOfRange(entry.program, header.programRoots.length);
    }
}
