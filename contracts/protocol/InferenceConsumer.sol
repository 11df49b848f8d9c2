// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchEntry, BatchHeader} from "./BatchData.sol";
import {ClaimState, Phase} from "./ClaimLife.sol";
import {BaitOutcome, IBaitRegistry} from "./IBaitRegistry.sol";
import {IBatchMarket} from "./IBatchMarket.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {IInferenceConsumer} from "./IInferenceConsumer.sol";
import {IInferenceMarket, Request, RequestStatus} from "./IInferenceMarket.sol";
import {IModelRegistry, PortRecord} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {TensorTree} from "./TensorTree.sol";
import {TermsLib} from "./Terms.sol";

/// @title Base of contracts that use inferences
/// @notice Checks that the caller is the market, and reads output values that anyone brings: of one's own finalised request,
///         of anybody's finalised claim, of an entry of a finalised batch, or, covered by the compensation, of a claim that is not final yet.
abstract contract InferenceConsumer is IInferenceConsumer {
    IInferenceMarket public immutable market;

    error NotMarket(address caller);
    error ZeroMarket();
    /// @notice The request has no finalised claim.
    error NotFulfilled(bytes32 requestId);
    /// @notice The bytes are not the request's finalised outputs.
    error NotTheOutputs(bytes32 requestId);
    error ElementOutOfRange(uint256 element, uint256 length);
    /// @notice The book is no market of this deployment.
    error ForeignBook(address book);
    error NotFinal(bytes32 claimId, Phase phase);
    /// @notice The claim is about another program or another input.
    error OtherSubject(bytes32 claimId, bytes32 programRoot, bytes32 inputRoot);
    /// @notice Somebody else's request: its compensation is not this contract's.
    error NotOurRequest(bytes32 requestId);
    /// @notice There is no claim, or it is challenged, was found imprecise, or has ended badly.
    error NotUndisputed(bytes32 requestId, Phase phase);
    /// @notice More is at stake than would be compensated.
    error Uncovered(uint256 exposure, uint256 compensation);

    /// @notice The claim was a bait: its requester and executor wanted it wrong.
    error DeliberatelyWrong(bytes32 claimId, address layer);

    constructor(address market_) {
        if (market_ == address(0)) revert ZeroMarket();
        market = IInferenceMarket(market_);
    }

    /// @inheritdoc IInferenceConsumer
    function onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) external {
        if (msg.sender != address(market)) revert NotMarket(msg.sender);
        _onInference(requestId, claimId, outputRoot);
    }

    /// @dev Override to be told; anyone can name any contract as a callback, so check that the request is one of yours.
    function _onInference(bytes32 requestId, bytes32 claimId, bytes32 outputRoot) internal virtual;

    /// @dev Reverts unless `outputs` are exactly the stored output bytes of the request's finalised claim.
    function _requireOutputs(bytes32 requestId, bytes calldata outputs) internal view {
        Request memory req = market.requestOf(requestId);
        if (req.status != RequestStatus.Fulfilled) revert NotFulfilled(requestId);
        if (_rootOf(req.programRoot, outputs) != market.claimOf(req.claimId).outputRoot)
            revert NotTheOutputs(requestId);
    }

    /// @dev Reverts unless `outputs` are exactly those of a finalised claim about this program on this input, whoever asked
    ///      for it, in any market of this deployment.
    function _requireFinal(
        IClaimBook book,
        bytes32 claimId,
        bytes32 programRoot,
        bytes32 inputRoot,
        bytes calldata outputs
    ) internal view {
        _requireOurs(address(book));
        Phase phase = book.phaseOf(claimId);
        if (phase != Phase.Finalised) revert NotFinal(claimId, phase);
        (bytes32 program, bytes32 input) = book.subjectOf(claimId);
        if (program != programRoot || input != inputRoot) revert OtherSubject(claimId, program, input);
        if (_rootOf(program, outputs) != book.claimOf(claimId).outputRoot) revert NotTheOutputs(claimId);
    }

    /// @dev Reverts unless `outputs` are exactly those of an entry of a finalised batch about this program on this input, and
    ///      the entry was not voided or slashed by itself. Reverts with IBatchMarket.NotFinal where it is not final.
    /// @param opening that the entry is number `index` of the batch; see BatchData
    function _requireFinalInBatch(
        IBatchMarket batches,
        BatchHeader calldata header,
        uint256 index,
        BatchEntry calldata entry,
        bytes calldata opening,
        bytes32 programRoot,
        bytes calldata outputs
    ) internal view returns (bytes32 inputRoot) {
        _requireOurs(address(batches));
        bytes32 claimId = batches.requireFinal(header, index, entry, opening);
        bytes32 program = header.programRoots[entry.program];
        inputRoot = entry.inputRoot;
        if (program != programRoot) revert OtherSubject(claimId, program, inputRoot);
        if (_rootOf(program, outputs) != entry.outputRoot) revert NotTheOutputs(claimId);
    }

    /// @dev Reverts unless `outputs` are those of the claim that answers this contract's own request, nobody disputes it so
    ///      far, and the compensation that this contract gets should it be slashed is at least `exposure`: what acting on
    ///      a wrong result costs. Of imprecise results (docs/security.md) nothing is compensated.
    function _requireCovered(
        bytes32 requestId,
        bytes calldata outputs,
        uint256 exposure
    ) internal view returns (bytes32 claimId) {
        Request memory req = market.requestOf(requestId);
        if (req.requester != address(this)) revert NotOurRequest(requestId);
        claimId = req.claimId;
        Phase phase = market.phaseOf(claimId);
        if (phase == Phase.Unknown) revert NotUndisputed(requestId, phase);
        ClaimState memory claim = market.claimOf(claimId);
        if (phase != Phase.Finalised) {
            bool open = phase == Phase.Open || phase == Phase.Provable || phase == Phase.Finalisable;
            if (!open || claim.firstChallenger != address(0) || claim.imprecisionProver != address(0))
                revert NotUndisputed(requestId, phase);
            (, uint256 compensation, ) = TermsLib.splitSlash(market.termsOf(claimId));
            if (exposure > compensation) revert Uncovered(exposure, compensation);
        }
        if (_rootOf(req.programRoot, outputs) != claim.outputRoot) revert NotTheOutputs(requestId);
    }

    /// @dev Reverts where a claim is known to be wrong on purpose: for results of strangers' requests. Baits are revealed when
    ///      they end, so before that nobody can know.
    function _requireNoBait(IBaitRegistry baits, bytes32 claimId) internal view {
        (BaitOutcome outcome, address layer) = baits.baitOf(claimId);
        if (outcome != BaitOutcome.None) revert DeliberatelyWrong(claimId, layer);
    }

    /// @dev A contract that says whatever its caller wants is no market of this deployment.
    function _requireOurs(address book) internal view {
        if (IStakeManager(market.stakeManager()).refereeOf(book) == address(0)) revert ForeignBook(book);
    }

    /// @dev The output root of stored output bytes; reverts when their length is not the program's.
    function _rootOf(bytes32 programRoot, bytes calldata outputs) internal view returns (bytes32) {
        PortRecord[] memory ports = IModelRegistry(market.modelRegistry()).outputsOf(programRoot);
        uint256[] memory sizes = new uint256[](ports.length);
        for (uint256 i; i < ports.length; ++i) sizes[i] = ports[i].size;
        return TensorTree.rootOf(outputs, sizes);
    }

    /// @dev IEEE-754 bits of a float32 in little-endian bytes.
    function _float32Bits(bytes calldata outputs, uint256 element) internal pure returns (uint32) {
        uint256 start = element * 4;
        if (start + 4 > outputs.length) revert ElementOutOfRange(element, outputs.length / 4);
        return
            uint32(uint8(outputs[start])) |
            (uint32(uint8(outputs[start + 1])) << 8) |
            (uint32(uint8(outputs[start + 2])) << 16) |
            (uint32(uint8(outputs[start + 3])) << 24);
    }
}
