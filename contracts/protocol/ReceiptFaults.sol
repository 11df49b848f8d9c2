// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {IBatchMarket} from "./IBatchMarket.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {Inclusion, InclusionStatus, IReceiptFaults, ReceiptRules} from "./IReceiptFaults.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Order, Orders, Receipt} from "./Orders.sol";
import {Signatures} from "./Signatures.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title ReceiptFaults
/// @notice See IReceiptFaults, which is the specification.
contract ReceiptFaults is IReceiptFaults, ReentrancyGuardTransient {
    using Orders for Order;
    using Orders for Receipt;
    using TermsLib for Terms;

    /// @dev For somebody to settle a demand once its window is over, before stake that is leaving has left.
    uint256 private constant SETTLE_MARGIN = 1 hours;

    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    /// @inheritdoc IReceiptFaults
    address public immutable batchMarket;
    /// @inheritdoc IReceiptFaults
    address public immutable stakeManager;
    /// @inheritdoc IReceiptFaults
    uint256 public immutable claimDelay;
    /// @inheritdoc IReceiptFaults
    uint256 public immutable filingWindow;
    /// @inheritdoc IReceiptFaults
    uint256 public immutable inclusionWindow;

    mapping(bytes32 receiptHash => Inclusion) private _demands;
    /// @inheritdoc IReceiptFaults
    mapping(bytes32 orderHash => bool) public receiptSlashed;

    constructor(address batchMarket_, ReceiptRules memory rules) {
        TermsLib.validateWindow(rules.claimDelay);
        TermsLib.validateWindow(rules.filingWindow);
        TermsLib.validateWindow(rules.inclusionWindow);
        batchMarket = batchMarket_;
        stakeManager = IClaimBook(batchMarket_).stakeManager();
        (claimDelay, filingWindow, inclusionWindow) = (
            rules.claimDelay,
            rules.filingWindow,
            rules.inclusionWindow
        );
    }

    /// @inheritdoc IReceiptFaults
    function forceInclude(
        Order calldata order,
        Receipt calldata receipt,
        bytes calldata signature
    ) external nonReentrant {
        bytes32 receiptHash = _requireReceipt(order, receipt, signature);
        if (block.timestamp < receipt.claimBy) revert ClaimNotDue(block.timestamp, receipt.claimBy);
        uint256 filingEnd = receipt.claimBy + filingWindow;
        if (block.timestamp >= filingEnd) revert FilingWindowOver(block.timestamp, filingEnd);
        Inclusion storage demand = _demands[receiptHash];
        if (demand.status != InclusionStatus.None)
            revert InclusionAlreadyDemanded(receiptHash, demand.status);
        Terms memory t = IClaimBook(batchMarket).terms();
        (uint256 compensation, uint256 burned) = _split(t);
        demand.filer = msg.sender;
        demand.answerEnd = uint64(block.timestamp + inclusionWindow);
        demand.status = InclusionStatus.Open;
        demand.compensation = uint128(compensation);
        demand.burned = uint128(burned);
        emit InclusionDemanded(
            receiptHash,
            order.executor,
            msg.sender,
            order,
            receipt,
            t.challengeBond,
            demand.answerEnd
        );
        IStakeManager(stakeManager).takeBond(receiptHash, msg.sender, t.challengeBond);
    }

    /// @inheritdoc IReceiptFaults
    function answerInclusion(
        Order calldata order,
        Receipt calldata receipt,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external nonReentrant {
        bytes32 receiptHash = receiptHashOf(receipt);
        Inclusion storage demand = _demands[receiptHash];
        if (demand.status != InclusionStatus.Open) revert InclusionNotOpen(receiptHash, demand.status);
        if (block.timestamp >= demand.answerEnd)
            revert InclusionWindowOver(block.timestamp, demand.answerEnd);
        _requireOrder(order, receipt);
        (bytes32 batchId, uint256 postedAt) = IBatchMarket(batchMarket).requireEntry(
            header,
            index,
            entry,
            opening
        );
        bool kept =
            header.executor == order.executor &&
                entry.orderHash == receipt.orderHash &&
                entry.outputRoot == receipt.outputRoot &&
                entry.inputRoot == order.inputRoot &&
                entry.requester == order.requester &&
                entry.price * IBatchMarket(batchMarket).priceUnit() == order.price &&
                header.programRoots[entry.program] == order.programRoot;
        if (!kept) revert EntryMismatch(receiptHash);
        demand.status = InclusionStatus.Answered;
        // Whoever had to demand it gets the bond back; whoever demanded what was there has paid for the answer.
        bool before = postedAt < demand.answerEnd - inclusionWindow;
        address filer = demand.filer;
        emit InclusionAnswered(receiptHash, batchId, index, before ? order.executor : filer);
        if (before) IStakeManager(stakeManager).forfeitBonds(receiptHash, order.executor);
        else IStakeManager(stakeManager).returnBond(receiptHash, filer);
    }

    /// @inheritdoc IReceiptFaults
    function settleMissing(Order calldata order, Receipt calldata receipt) external nonReentrant {
        bytes32 receiptHash = receiptHashOf(receipt);
        Inclusion storage demand = _demands[receiptHash];
        InclusionStatus status = demand.status;
        if (status != InclusionStatus.Open && status != InclusionStatus.Missing)
            revert InclusionNotOpen(receiptHash, status);
        if (block.timestamp < demand.answerEnd) revert InclusionWindowOpen(block.timestamp, demand.answerEnd);
        _requireOrder(order, receipt);
        if (status == InclusionStatus.Open) {
            demand.status = InclusionStatus.Missing;
            emit InclusionMissed(receiptHash, order.executor);
            IStakeManager(stakeManager).returnBond(receiptHash, demand.filer);
        }
        if (receiptSlashed[receipt.orderHash]) {
            // An equivocation was quicker: once per order.
            demand.status = InclusionStatus.Slashed;
            return;
        }
        (uint256 compensation, uint256 burned) = (demand.compensation, demand.burned);
        uint256 unlocked = IStakeManager(stakeManager).unlockedOf(order.executor);
        // INVARIANT I8: the bond goes home at the first call, whether or not there is anything to slash.
        if (unlocked < compensation + burned) {
            if (status == InclusionStatus.Open) return;
            revert IStakeManager.InsufficientFreeStake(order.executor, unlocked, compensation + burned);
        }
        demand.status = InclusionStatus.Slashed;
        _slash(order, receipt.orderHash, compensation, burned);
    }

    /// @inheritdoc IReceiptFaults
    function proveTwoReceipts(
        Order calldata order,
        Receipt calldata first,
        bytes calldata firstSignature,
        Receipt calldata second,
        bytes calldata secondSignature
    ) external nonReentrant {
        _requireReceipt(order, first, firstSignature);
        _requireReceipt(order, second, secondSignature);
        if (first.outputRoot == second.outputRoot) revert SameOutput(first.outputRoot);
        (uint256 compensation, uint256 burned) = _split(IClaimBook(batchMarket).terms());
        _slash(order, first.orderHash, compensation, burned);
    }

    /// @inheritdoc IReceiptFaults
    function proveReceiptBroken(
        Order calldata order,
        Receipt calldata receipt,
        bytes calldata signature,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening
    ) external nonReentrant {
        bytes32 receiptHash = _requireReceipt(order, receipt, signature);
        IBatchMarket(batchMarket).requireEntry(header, index, entry, opening);
        if (header.executor != order.executor || entry.orderHash != receipt.orderHash)
            revert EntryMismatch(receiptHash);
        if (entry.outputRoot == receipt.outputRoot) revert SameOutput(receipt.outputRoot);
        (uint256 compensation, uint256 burned) = _split(IClaimBook(batchMarket).terms());
        _slash(order, receipt.orderHash, compensation, burned);
    }

    /// @inheritdoc IReceiptFaults
    function inclusionOf(bytes32 receiptHash) external view returns (Inclusion memory) {
        return _demands[receiptHash];
    }

    /// @inheritdoc IReceiptFaults
    function longestClaimLife() external view returns (uint256) {
        return claimDelay + filingWindow + inclusionWindow + SETTLE_MARGIN;
    }

    /// @inheritdoc IReceiptFaults
    function market() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc IReceiptFaults
    function orderHashOf(Order calldata order) public view returns (bytes32) {
        return _digest(order.structHash());
    }

    /// @inheritdoc IReceiptFaults
    function receiptHashOf(Receipt calldata receipt) public view returns (bytes32) {
        return _digest(receipt.structHash());
    }

    function _slash(Order calldata order, bytes32 orderHash, uint256 compensation, uint256 burned) private {
        if (receiptSlashed[orderHash]) revert AlreadySlashed(orderHash);
        receiptSlashed[orderHash] = true;
        emit ReceiptSlashed(orderHash, order.executor, order.requester, compensation, burned);
        IStakeManager(stakeManager).slashUnlocked(order.executor, order.requester, compensation, burned);
    }

    function _requireReceipt(
        Order calldata order,
        Receipt calldata receipt,
        bytes calldata signature
    ) private view returns (bytes32 receiptHash) {
        _requireOrder(order, receipt);
        receiptHash = receiptHashOf(receipt);
        if (!Signatures.isSignedBy(order.executor, receiptHash, signature))
            revert InvalidReceipt(order.executor, receiptHash);
    }

    function _requireOrder(Order calldata order, Receipt calldata receipt) private view {
        bytes32 orderHash = orderHashOf(order);
        if (orderHash != receipt.orderHash) revert WrongOrder(receipt.orderHash, orderHash);
    }

    /// @dev The domain is the BatchMarket's, as of everything that is signed off-chain.
    function _digest(bytes32 structHash) private view returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Assay"), keccak256("1"), block.chainid, batchMarket)
        );
        return MessageHashUtils.toTypedDataHash(separator, structHash);
    }

    /// @dev No bounty: what it would be goes to the requester as well.
    function _split(Terms memory t) private pure returns (uint256 compensation, uint256 burned) {
        uint256 bounty;
        (bounty, compensation, burned) = t.splitSlash();
        compensation += bounty;
    }
}
