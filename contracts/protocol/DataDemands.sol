// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Dtype} from "../program/Dtype.sol";
import {Instruction} from "../program/Program.sol";
import {AccessMap} from "../proof/AccessMap.sol";
import {Data, DataPage, Page} from "../proof/DataPage.sol";
import {TensorProof} from "../proof/TensorProof.sol";
import {ClaimState, Phase} from "./ClaimLife.sol";
import {IClaimBook} from "./IClaimBook.sol";
import {Demand, DemandStatus, IDataDemands} from "./IDataDemands.sol";
import {IModelRegistry, PortRecord, ProgramRecord} from "./IModelRegistry.sol";
import {IStakeManager} from "./IStakeManager.sol";
import {Terms, TermsLib} from "./Terms.sol";

/// @title DataDemands
/// @notice See IDataDemands, which is the specification.
abstract contract DataDemands is IDataDemands, ReentrancyGuardTransient {
    using TermsLib for Terms;

    address private immutable _book;
    address private immutable _stakes;
    address private immutable _registry;

    mapping(bytes32 demandId => Demand) private _demands;
    /// @inheritdoc IDataDemands
    mapping(address executor => uint64) public busyUntil;

    constructor(address book) {
        if (book == address(0)) revert IClaimBook.ZeroAddress();
        _book = book;
        _stakes = IClaimBook(book).stakeManager();
        _registry = IClaimBook(book).modelRegistry();
    }

    /// @inheritdoc IDataDemands
    function demandData(
        bytes32 claimId,
        Page calldata page,
        bytes calldata instruction,
        bytes32[] calldata instructionPath,
        uint256 maxBond
    ) external nonReentrant returns (bytes32 demandId) {
        demandId = demandIdOf(claimId, page);
        Demand storage demand = _demands[demandId];
        if (demand.status != DemandStatus.None) revert AlreadyDemanded(demandId);
        uint64 answerBy = IClaimBook(_book).recordDemand(claimId, page.data == Data.Trace);
        (uint64 size, uint32 tensors) = _sizeOf(claimId, page, instruction, instructionPath);
        (uint256 reward, uint256 burned) = _charge(claimId, DataPage.nodeCount(page, size));
        if (reward + burned > maxBond) revert BondAboveMax(reward + burned, maxBond);
        if (burned > type(uint128).max) revert BondTooLarge(reward + burned);
        demand.demander = msg.sender;
        demand.status = DemandStatus.Open;
        demand.tensors = tensors;
        demand.size = size;
        demand.answerBy = answerBy;
        demand.burned = uint128(burned);
        emit DataDemanded(claimId, demandId, msg.sender, page, size, reward, burned, answerBy);
        IStakeManager(_stakes).takeBond(demandId, msg.sender, reward + burned);
    }

    /// @inheritdoc IDataDemands
    function answerData(
        bytes32 claimId,
        Page calldata page,
        bytes calldata nodes,
        bytes32[] calldata path
    ) external nonReentrant {
        (bytes32 demandId, Demand storage demand) = _requireOpen(claimId, page);
        if (block.timestamp >= demand.answerBy)
            revert AnswerTooLate(demandId, block.timestamp, demand.answerBy);
        bytes32 expected = _rootOf(claimId, page.data);
        bytes32 actual = DataPage.rootOf(page, demand.size, demand.tensors, nodes, path);
        if (actual != expected) revert WrongData(expected, actual);
        demand.status = DemandStatus.Answered;
        IClaimBook(_book).recordAnswer(claimId);
        emit DataAnswered(claimId, demandId, msg.sender, nodes, path);
        address demander = demand.demander;
        uint256 burned = demand.burned;
        uint256 reward = IStakeManager(_stakes).bondOf(demandId, demander) - burned;
        IStakeManager(_stakes).spendBond(demandId, demander, msg.sender, reward, burned);
    }

    /// @inheritdoc IDataDemands
    function settleWithheld(bytes32 claimId, Page calldata page) external nonReentrant {
        (bytes32 demandId, Demand storage demand) = _requireOpen(claimId, page);
        if (block.timestamp < demand.answerBy)
            revert AnswerNotOverdue(demandId, block.timestamp, demand.answerBy);
        demand.status = DemandStatus.Returned;
        address demander = demand.demander;
        emit DataWithheld(claimId, demandId, demander);
        IClaimBook(_book).settleWithheld(claimId, demander);
        IStakeManager(_stakes).returnBond(demandId, demander);
    }

    /// @inheritdoc IDataDemands
    function reclaimDemand(bytes32 claimId, Page calldata page) external nonReentrant {
        (bytes32 demandId, Demand storage demand) = _requireOpen(claimId, page);
        Phase phase = IClaimBook(_book).phaseOf(claimId);
        if (phase != Phase.Slashed) revert IClaimBook.WrongPhase(claimId, phase);
        demand.status = DemandStatus.Returned;
        address demander = demand.demander;
        emit DemandReturned(claimId, demandId, demander);
        IStakeManager(_stakes).returnBond(demandId, demander);
    }

    /// @inheritdoc IDataDemands
    function demandPrice(
        bytes32 claimId,
        uint256 nodes
    ) external view returns (uint256 reward, uint256 burned) {
        uint256 busy = busyUntil[IClaimBook(_book).claimOf(claimId).executor];
        return _price(IClaimBook(_book).termsOf(claimId), nodes, busy);
    }

    /// @inheritdoc IDataDemands
    function demandOf(bytes32 demandId) external view returns (Demand memory) {
        return _demands[demandId];
    }

    /// @inheritdoc IDataDemands
    function demandIdOf(bytes32 claimId, Page calldata page) public pure returns (bytes32) {
        return keccak256(abi.encode(claimId, page));
    }

    /// @dev The price of a demand, which makes the next one of this executor dearer.
    function _charge(bytes32 claimId, uint256 nodes) private returns (uint256 reward, uint256 burned) {
        Terms memory terms = IClaimBook(_book).termsOf(claimId);
        address executor = IClaimBook(_book).claimOf(claimId).executor;
        uint256 busy = busyUntil[executor];
        (reward, burned) = _price(terms, nodes, busy);
        uint256 since = busy > block.timestamp ? busy : block.timestamp;
        busyUntil[executor] = uint64(since + terms.demandInterval);
    }

    function _price(
        Terms memory terms,
        uint256 nodes,
        uint256 busy
    ) private view returns (uint256 reward, uint256 burned) {
        return terms.priceOf(nodes, busy > block.timestamp ? busy - block.timestamp : 0);
    }

    /// @dev Bytes of the tree that a page is cut from, and tensors under the claim's root; from the program alone, so that
    ///      every honest executor's trees have them.
    function _sizeOf(
        bytes32 claimId,
        Page calldata page,
        bytes calldata encoded,
        bytes32[] calldata path
    ) private view returns (uint64 size, uint32 tensors) {
        (bytes32 programRoot, ) = IClaimBook(_book).subjectOf(claimId);
        ProgramRecord memory program = IModelRegistry(_registry).programs(programRoot);
        bool ofTrace = page.data == Data.Trace;
        tensors =
            ofTrace
                ? program.instructionCount
                : page.data == Data.Input
                    ? program.inputCount
                    : program.outputCount;
        if (page.tensor != DataPage.ROOTS && page.tensor >= tensors)
            revert UnknownTensor(page.data, page.tensor, tensors);
        if (ofTrace && page.tensor != DataPage.ROOTS) {
            TensorProof.requireLeaf(
                program.instructionsRoot,
                tensors,
                page.tensor,
                TensorProof.sha256Of(encoded),
                path
            );
            return (_lengthOf(encoded), tensors);
        }
        if (encoded.length != 0 || path.length != 0) revert UnexpectedInstruction();
        if (page.tensor == DataPage.ROOTS) return (uint64(tensors) * 32, tensors);
        PortRecord[] memory ports =
            page.data == Data.Input
                ? IModelRegistry(_registry).inputsOf(programRoot)
                : IModelRegistry(_registry).outputsOf(programRoot);
        size = ports[page.tensor].size;
    }

    function _rootOf(bytes32 claimId, Data data) private view returns (bytes32 root) {
        if (data == Data.Input) {
            (, root) = IClaimBook(_book).subjectOf(claimId);
        } else {
            ClaimState memory claim = IClaimBook(_book).claimOf(claimId);
            root = data == Data.Trace ? claim.traceRoot : claim.outputRoot;
        }
    }

    function _requireOpen(
        bytes32 claimId,
        Page calldata page
    ) private view returns (bytes32 demandId, Demand storage demand) {
        demandId = demandIdOf(claimId, page);
        demand = _demands[demandId];
        if (demand.status != DemandStatus.Open) revert DemandNotOpen(demandId, demand.status);
    }

    /// @dev Bytes of the value that an instruction writes. Publishers may commit to any bytes: what does not decode reverts.
    function _lengthOf(bytes calldata encoded) private pure returns (uint64) {
        Instruction memory instruction = abi.decode(encoded, (Instruction));
        uint256 width = Dtype.sizeOf(instruction.dtype);
        if (width == 0) revert UnknownElementType(instruction.dtype);
        uint256 length = AccessMap.elementCount(instruction.dims) * width;
        if (length > type(uint64).max) revert AccessMap.OutputTooLarge();
        return uint64(length);
    }
}
